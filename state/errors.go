package state

import "fmt"

// CorruptionError says that a file is not what was written, or not ours. Code maps it to XX001 (types.CodeDataCorrupted).
type CorruptionError struct {
	File   string
	Offset int64
	Reason string
	WayOut string // what the user can do
}

// Error names file, offset, reason and the way out.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("%s: damaged at byte %d: %s; %s", e.File, e.Offset, e.Reason, e.WayOut)
}
