package state

import (
	"fmt"

	"github.com/streamsql/streamsql/types"
)

// CorruptionError says that a file is not what was written, or not ours. errors.As gives it as a *types.Error too, with the code XX001.
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

// As implements what errors.As asks of errors.
func (e *CorruptionError) As(target any) bool {
	t, ok := target.(**types.Error)
	if ok {
		*t = types.Errorf(types.CodeDataCorrupted, "%s: damaged at byte %d: %s", e.File, e.Offset, e.Reason).WithHint("%s", e.WayOut)
	}
	return ok
}
