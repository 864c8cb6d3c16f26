package exec

import (
	"encoding/json"
	"fmt"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
)

// metaVersion is the version of the form of meta.
const metaVersion = 1

// meta is what the driver keeps in every record of the log, as JSON: all that is needed besides the tables to go on after the
// epoch.
type meta struct {
	Version      int
	NextPlace    uint64
	NextTable    state.TableID
	NextRejected int64                  `json:",omitempty"`
	RejectedID   state.TableID          `json:",omitempty"` // the table of streamsql.rejected
	Rejected     map[string]int64       `json:",omitempty"` // counts by "reason source"
	Jobs         map[JobID]*jobMeta     `json:",omitempty"`
	Vertices     map[string]*vertexMeta `json:",omitempty"` // by vertexKey
	// Feed is what continuous queries over streamsql.rejected have not seen yet, as Arrow IPC.
	Feed []byte `json:",omitempty"`
}

// jobMeta says where the leaves of a job stand, so that a restart shares what was shared.
type jobMeta struct {
	Places map[planner.OpID]uint64
	Failed string `json:",omitempty"` // the final error
	// Stale: the job failed and the sources that it shares went on without it.
	Stale bool `json:",omitempty"`
}

// vertexMeta is the small state of a vertex.
type vertexMeta struct {
	Tables    map[string]state.TableID       `json:",omitempty"`
	Done      bool                           `json:",omitempty"` // the once given rows of Values and ViewScan were given
	Parts     map[string]*partMeta           `json:",omitempty"` // of a Scan
	Marks     map[string]changelog.Watermark `json:",omitempty"` // of a Watermark, by partition
	Watermark changelog.Watermark            // of the output
	Counters  map[int]int64                  `json:",omitempty"` // of a table's identity columns
}

// partMeta is a partition's position after the epoch.
type partMeta struct {
	From  Position `json:",omitempty"` // of the epoch; absent if it took nothing in
	Pos   Position `json:",omitempty"`
	Ended bool     `json:",omitempty"`
	At    int64    `json:",omitempty"` // clock of the last epoch that took something in
}

func newMeta() *meta {
	return &meta{Version: metaVersion, NextPlace: 1, NextTable: 16, Jobs: map[JobID]*jobMeta{}, Vertices: map[string]*vertexMeta{}, Rejected: map[string]int64{}}
}

func decodeMeta(b []byte) (*meta, error) {
	m := newMeta()
	if len(b) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("read the driver's part of the last record: %w", err)
	}
	if m.Version != metaVersion {
		return nil, fmt.Errorf("the last record has the driver's form %d, this program reads %d", m.Version, metaVersion)
	}
	return m, nil
}

// encode returns the meta with the present state of the vertices of durable jobs.
func (m *meta) encode(g *graph) ([]byte, error) {
	for _, v := range g.vertices {
		if v.key.Job >= AdHoc {
			continue
		}
		if v.dead.Load() {
			continue // stays as it was
		}
		vm := m.vertex(v.key)
		vm.Watermark = v.watermark
		switch {
		case v.wm != nil:
			vm.Marks = map[string]changelog.Watermark{}
			for name, p := range v.wm.parts {
				vm.Marks[name] = p.wm
			}
			vm.Watermark = v.wm.source
		case v.leaf != nil:
			switch l := v.leaf.(type) {
			case *scanLeaf:
				if vm.Parts == nil {
					vm.Parts = map[string]*partMeta{}
				}
				for _, p := range l.parts { // what the source does not name now stays
					pm := &partMeta{Pos: p.position, Ended: p.ended, At: p.gaveAt}
					if p.to != nil {
						pm.From, pm.Pos = p.from, p.to
					}
					vm.Parts[p.name] = pm
				}
			case *valuesLeaf:
				vm.Done = l.done
			case *viewLeaf:
				vm.Done = l.loaded
			case *tableLeaf:
				vm.Counters = l.counters
			}
		}
	}
	return json.Marshal(m)
}

func (m *meta) vertex(k vertexKey) *vertexMeta {
	s := k.String()
	vm := m.Vertices[s]
	if vm == nil {
		vm = &vertexMeta{Watermark: changelog.MinWatermark}
		m.Vertices[s] = vm
	}
	return vm
}
