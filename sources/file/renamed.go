package file

import (
	"maps"
	"os"
)

// followRenamed finds files that were read under another name (a rotated log), so that they are read on and not anew. What was known
// under the old names is forgotten: another file there is a new one. All names change at once, since logs are rotated in chains.
//
// A file is taken for one that was read when it has its number, and: read to the end of a plain file, nobody wrote to it since; read in
// part, the text before that place is the same. (Numbers are used again, so that the number alone says nothing.)
func (r *reader) followRenamed(files []string) {
	if len(r.pos.Seen) == 0 {
		return
	}
	byNode := make(map[uint64]string, len(r.pos.Seen))
	for path, m := range r.pos.Seen {
		if m.node != 0 {
			byNode[m.node] = path
		}
	}
	if len(byNode) == 0 {
		return
	}
	var moved map[string]string // new name -> old name
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		node := nodeOf(info)
		old, ok := byNode[node]
		if !ok || old == path || r.pos.Seen[path].node == node {
			continue
		}
		m := r.pos.Seen[old]
		same := m.untouched(info)
		if m.offset >= 0 && info.Size() > m.offset && r.grows(path) {
			same = m.n > 0 && m.holds(path)
		}
		if there, err := os.Stat(old); err == nil && nodeOf(there) == node {
			continue // both names are the file's
		}
		if same {
			if moved == nil {
				moved = map[string]string{}
			}
			moved[path] = old
		}
	}
	if moved == nil {
		return
	}
	seen := maps.Clone(r.pos.Seen)
	for path, old := range moved {
		r.src.log.Info("a file that was read has another name now", "source", r.src.cfg.Name, "was", old, "is", path)
		delete(seen, old)
		delete(r.stuck, old)
		delete(r.stuck, path)
	}
	for path, old := range moved {
		seen[path] = r.pos.Seen[old]
	}
	r.pos = newPlace(position{Seen: seen}, true)
}
