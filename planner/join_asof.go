package planner

import (
	"github.com/streamsql/streamsql/types"
)

// asofJoin binds ASOF JOIN.
func (b *binder) asofJoin(left, right *fromItem, c *joinClause) (*fromItem, error) {
	return nil, types.NotSupported(c.at, "ASOF JOIN")
}
