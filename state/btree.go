package state

import (
	"bytes"
	"encoding/binary"
	"math"
)

// btree sorts slots by their keys. Nodes lie in chunks without pointers and are numbered.
//
// A leaf lists slots in the order of their keys. An inner node lists children and, for each, the slot of the smallest row under it; so no
// separator outlives its row. Beside every slot stands the start of its key as a number (prefixOf), which decides most comparisons.
//
// Invariants: no node but an empty root is empty; all leaves are at one depth and doubly linked in order.
type btree struct {
	chunks [][]node
	free   []uint32
	root   uint32
	height int // inner levels above the leaves
	path   []step
}

const (
	fanout    = 64
	chunkBits = 4
	chunkSize = 1 << chunkBits
	noNode    = ^uint32(0)
)

type node struct {
	n          int
	next, prev uint32 // of leaves
	prefix     [fanout]uint64
	slot       [fanout]uint32
	child      [fanout]uint32 // of inner nodes
}

// step is one inner node on the way down and the child taken.
type step struct {
	node uint32
	at   int
}

func (t *btree) init() {
	t.root = t.newNode()
	n := t.at(t.root)
	n.next, n.prev = noNode, noNode
}

func (t *btree) at(id uint32) *node { return &t.chunks[id>>chunkBits][id&(chunkSize-1)] }

func (t *btree) newNode() uint32 {
	if last := len(t.free) - 1; last >= 0 {
		id := t.free[last]
		t.free = t.free[:last]
		*t.at(id) = node{}
		return id
	}
	n := len(t.chunks)
	t.chunks = append(t.chunks, make([]node, chunkSize))
	for i := chunkSize - 1; i > 0; i-- {
		t.free = append(t.free, uint32(n<<chunkBits|i))
	}
	return uint32(n << chunkBits)
}

// prefixOf returns a number that orders keys as far as it differs: of keys that begin with a value that is not NULL (changelog.Encoder
// marks it with 1) the 8 bytes behind the mark, so that it holds all of a bigint or timestamp.
func prefixOf(key []byte) uint64 {
	switch {
	case len(key) == 0 || key[0] == 0:
		return 0
	case key[0] > 1:
		return math.MaxUint64
	case len(key) > 8:
		return binary.BigEndian.Uint64(key[1:])
	}
	var b [8]byte
	copy(b[:], key[1:])
	return binary.BigEndian.Uint64(b[:])
}

