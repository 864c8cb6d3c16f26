package expr

import (
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// logicOp is AND or OR. Arguments after the first run only on rows that are still open, once those are few enough to be
// worth a selection of their own; an error counts only in a row that stays open.
type logicOp struct {
	or   bool
	args []*node
}

func (o *logicOp) eval(p *Program, n *node, s *scope) *vec {
	rows := p.batch.N
	size := (rows + 7) / 8
	decided := make([]byte, size) // a FALSE was seen in AND, a TRUE in OR
	unknown := make([]byte, size) // a NULL or an error was seen
	var errs *RowErrors
	cur := s
	allDecided := false
	for k, a := range o.args {
		v := a.eval(p, cur)
		if v.konst {
			switch {
			case v.null(0):
				setAll(unknown, rows)
			case v.bit(0) == o.or:
				allDecided = true
			}
			if allDecided {
				break
			}
			continue
		}
		o.note(v, decided, unknown, rows)
		errs = errs.Merge(v.errs)
		if k+1 < len(o.args) && rows > 64 {
			cur = o.shrink(cur, decided, rows)
		}
	}
	if allDecided {
		return constVec(n.t, o.or, rows)
	}
	errs = errs.filter(func(row uint32) bool { return decided[row>>3]>>(row&7)&1 == 0 })
	out := &vec{t: n.t, n: rows, errs: errs}
	if o.or {
		out.buf = decided
	} else {
		out.buf = combine(decided, decided, rows, func(x, _ uint64) uint64 { return ^x })
	}
	if slices.ContainsFunc(unknown, func(b byte) bool { return b != 0 }) {
		out.valid = combine(decided, unknown, rows, func(d, u uint64) uint64 { return d | ^u })
	}
	return out
}

// note adds the rows of v to the bitmaps.
func (o *logicOp) note(v *vec, decided, unknown []byte, rows int) {
	for i := range decided {
		bits := v.buf[i]
		if !o.or {
			bits = ^bits
		}
		valid := byte(0xff)
		if v.valid != nil {
			valid = v.valid[i]
		}
		decided[i] |= bits & valid
		unknown[i] |= ^valid
	}
	if rows&7 != 0 {
		decided[len(decided)-1] &= 1<<(rows&7) - 1
		unknown[len(unknown)-1] &= 1<<(rows&7) - 1
	}
}

// shrink returns the scope of the open rows if they are less than half of s.
func (o *logicOp) shrink(s *scope, decided []byte, rows int) *scope {
	open := s.rows() - countDecided(s, decided, rows)
	if open*2 > s.rows() || s.rows() < 16 {
		return s
	}
	sel := make([]uint32, 0, open)
	if s.sel == nil {
		for i := range uint32(rows) {
			if decided[i>>3]>>(i&7)&1 == 0 {
				sel = append(sel, i)
			}
		}
	}
	for _, i := range s.sel {
		if decided[i>>3]>>(i&7)&1 == 0 {
			sel = append(sel, i)
		}
	}
	return &scope{parent: s, sel: sel, n: s.n}
}

func countDecided(s *scope, decided []byte, rows int) int {
	if s.sel == nil {
		return countBits(decided, rows)
	}
	k := 0
	for _, i := range s.sel {
		k += int(decided[i>>3] >> (i & 7) & 1)
	}
	return k
}

// caseOp runs each branch on the rows that reach it and gathers the values.
type caseOp struct {
	conds, thens []*node
	els          *node // nil: NULL
	from         []uint32
	memory       []byte
}

func (p *Program) caseOperation(e *Case) (operation, error) {
	o := &caseOp{}
	for _, w := range e.Whens {
		cond, err := p.build(w.Cond)
		if err != nil {
			return nil, err
		}
		then, err := p.build(w.Then)
		if err != nil {
			return nil, err
		}
		o.conds, o.thens = append(o.conds, cond), append(o.thens, then)
	}
	if e.Else != nil {
		els, err := p.build(e.Else)
		if err != nil {
			return nil, err
		}
		o.els = els
	}
	return o, nil
}

func (o *caseOp) aliased() []*node {
	out := slices.Clone(o.thens)
	if o.els != nil {
		out = append(out, o.els)
	}
	return out
}

// piece is a branch with the rows that take their value from it.
type piece struct {
	v    *vec
	rows *scope
}

func (o *caseOp) eval(p *Program, n *node, s *scope) *vec {
	var pieces []piece
	var errs *RowErrors
	open := s
	for i, cond := range o.conds {
		if open.rows() == 0 {
			break
		}
		v := cond.eval(p, open)
		if v.konst {
			if v.null(0) || !v.bit(0) {
				continue
			}
			pieces = append(pieces, piece{o.thens[i].eval(p, open), open})
			open = &scope{parent: open, sel: []uint32{}, n: s.n}
			break
		}
		hit, miss := split(v, open)
		if v.errs.Len() > 0 {
			failed := v.errs.filter(func(row uint32) bool {
				_, in := slices.BinarySearch(miss, row)
				return in
			})
			errs = errs.Merge(failed)
			miss = slices.DeleteFunc(miss, func(row uint32) bool { return failed.At(row) != nil })
		}
		switch {
		case len(hit) == open.rows():
			pieces = append(pieces, piece{o.thens[i].eval(p, open), open})
		case len(hit) > 0:
			sub := &scope{parent: open, sel: hit, n: s.n}
			pieces = append(pieces, piece{o.thens[i].eval(p, sub), sub})
		}
		if len(miss) < open.rows() {
			open = &scope{parent: open, sel: miss, n: s.n}
		}
	}
	if o.els != nil && open.rows() > 0 {
		pieces = append(pieces, piece{o.els.eval(p, open), open})
	}
	for _, pc := range pieces {
		if pc.v.errs.Len() == 0 {
			continue
		}
		rows := pc.rows
		errs = errs.Merge(pc.v.errs.filter(func(row uint32) bool {
			if rows.sel == nil {
				return true
			}
			_, in := slices.BinarySearch(rows.sel, row)
			return in
		}))
	}
	if len(pieces) == 1 && pieces[0].rows == s && errs.Len() == 0 {
		return pieces[0].v
	}
	covered := 0
	for _, pc := range pieces {
		covered += pc.rows.rows()
	}
	out := o.gather(n, s.n, covered == s.rows(), pieces)
	out.errs = errs
	return out
}

// split separates the rows for which a condition is true.
func split(v *vec, s *scope) (hit, miss []uint32) {
	size := s.rows()
	both := make([]uint32, 2*size)
	hit, miss = both[:size:size], both[size:]
	h, m := 0, 0
	for k := range size {
		i := uint32(k)
		if s.sel != nil {
			i = s.sel[k]
		}
		b := v.buf[i>>3] >> (i & 7) & 1
		if v.valid != nil {
			b &= v.valid[i>>3] >> (i & 7)
		}
		hit[h] = i
		miss[m] = i
		h += int(b)
		m += int(1 - b)
	}
	return hit[:h], miss[:m]
}

// gather puts the pieces together; rows of no piece are NULL. covers says that every wanted row is in a piece.
func (o *caseOp) gather(n *node, rows int, covers bool, pieces []piece) *vec {
	out := &vec{t: n.t, n: rows}
	out.valid = gatherValid(rows, covers, pieces)
	w := width(n.t)
	switch w {
	case -2:
		out.arr = gatherAny(n.t, rows, pieces)
	case -1:
		out.buf = make([]byte, (rows+7)/8)
		for _, pc := range pieces {
			pc.each(func(i uint32) {
				if pc.v.bit(int(i)) {
					out.buf[i>>3] |= 1 << (i & 7)
				}
			})
		}
	case 0:
		o.gatherTexts(out, rows, pieces)
	default:
		if n.output {
			out.buf = make([]byte, rows*w)
		} else {
			if cap(o.memory) < rows*w {
				o.memory = make([]byte, rows*w)
			}
			out.buf = o.memory[:rows*w]
		}
		for _, pc := range pieces {
			switch w {
			case 2:
				copyRows[int16](out.buf, pc)
			case 4:
				copyRows[int32](out.buf, pc)
			case 8:
				copyRows[int64](out.buf, pc)
			default:
				pc.each(func(i uint32) {
					from := int(i)
					if pc.v.konst {
						from = 0
					}
					copy(out.buf[int(i)*w:(int(i)+1)*w], pc.v.buf[from*w:])
				})
			}
		}
	}
	return out
}

// gatherValid returns the validity of the pieces together; nil if no wanted row is NULL.
func gatherValid(rows int, covers bool, pieces []piece) []byte {
	whole := covers
	for _, pc := range pieces {
		whole = whole && pc.v.valid == nil
	}
	if whole {
		return nil
	}
	valid := make([]byte, (rows+7)/8)
	for _, pc := range pieces {
		from := pc.v.valid
		switch {
		case pc.v.konst && pc.v.null(0):
		case from == nil || pc.v.konst:
			if pc.rows.sel == nil {
				setAll(valid, rows)
			}
			for _, i := range pc.rows.sel {
				valid[i>>3] |= 1 << (i & 7)
			}
		case pc.rows.sel == nil:
			copy(valid, from)
		default:
			for _, i := range pc.rows.sel {
				valid[i>>3] |= from[i>>3] & (1 << (i & 7))
			}
		}
	}
	return valid
}

func (pc piece) each(f func(i uint32)) {
	if pc.rows.sel == nil {
		for i := range uint32(pc.rows.n) {
			f(i)
		}
	}
	for _, i := range pc.rows.sel {
		f(i)
	}
}

func copyRows[T any](dst []byte, pc piece) {
	to, from := view[T](dst), view[T](pc.v.buf)
	mask := ^uint32(0)
	if pc.v.konst {
		mask = 0
	}
	if pc.rows.sel == nil {
		for i := range uint32(len(to)) {
			to[i] = from[i&mask]
		}
	}
	for _, i := range pc.rows.sel {
		to[i] = from[i&mask]
	}
}

func (o *caseOp) gatherTexts(out *vec, rows int, pieces []piece) {
	if cap(o.from) < rows {
		o.from = make([]uint32, rows)
	}
	from := o.from[:rows]
	for i := range from {
		from[i] = uint32(len(pieces))
	}
	size := 0
	for _, pc := range pieces {
		if !pc.v.konst {
			size += len(pc.v.buf)
		}
	}
	out.buf = make([]byte, 0, size)
	for k, pc := range pieces {
		pc.each(func(i uint32) { from[i] = uint32(k) })
	}
	out.offs = make([]int32, rows+1)
	for i := range rows {
		if int(from[i]) < len(pieces) && (out.valid == nil || out.valid[i>>3]>>(i&7)&1 != 0) {
			v := pieces[from[i]].v
			k := i
			if v.konst {
				k = 0
			}
			out.buf = append(out.buf, v.buf[v.offs[k]:v.offs[k+1]]...)
		}
		out.offs[i+1] = int32(len(out.buf))
	}
}

// gatherAny makes the array of kinds without kernels.
func gatherAny(t types.Type, rows int, pieces []piece) arrow.Array {
	values := make([]any, rows)
	for _, pc := range pieces {
		pc.each(func(i uint32) { values[i] = pc.v.valueAt(int(i)) })
	}
	return arrayOf(t, values)
}
