package planner

import (
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// temporalJoin binds a join with a table as of a time.
func (b *binder) temporalJoin(left *fromItem, t *sql.TableName, c *joinClause) (*fromItem, error) {
	return nil, types.NotSupported(t.AsOf.Span(), "FOR SYSTEM_TIME AS OF")
}
