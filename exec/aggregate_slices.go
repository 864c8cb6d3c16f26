package exec

import (
	"math"
	"slices"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
)

// HOP and CUMULATE with EMIT ON WINDOW CLOSE keep one table per slice. A row that is late for the first of its windows lies in
// another table of its slice, so a table is named by the slice and by how many windows its rows are not part of:
//
//	id = slice * windows per slice + windows left out
//
// which keeps the tables of a slice together and slices in order.

// windowsPerSlice is the most windows a slice is part of.
func (s *slicer) windowsPerSlice() int64 { return (s.per + s.step - 1) / s.step }

// idsFit reports whether the names of all slices' tables fit in an int64.
func (s *slicer) idsFit() bool { return s != nil && s.windowsPerSlice() <= s.width/2 }

// sliceTable returns the slice of a table and the end of the first window its rows are part of.
func (g *aggGlobal) sliceTable(id int64) (k, first int64) {
	n := g.slicer.windowsPerSlice()
	k = floorDiv(id, n)
	e, _ := g.slicer.firstEnd(k)
	return k, e + floorMod(id, n)*g.slicer.step
}

// processSlice takes the partial rows of one slice in.
func (g *aggGlobal) processSlice(ctx *Context, b *changelog.Batch, r aggRun) error {
	first := r.window
	if g.slicer.bound(first) <= g.closed {
		if err := g.tooLate(ctx, b, r.sel, g.slicer.bound(first)); err != nil {
			return err
		}
		var ok bool
		if first, ok = g.slicer.firstEndAfter(r.slice, g.closed); !ok {
			return nil
		}
	}
	natural, _ := g.slicer.firstEnd(r.slice)
	g.nextClose = min(g.nextClose, g.slicer.bound(first))
	return g.merge(b, r.sel, g.table(r.slice*g.slicer.windowsPerSlice()+(first-natural)/g.slicer.step))
}

// closeSliced merges and puts out the windows that end up to the limit, and drops slices that are part of no later one.
func (g *aggGlobal) closeSliced(ctx *Context, limit int64, emit Emit) error {
	was := g.closed
	g.closed = max(g.closed, limit)
	if limit < g.nextClose {
		return nil
	}
	ids := g.windows.Windows()
	var ends []int64
	next := int64(math.MaxInt64)
	for _, id := range ids {
		k, first := g.sliceTable(id)
		if g.slicer.bound(first) <= was {
			var ok bool
			if first, ok = g.slicer.firstEndAfter(k, was); !ok {
				continue
			}
		}
		e := first
		for last := g.slicer.lastEnd(k); e <= last; e += g.slicer.step {
			if at := g.slicer.bound(e); at > limit {
				next = min(next, at)
				break
			}
			ends = append(ends, e)
		}
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	for _, e := range ends {
		if err := g.closeWindow(ctx, e, emit); err != nil {
			return err
		}
	}
	g.nextClose = next
	n := g.slicer.windowsPerSlice()
	for _, id := range slices.Clone(ids) {
		if g.slicer.bound(g.slicer.lastEnd(floorDiv(id, n))) <= limit {
			g.windows.Drop(id)
			delete(g.tables, id)
		}
	}
	return nil
}

// closeWindow merges the slices of a window and puts its rows out.
func (g *aggGlobal) closeWindow(ctx *Context, e int64, emit Emit) error {
	n := g.slicer.windowsPerSlice()
	ids := g.windows.Windows()
	from, _ := slices.BinarySearch(ids, g.slicer.first(e)*n)
	to, _ := slices.BinarySearch(ids, e*n)
	var parts []*aggTable
	for _, id := range ids[from:to] {
		if _, first := g.sliceTable(id); first <= e {
			parts = append(parts, g.table(id))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	sum := parts[0]
	if len(parts) > 1 {
		sum = g.scratch(e)
		for _, p := range parts {
			g.mergeTable(sum, p)
		}
	} else {
		one := *sum
		sum = &one
	}
	sum.id = e
	return g.closeTable(ctx, sum, sum.hash.Slots(nil), emit)
}

// scratch makes a table outside the state.
func (g *aggGlobal) scratch(id int64) *aggTable {
	spec := g.spec()
	spec.Windowed, spec.Key = false, spec.Key[1:]
	return g.newTable(id, state.NewHash(spec))
}

// mergeTable adds all groups of a table to another.
func (g *aggGlobal) mergeTable(into, from *aggTable) {
	slots := from.hash.Slots(nil)
	for len(slots) > 0 {
		part := slots[:min(len(slots), g.env.batchRows())]
		slots = slots[len(part):]
		for i := range g.src {
			g.lane[i] = resize(g.lane[i], len(part))
			g.src[i] = gatherLane(g.lane[i], from.cols[i], part)
		}
		g.slots = resize(g.slots, len(part))
		g.added = into.hash.FindOrInsert(state.KeyBatch{Cols: from.hash.Keys(part), N: len(part)}, g.slots, g.added[:0])
		addLane(into.cols[0], g.slots, g.src[0])
		for i := range g.uses {
			u := &g.uses[i]
			u.acc.merge(lanesOf(u, into.cols), g.slots, lanesOf(u, g.src))
		}
	}
}
