package exec

import (
	"math"

	"github.com/streamsql/streamsql/changelog"
)

// staleGroups tells when to look for groups that were not touched for the time to live.
type staleGroups struct {
	next  int64 // the clock at which the oldest group may be stale
	known bool
}

// expire forgets groups that did not change for ttl by the epochs' clock: their row is taken back, and a row that comes later
// starts anew. A group that was touched in this epoch has this epoch's clock.
func (g *aggGlobal) expire(ctx *Context, emit Emit) error {
	if g.plain == nil {
		return nil
	}
	if g.stale.known && ctx.Clock < g.stale.next {
		g.wake(ctx)
		return nil
	}
	clock := g.plain.cols[g.lanes-1]
	var old []uint32
	oldest := int64(math.MaxInt64)
	for _, s := range g.plain.hash.Slots(nil) {
		at := *clock.At(s)
		if addSat(at, g.ttl) <= ctx.Clock {
			old = append(old, s)
		} else {
			oldest = min(oldest, at)
		}
	}
	g.stale.known = true
	if oldest == math.MaxInt64 {
		oldest = ctx.Clock // what comes next is at least as young
	}
	g.stale.next = addSat(oldest, g.ttl)
	g.wake(ctx)
	for from := 0; from < len(old); from += g.env.batchRows() {
		part := old[from:min(len(old), from+g.env.batchRows())]
		was := g.results(g.plain, part)
		none := &aggRows{has: make([]bool, len(part)), cols: was.cols}
		if err := g.difference(ctx, &aggChunk{t: g.plain, slots: part, old: was}, none, emit); err != nil {
			return err
		}
		if g.sides {
			groups := sideGroups{keys: g.plain.hash.Keys(part), n: len(part)}
			for i := range g.uses {
				if s := g.uses[i].side; s != nil {
					s.drop(&groups)
				}
			}
		}
		for _, s := range part {
			g.plain.hash.Delete(s)
		}
	}
	return nil
}

func (g *aggGlobal) wake(ctx *Context) {
	if ctx.Timer != nil && g.plain.hash.Len() > 0 && ctx.Watermark != changelog.MaxWatermark {
		ctx.Timer(g.stale.next)
	}
}
