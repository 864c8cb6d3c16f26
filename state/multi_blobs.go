package state

// blobs holds byte strings of known length in large pages. A page whose strings have all been let go is freed. A place is
// page << 32 | offset.
type blobs struct {
	pages   [][]byte
	live    []int // bytes a page that are in use
	size    int64 // capacity of all pages
	garbage int64
}

func (a *blobs) get(place uint64, n int) []byte {
	return a.pages[place>>32][uint32(place) : int(uint32(place))+n : int(uint32(place))+n]
}

func (a *blobs) add(b []byte) uint64 {
	last := len(a.pages) - 1
	if last < 0 || cap(a.pages[last])-len(a.pages[last]) < len(b) {
		size := minArenaPage
		if last >= 0 {
			size = min(max(2*cap(a.pages[last]), minArenaPage), maxArenaPage)
			a.garbage += int64(cap(a.pages[last]) - len(a.pages[last]))
			a.letGo(last)
		}
		size = max(size, len(b))
		a.pages, a.live = append(a.pages, make([]byte, 0, size)), append(a.live, 0)
		a.size += int64(size)
		last++
	}
	p := a.pages[last]
	place := uint64(last)<<32 | uint64(len(p))
	a.pages[last] = append(p, b...)
	a.live[last] += len(b)
	return place
}

// letGo frees a page that nobody uses.
func (a *blobs) letGo(page int) {
	if a.live[page] == 0 && a.pages[page] != nil {
		a.size -= int64(cap(a.pages[page]))
		a.garbage -= int64(cap(a.pages[page]))
		a.pages[page] = nil
	}
}

func (a *blobs) drop(place uint64, n int) {
	page := int(place >> 32)
	a.live[page] -= n
	a.garbage += int64(n)
	if page < len(a.pages)-1 {
		a.letGo(page)
	}
}

func (a *blobs) wasteful() bool {
	return a.garbage > 1<<16 && a.garbage > a.size/2 || len(a.pages) > 1<<12 && int64(len(a.pages)) > 4*(a.size/maxArenaPage+1)
}

// compact copies all living strings to new pages.
func (t *Multi) compact() {
	old := t.blobs
	t.blobs = blobs{}
	for slot := range t.n {
		if !t.Live(slot) {
			continue
		}
		if n := t.layout.blobLen(t.fixedOf(slot)); n > 0 {
			p := u64At(t.mem(slot), t.blobAt)
			*p = t.blobs.add(old.get(*p, n))
		}
	}
}
