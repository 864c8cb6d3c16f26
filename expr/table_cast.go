package expr

import (
	"time"

	"github.com/streamsql/streamsql/types"
)

// parseLiteral reads an untyped literal as a value of type to; nil without an error means that the value depends on the
// session's time zone.
func parseLiteral(to types.Type, text string, ctx CastContext) (any, error) {
	switch to.Kind {
	case types.TimestampTZ:
		utc, err := types.ParseTimestampTZ(text, time.UTC)
		if err != nil {
			return nil, err
		}
		if other, err := types.ParseTimestampTZ(text, time.FixedZone("", 3600)); err != nil || other != utc {
			return nil, nil
		}
		return types.RoundTime(to, utc), nil
	case types.Text:
		if to.Precision > 0 && ctx == Explicit {
			return truncateText(text, int(to.Precision)), nil
		}
	}
	return types.ParseText(to, text)
}

// truncateText cuts a text to n characters.
func truncateText(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
