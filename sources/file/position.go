package file

import (
	"encoding/json"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// position is the stored place in the partition, as JSON. Offsets count decompressed bytes (record formats) or blocks.
//
// Not watched: every file before File (by name) is done, File is read up to Offset. Watched, or once watched: Seen holds the offset reached in
// every file that was begun. A file that is done has -1; watched plain files never are. Positions stored by earlier versions have offsets
// where there are marks now.
type position struct {
	File   string          `json:"file,omitempty"`
	Offset mark            `json:"offset,omitzero"`
	Seen   map[string]mark `json:"seen,omitempty"`
}

const done = -1

func decodePosition(p sources.Position) (position, error) {
	var pos position
	if p == nil {
		return pos, nil
	}
	if err := json.Unmarshal(p, &pos); err != nil {
		return pos, types.Errorf(types.CodeDataCorrupted, "stored position of a file source is damaged: %v", err)
	}
	return pos, nil
}

func (p position) encode() sources.Position {
	b, err := json.Marshal(p)
	if err != nil { // strings and marks always marshal
		panic(err)
	}
	return b
}

// bySeen returns the same position in the form of a watched source, given the files there are, sorted.
func (p position) bySeen(files []string) position {
	if p.File == "" {
		return p
	}
	seen := map[string]mark{p.File: p.Offset}
	for _, f := range files {
		if f < p.File {
			seen[f] = mark{offset: done}
		}
	}
	return position{Seen: seen}
}

// place is where a reader stands: a position, with its encoding kept up to date at little cost, since every chunk needs it.
type place struct {
	position
	seenAll bool             // files are told apart one by one, as in Seen
	at      sources.Position // the position encoded

	// With seenAll: the encoded entries of all files but current, one of which may stand before a later one of the same file, which counts.
	others  []byte
	entries int
	current string
}

func newPlace(p position, seenAll bool) *place {
	pl := &place{position: p, seenAll: seenAll}
	if seenAll && pl.Seen == nil {
		pl.Seen = map[string]mark{}
	}
	pl.rebuild()
	pl.at = p.encode()
	return pl
}

// move says how far file was read.
func (p *place) move(file string, offset mark) {
	if !p.seenAll {
		p.File, p.Offset = file, offset
		p.at = p.encode()
		return
	}
	if file != p.current {
		if last, ok := p.Seen[p.current]; ok {
			p.others = appendEntry(p.others, p.current, last)
			p.entries++
		}
		p.current = file
		if p.entries > 2*len(p.Seen)+16 {
			p.rebuild()
		}
	}
	p.Seen[file] = offset
	at := make([]byte, 0, len(p.others)+len(file)+120)
	at = append(append(at, `{"seen":{`...), p.others...)
	at = appendEntry(at, file, offset)
	at[len(at)-1] = '}'
	p.at = append(at, '}')
}

func (p *place) rebuild() {
	p.others, p.entries = nil, 0
	for file, offset := range p.Seen {
		if file != p.current {
			p.others = appendEntry(p.others, file, offset)
			p.entries++
		}
	}
}

func appendEntry(dst []byte, file string, offset mark) []byte {
	dst = append(types.AppendJSONString(dst, file), ':')
	return append(offset.append(dst), ',')
}
