package exec

import (
	"sync/atomic"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
)

// vertexStats counts what a vertex put out; any goroutine may read it.
type vertexStats struct {
	rows    atomic.Int64
	batches atomic.Int64
}

func (s *vertexStats) count(_ int, rows int) {
	s.rows.Add(int64(rows))
	s.batches.Add(1)
}

// Stats is a picture of the engine after an epoch. It is a copy and does not change.
type Stats struct {
	Epoch      changelog.Epoch // last prepared
	Clock      int64           // of that epoch, microseconds since 1970
	Epochs     int64           // run since the engine was opened
	RowsIn     int64           // read from sources since then, rejected ones included
	BytesIn    int64
	RowsOut    int64 // given to sinks since then
	Memory     Memory
	Durations  Durations
	Operators  []OperatorStats
	Watermarks []PartitionStats
	Sinks      []SinkStats
	Rejected   []RejectedStats
	Tables     []TableStats
	Jobs       []JobStats
}

// Durations are how long the parts of epochs took: of the last one, and the sum of all.
type Durations struct {
	Run, Prepare           time.Duration
	RunTotal, PrepareTotal time.Duration
	PublishTotal           time.Duration
}

// OperatorStats is one node of the running graph.
type OperatorStats struct {
	ID        planner.OpID
	Label     string
	Jobs      []JobID
	RowsIn    int64
	RowsOut   int64
	Watermark changelog.Watermark
	Rows      int64 // of its state
	Bytes     int64 // of its state
	// Grows is the planner's remark on state that may grow for ever; empty: bounded.
	Grows string
}

// PartitionStats is where one partition of a source with a watermark stands, for SHOW WATERMARKS.
type PartitionStats struct {
	Source    string
	Object    planner.ObjectID
	Partition string
	Watermark changelog.Watermark // of the partition
	SourceWM  changelog.Watermark // of the source
	Position  Position
	Idle      bool
	Ended     bool
	// Holds: this partition holds the source's watermark back; Since is the clock at which that began.
	Holds bool
	Since int64
	// Lag is the clock less the watermark, microseconds; 0 before the first row.
	Lag int64
}

// SinkStats is how far a sink is.
type SinkStats struct {
	Name      string
	Object    planner.ObjectID
	Prepared  changelog.Epoch // last epoch with output for it
	Published changelog.Epoch
	Queued    int64 // bytes that wait
	Err       string
}

// RejectedStats counts rejected rows.
type RejectedStats struct {
	Reason Reason
	Source string
	Rows   int64
	// Position and Message are those of the first one since the engine started, if they are known.
	Position, Message string
}

// TableStats is the size of a state table.
type TableStats struct {
	ID       state.TableID
	Name     string
	Operator string
	Rows     int64
	Bytes    int64
}

// JobStats is the state of a job.
type JobStats struct {
	ID    JobID
	Name  string
	State JobState
	Err   error
	Since changelog.Epoch // the first epoch of the job in this process
}

// JobState says what becomes of a job.
type JobState uint8

// The states of jobs.
const (
	JobRunning JobState = iota
	JobPaused
	JobEnded  // all its sources have ended, and everything is published
	JobFailed // its first error is final
)

// String returns the state as SHOW JOBS prints it.
func (s JobState) String() string {
	return [...]string{"running", "paused", "ended", "failed"}[s]
}