// lowerBound returns the first place in n whose key is not before key.
func (t *Ordered) lowerBound(n *node, prefix uint64, key []byte) int {
	lo, hi := 0, n.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if n.prefix[mid] < prefix || n.prefix[mid] == prefix && bytes.Compare(t.Key(n.slot[mid]), key) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// descend returns the leaf where key is or belongs, and the place of the first row there that is not before it; the way down
// is left in tree.path.
func (t *Ordered) descend(key []byte) (leaf uint32, at int) {
	tree, prefix := &t.tree, prefixOf(key)
	tree.path = tree.path[:0]
	id := tree.root
	for range tree.height {
		n := tree.at(id)
		i := t.lowerBound(n, prefix, key)
		if i == n.n || i > 0 && !(n.prefix[i] == prefix && bytes.Equal(t.Key(n.slot[i]), key)) {
			i--
		}
		tree.path = append(tree.path, step{id, i})
		id = n.child[i]
	}
	return id, t.lowerBound(tree.at(id), prefix, key)
}

// insertAt enters a slot at a place in a leaf whose way down is in path.
func (t *btree) insertAt(leaf uint32, at int, slot uint32, prefix uint64) {
	n := t.at(leaf)
	if n.n == fanout {
		half := fanout / 2
		if at == fanout && n.next == noNode {
			half = fanout - 1 // rows that come in order fill their leaves
		}
		right := t.split(leaf, half)
		r := t.at(right)
		n = t.at(leaf)
		r.next, r.prev = n.next, leaf
		if n.next != noNode {
			t.at(n.next).prev = right
		}
		n.next = right
		if at > half {
			t.put(right, at-half, slot, prefix, 0)
		} else {
			t.put(leaf, at, slot, prefix, 0)
		}
		t.fixMin(len(t.path), leaf)
		t.addChild(len(t.path)-1, right)
		return
	}
	t.put(leaf, at, slot, prefix, 0)
	if at == 0 {
		t.fixMin(len(t.path), leaf)
	}
}

func (t *btree) put(id uint32, at int, slot uint32, prefix uint64, child uint32) {
	n := t.at(id)
	copy(n.prefix[at+1:], n.prefix[at:n.n])
	copy(n.slot[at+1:], n.slot[at:n.n])
	copy(n.child[at+1:], n.child[at:n.n])
	n.prefix[at], n.slot[at], n.child[at] = prefix, slot, child
	n.n++
}

// split moves the entries from half on to a new node.
func (t *btree) split(id uint32, half int) uint32 {
	right := t.newNode()
	n, r := t.at(id), t.at(right)
	r.n = copy(r.slot[:], n.slot[half:n.n])
	copy(r.prefix[:], n.prefix[half:n.n])
	copy(r.child[:], n.child[half:n.n])
	n.n = half
	return right
}

// addChild enters a new node beside the one that path[level] leads to.
func (t *btree) addChild(level int, child uint32) {
	c := t.at(child)
	slot, prefix := c.slot[0], c.prefix[0]
	if level < 0 {
		old := t.root
		o := t.at(old)
		oslot, oprefix := o.slot[0], o.prefix[0]
		t.root = t.newNode()
		t.height++
		t.put(t.root, 0, oslot, oprefix, old)
		t.put(t.root, 1, slot, prefix, child)
		return
	}
	s := t.path[level]
	if t.at(s.node).n < fanout {
		t.put(s.node, s.at+1, slot, prefix, child)
		return
	}
	half := fanout / 2
	if s.at == fanout-1 {
		half = fanout - 1
	}
	right := t.split(s.node, half)
	if s.at+1 > half {
		t.put(right, s.at+1-half, slot, prefix, child)
	} else {
		t.put(s.node, s.at+1, slot, prefix, child)
	}
	t.addChild(level-1, right)
}

// fixMin tells the nodes above that the first row under path[:level] is now the first of node id.
func (t *btree) fixMin(level int, id uint32) {
	n := t.at(id)
	slot, prefix := n.slot[0], n.prefix[0]
	for level--; level >= 0; level-- {
		s := t.path[level]
		p := t.at(s.node)
		p.slot[s.at], p.prefix[s.at] = slot, prefix
		if s.at > 0 {
			return
		}
	}
}

// removeAt takes an entry out of a leaf whose way down is in path.
func (t *btree) removeAt(leaf uint32, at int) {
	t.cut(leaf, at)
	t.shrinkNode(len(t.path), leaf, at == 0)
}

func (t *btree) cut(id uint32, at int) {
	n := t.at(id)
	copy(n.prefix[at:], n.prefix[at+1:n.n])
	copy(n.slot[at:], n.slot[at+1:n.n])
	copy(n.child[at:], n.child[at+1:n.n])
	n.n--
}

// shrinkNode mends the tree above a node that lost an entry; first says that it was the first one.
func (t *btree) shrinkNode(level int, id uint32, first bool) {
	n := t.at(id)
	if level == 0 {
		for t.height > 0 && n.n == 1 {
			t.free = append(t.free, t.root)
			t.root = n.child[0]
			t.height--
			n = t.at(t.root)
		}
		return
	}
	s := t.path[level-1]
	if n.n == 0 {
		t.unlink(level, id)
		t.cut(s.node, s.at)
		t.shrinkNode(level-1, s.node, s.at == 0)
		return
	}
	if first {
		t.fixMin(level, id)
	}
	if n.n >= fanout/4 {
		return
	}
	// Merge with a neighbour under the same parent, if both together leave room.
	p := t.at(s.node)
	left, at := id, s.at
	switch {
	case s.at+1 < p.n && n.n+t.at(p.child[s.at+1]).n <= fanout*3/4:
		at = s.at + 1
	case s.at > 0 && n.n+t.at(p.child[s.at-1]).n <= fanout*3/4:
		left = p.child[s.at-1]
	default:
		return
	}
	right := p.child[at]
	l, r := t.at(left), t.at(right)
	copy(l.prefix[l.n:], r.prefix[:r.n])
	copy(l.slot[l.n:], r.slot[:r.n])
	copy(l.child[l.n:], r.child[:r.n])
	l.n += r.n
	t.unlink(level, right)
	t.cut(s.node, at)
	t.shrinkNode(level-1, s.node, false)
}

// unlink frees a node on the level below path[level-1].
func (t *btree) unlink(level int, id uint32) {
	if level == t.height {
		n := t.at(id)
		if n.prev != noNode {
			t.at(n.prev).next = n.next
		}
		if n.next != noNode {
			t.at(n.next).prev = n.prev
		}
	}
	t.free = append(t.free, id)
}

func (t *btree) bytes() int64 {
	return int64(len(t.chunks)) * chunkSize * (24 + fanout*16)
}
