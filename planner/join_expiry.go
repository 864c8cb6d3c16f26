package planner

// joinWatermarks returns which columns of a join's output its watermark bounds.
func (r *rewriter) joinWatermarks(n *Node, op *Join) []ColWatermark { return nil }

// joinGrows says why a join's state grows.
func (r *rewriter) joinGrows(n *Node, op *Join) (why, hint string) {
	return "it keeps the rows of both sides for ever", "bound the time between the rows"
}
