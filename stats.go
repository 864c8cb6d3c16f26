package streamsql

import "github.com/streamsql/streamsql/exec"

// What DB.Stats returns.
type (
	Stats          = exec.Stats
	OperatorStats  = exec.OperatorStats
	PartitionStats = exec.PartitionStats
	SinkStats      = exec.SinkStats
	RejectedStats  = exec.RejectedStats
	TableStats     = exec.TableStats
	JobStats       = exec.JobStats
	JobState       = exec.JobState
)

// The states of continuous queries.
const (
	JobRunning = exec.JobRunning
	JobPaused  = exec.JobPaused
	JobEnded   = exec.JobEnded
	JobFailed  = exec.JobFailed
)
