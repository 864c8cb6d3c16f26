package pgwire

import (
	"context"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// copy runs COPY FROM STDIN or TO STDOUT.
func (c *conn) copy(ctx context.Context, stmt *sql.Copy) (tag string, err error) {
	return "", types.NotSupported(stmt.Span(), "COPY")
}
