package exec

import (
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

func lowerSession(_ *planner.Node, _ *planner.WindowAggregate, _ *aggShape, _ *Env) (*Lowered, error) {
	return nil, types.NotSupported(types.Span{}, "SESSION windows")
}

func lowerSessionExpand(_ *planner.Node, _ *planner.SessionExpand, _ *Env) (*Lowered, error) {
	return nil, types.NotSupported(types.Span{}, "SESSION windows")
}
