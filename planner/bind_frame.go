package planner

import (
	"math"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// codeFrameSize is PostgreSQL's SQLSTATE of a frame's offset that is negative.
const codeFrameSize types.Code = "22013"

// frame binds the frame of a window. Without one it is RANGE from the partition's start to the current row's peers; without an order
// all rows are peers.
//
// Errors: CodeWindowing, CodeInvalidColumnRef for variables in an offset, CodeDatatypeMismatch, CodeNotSupported for offsets of types
// that RANGE cannot add, CodeNullNotAllowed and 22013 for their values.
func (b *exprBinder) frame(w *windowDef) (Frame, error) {
	f := Frame{Start: Bound{Kind: UnboundedPreceding}, End: Bound{Kind: CurrentRow}}
	if x := w.frame; x != nil {
		f.Mode = map[sql.FrameUnit]FrameMode{sql.Rows: FrameRows, sql.Range: FrameRange, sql.Groups: FrameGroups}[x.Unit]
		f.Exclude = map[sql.FrameExclude]FrameExclusion{
			sql.ExcludeCurrent: ExcludeCurrentRow, sql.ExcludeGroup: ExcludeGroup, sql.ExcludeTies: ExcludeTies}[x.Exclude]
		if f.Mode == FrameGroups && len(w.order) == 0 {
			return f, types.Errorf(types.CodeWindowing, "GROUPS mode requires an ORDER BY clause").At(x.Span())
		}
		var err error
		if f.Start, err = b.frameBound(w, x, x.Start, "starting"); err != nil {
			return f, err
		}
		if x.End != nil {
			if f.End, err = b.frameBound(w, x, *x.End, "ending"); err != nil {
				return f, err
			}
		}
	}
	if f.Mode == FrameRange && len(w.order) == 0 { // all rows are peers
		f.Start, f.End = Bound{Kind: UnboundedPreceding}, Bound{Kind: UnboundedFollowing}
	}
	return f, nil
}

func (b *exprBinder) frameBound(w *windowDef, f *sql.Frame, x sql.FrameBound, which string) (Bound, error) {
	kind := map[sql.BoundKind]BoundKind{sql.UnboundedPreceding: UnboundedPreceding, sql.Preceding: Preceding, sql.CurrentRow: CurrentRow,
		sql.Following: Following, sql.UnboundedFollowing: UnboundedFollowing}[x.Kind]
	if x.Offset == nil {
		return Bound{Kind: kind}, nil
	}
	if f.Unit == sql.Range && len(w.order) != 1 {
		return Bound{}, types.Errorf(types.CodeWindowing, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column").At(f.Span())
	}
	inner := *b
	inner.over, inner.srfs, inner.group = nil, nil, nil
	inner.clause = "window " + string(f.Unit)
	e, err := inner.bind(x.Offset)
	if err != nil {
		return Bound{}, err
	}
	want := types.Int8Type
	if f.Unit == sql.Range {
		if want, err = rangeOffsetType(w.order[0].x.Type(), e.Type()); err != nil {
			return Bound{}, at(err, x.Offset.Span())
		}
	} else if k := e.Type().Kind; k != types.Unknown && !expr.CanCast(e.Type(), want, expr.Assignment) {
		return Bound{}, types.Errorf(types.CodeDatatypeMismatch, "argument of %s must be type bigint, not type %s", f.Unit, e.Type()).At(x.Offset.Span())
	}
	if len(expr.Columns(e)) > 0 {
		return Bound{}, types.Errorf(types.CodeInvalidColumnRef, "argument of %s must not contain variables", f.Unit).At(x.Offset.Span())
	}
	if e, err = expr.Cast(e, want, expr.Assignment); err != nil {
		return Bound{}, at(err, x.Offset.Span())
	}
	lit, ok := b.fold(e).(*expr.Literal)
	switch {
	case !ok:
		return Bound{}, types.NotSupported(x.Offset.Span(), "an offset of %s that is not a constant", f.Unit)
	case lit.Value == nil:
		return Bound{}, types.Errorf(types.CodeNullNotAllowed, "frame %s offset must not be null", which).At(x.Offset.Span())
	case negative(lit.Value) && f.Unit == sql.Range:
		return Bound{}, types.Errorf(codeFrameSize, "invalid preceding or following size in window function").At(x.Offset.Span())
	case negative(lit.Value):
		return Bound{}, types.Errorf(codeFrameSize, "frame %s offset must not be negative", which).At(x.Offset.Span())
	}
	return Bound{Kind: kind, Offset: lit}, nil
}

// rangeOffsetType is the type of the offset of RANGE over a column.
func rangeOffsetType(col, offset types.Type) (types.Type, error) {
	want := types.Type{}
	switch {
	case col.Kind == types.Int2 || col.Kind == types.Int4 || col.Kind == types.Int8:
		want = types.Int8Type // as wide as an offset can be
	case col.IsFloat():
		want = types.Float8Type
	case col.Kind == types.Numeric:
		want = types.NumericType
	case col.Kind == types.Date || col.Kind == types.Time || col.Kind == types.Timestamp || col.Kind == types.TimestampTZ || col.Kind == types.Interval:
		want = types.IntervalType
	default:
		return want, types.Errorf(types.CodeNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s", col)
	}
	if offset.Kind != types.Unknown && offset.Kind != want.Kind && !expr.CanCast(offset, want, expr.Implicit) {
		return want, types.Errorf(types.CodeNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s and offset type %s", col, offset).
			WithHint("cast the offset value to an appropriate type")
	}
	return want, nil
}

// negative reports whether an offset is less than zero, or not a number.
func negative(v any) bool {
	switch v := v.(type) {
	case int64:
		return v < 0
	case float64:
		return v < 0 || math.IsNaN(v)
	case types.NumericValue:
		return v.Cmp(types.NumericValue{}) < 0
	case types.IntervalValue:
		return v.Cmp(types.IntervalValue{}) < 0
	}
	return false
}
