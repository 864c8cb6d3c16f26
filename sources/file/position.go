package file

import (
	"encoding/json"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// position is the stored place in the partition, as JSON. Offsets count decompressed bytes (record formats) or blocks.
//
// Not watched: every file before File (by name) is done, File is read up to Offset. Watched, or once watched: Seen holds the offset reached in
// every file that was begun. A file that is done has -1; watched plain files never are.
type position struct {
	File   string           `json:"file,omitempty"`
	Offset int64            `json:"offset,omitempty"`
	Seen   map[string]int64 `json:"seen,omitempty"`
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
	if err != nil { // strings and integers always marshal
		panic(err)
	}
	return b
}

// bySeen returns the same position in the form of a watched source, given the files there are, sorted.
func (p position) bySeen(files []string) position {
	if p.File == "" {
		return p
	}
	seen := map[string]int64{p.File: p.Offset}
	for _, f := range files {
		if f < p.File {
			seen[f] = done
		}
	}
	return position{Seen: seen}
}

// with returns the position after file was read up to offset.
func (p position) with(bySeen bool, file string, offset int64) position {
	if !bySeen {
		return position{File: file, Offset: offset}
	}
	seen := make(map[string]int64, len(p.Seen)+1)
	for f, o := range p.Seen {
		seen[f] = o
	}
	seen[file] = offset
	return position{Seen: seen}
}
