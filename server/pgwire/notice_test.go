package pgwire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

// TestNoticeResponse shows how what a statement says beside its result is told: as PostgreSQL does, a warning with its code.
func TestNoticeResponse(t *testing.T) {
	m := noticeResponse(streamsql.Notice{Msg: "there is no transaction in progress", Warning: "25P01"})
	require.Equal(t, []string{"WARNING", "WARNING", "25P01"}, []string{m.Severity, m.SeverityUnlocalized, m.Code})
	m = noticeResponse(streamsql.Notice{Msg: "skipping", Hint: "h"})
	require.Equal(t, []string{"NOTICE", "NOTICE", "00000", "h"}, []string{m.Severity, m.SeverityUnlocalized, m.Code, m.Hint})
}
