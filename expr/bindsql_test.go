package expr

import (
	"fmt"
	"strings"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// bindText parses and binds an SQL expression without columns, as the planner does.
func bindText(text string) (Expr, error) {
	e, err := sql.ParseExpr(text)
	if err != nil {
		return nil, err
	}
	return bindAST(e)
}

// bindWith binds an expression in which the parameter $i stands for cols[i-1].
func bindWith(text string, cols []Expr) (Expr, error) {
	e, err := sql.ParseExpr(text)
	if err != nil {
		return nil, err
	}
	b := &testBinder{cols: cols}
	return b.bind(e)
}

// testBinder turns syntax into expressions as the planner does.
type testBinder struct{ cols []Expr }

func bindAST(e sql.Expr) (Expr, error) { return (&testBinder{}).bind(e) }

func (tb *testBinder) bindAll(exprs []sql.Expr) ([]Expr, error) {
	out := make([]Expr, len(exprs))
	for i, e := range exprs {
		b, err := tb.bind(e)
		if err != nil {
			return nil, err
		}
		out[i] = b
	}
	return out, nil
}

func textLiteral(s string) Expr { return &Literal{Base: Base{T: types.UnknownType}, Value: s} }

func (tb *testBinder) bind(e sql.Expr) (Expr, error) {
	sp := e.Span()
	lit := func(t types.Type, v any) (Expr, error) { return &Literal{Base: Base{T: t, Sp: sp}, Value: v}, nil }
	op := func(name string, args ...sql.Expr) (Expr, error) {
		bound, err := tb.bindAll(args)
		if err != nil {
			return nil, err
		}
		return Op(name, bound, sp)
	}
	not := func(e Expr, err error, negate bool) (Expr, error) {
		if err != nil || !negate {
			return e, err
		}
		return Func("not", []Expr{e}, sp)
	}
	switch e := e.(type) {
	case *sql.NumberLit:
		return NewNumber(e.Text, sp)
	case *sql.Param:
		return tb.cols[e.Number-1], nil
	case *sql.StringLit:
		return lit(types.UnknownType, e.Value)
	case *sql.BoolLit:
		return lit(types.BoolType, e.Value)
	case *sql.NullLit:
		return lit(types.UnknownType, nil)
	case *sql.TypedLit:
		t, err := typeOf(e.Type)
		if err != nil {
			return nil, err
		}
		return Cast(textLiteral(e.Value), t, Explicit)
	case *sql.IntervalLit:
		return Cast(textLiteral(e.Text()), types.IntervalType, Explicit)
	case *sql.UnaryExpr:
		return op(e.Op, e.X)
	case *sql.BinaryExpr:
		return op(e.Op, e.L, e.R)
	case *sql.NotExpr:
		x, err := tb.bind(e.X)
		return not(x, err, true)
	case *sql.LogicalExpr:
		args, err := tb.bindAll(e.Args)
		if err != nil {
			return nil, err
		}
		return NewLogic(e.Op == sql.Or, args, sp)
	case *sql.IsExpr:
		name := "is "
		if e.Not {
			name += "not "
		}
		return op(name+strings.ToLower(string(e.Test)), e.X)
	case *sql.DistinctExpr:
		if e.Not {
			return op("is not distinct from", e.L, e.R)
		}
		return op("is distinct from", e.L, e.R)
	case *sql.BetweenExpr:
		low, err := op(">=", e.X, e.Low)
		if err != nil {
			return nil, err
		}
		high, err := op("<=", e.X, e.High)
		if err != nil {
			return nil, err
		}
		l, err := NewLogic(false, []Expr{low, high}, sp)
		return not(l, err, e.Not)
	case *sql.LikeExpr:
		args := []sql.Expr{e.X, e.Pattern}
		if e.Escape != nil {
			args = append(args, e.Escape)
		}
		bound, err := tb.bindAll(args)
		if err != nil {
			return nil, err
		}
		var escape Expr
		if e.Escape != nil {
			escape = bound[2]
		}
		kind := map[sql.LikeKind]LikeKind{sql.Like: Like, sql.ILike: ILike, sql.SimilarTo: SimilarTo}[e.Kind]
		return NewLike(kind, bound[0], bound[1], escape, e.Not, sp)
	case *sql.InExpr:
		bound, err := tb.bindAll(append([]sql.Expr{e.X}, e.List...))
		if err != nil {
			return nil, err
		}
		return NewIn(bound[0], bound[1:], e.Not, sp)
	case *sql.CastExpr:
		t, err := typeOf(e.Type)
		if err != nil {
			return nil, err
		}
		if a, ok := e.X.(*sql.ArrayExpr); ok && t.Kind == types.Array {
			elems, err := tb.bindAll(a.Elems)
			if err != nil {
				return nil, err
			}
			return Builtin.NewArrayOf(t.ElemType(), elems, sp)
		}
		x, err := tb.bind(e.X)
		if err != nil {
			return nil, err
		}
		return Cast(x, t, Explicit)
	case *sql.AtTimeZoneExpr:
		bound, err := tb.bindAll([]sql.Expr{e.Zone, e.X})
		if err != nil {
			return nil, err
		}
		return Func("timezone", bound, sp)
	case *sql.CaseExpr:
		return tb.bindCase(e)
	case *sql.KeywordFunc:
		return Func(e.Name, nil, sp)
	case *sql.ArrayExpr:
		args, err := tb.bindAll(e.Elems)
		if err != nil {
			return nil, err
		}
		return NewArray(args, sp)
	case *sql.IndexExpr:
		bound, err := tb.bindAll([]sql.Expr{e.X, e.Index})
		if err != nil {
			return nil, err
		}
		return Builtin.NewIndex(bound[0], bound[1], sp)
	case *sql.SliceExpr:
		bound := make([]Expr, 3)
		for i, x := range []sql.Expr{e.X, e.Low, e.High} {
			if x == nil {
				continue
			}
			var err error
			if bound[i], err = tb.bind(x); err != nil {
				return nil, err
			}
		}
		return Builtin.NewSlice(bound[0], bound[1], bound[2], sp)
	case *sql.QuantifiedExpr:
		bound, err := tb.bindAll([]sql.Expr{e.X, e.Array})
		if err != nil {
			return nil, err
		}
		return Builtin.NewQuantified(e.Op, e.Quant == sql.Any, bound[0], bound[1], sp)
	case *sql.FuncCall:
		args, err := tb.bindAll(e.Args)
		if err != nil {
			return nil, err
		}
		return Func(e.Name.Parts[len(e.Name.Parts)-1].Name, args, sp)
	}
	return nil, fmt.Errorf("the test's binder does not know %T", e)
}

func (tb *testBinder) bindCase(e *sql.CaseExpr) (Expr, error) {
	var operand, els Expr
	var err error
	if e.Operand != nil {
		if operand, err = tb.bind(e.Operand); err != nil {
			return nil, err
		}
	}
	if e.Else != nil {
		if els, err = tb.bind(e.Else); err != nil {
			return nil, err
		}
	}
	var whens []When
	for _, w := range e.Whens {
		cond, err := tb.bind(w.Cond)
		if err != nil {
			return nil, err
		}
		then, err := tb.bind(w.Result)
		if err != nil {
			return nil, err
		}
		whens = append(whens, When{Cond: cond, Then: then})
	}
	return NewCase(operand, whens, els, e.Span())
}

func typeOf(n *sql.TypeName) (types.Type, error) {
	names := map[string]types.Type{
		"boolean": types.BoolType, "bool": types.BoolType, "smallint": types.Int2Type, "int2": types.Int2Type,
		"integer": types.Int4Type, "int": types.Int4Type, "int4": types.Int4Type, "bigint": types.Int8Type,
		"int8": types.Int8Type, "real": types.Float4Type, "float4": types.Float4Type, "double precision": types.Float8Type,
		"double": types.Float8Type, "float8": types.Float8Type, "numeric": types.NumericType, "decimal": types.NumericType,
		"text": types.TextType, "varchar": types.TextType, "bytea": types.ByteaType, "date": types.DateType,
		"time": types.TimeType, "timestamp": types.TimestampType, "timestamptz": types.TimestampTZType,
		"interval": types.IntervalType, "jsonb": types.JSONBType, "character varying": types.TextType,
	}
	name := strings.ToLower(n.Name.Parts[len(n.Name.Parts)-1].Name)
	t, ok := names[name]
	if !ok {
		return t, fmt.Errorf("the test's binder does not know the type %s", name)
	}
	if n.TimeZone == sql.WithTimeZone {
		t = types.TimestampTZType
	}
	for i, m := range n.Mods {
		switch {
		case i == 1:
			t.Scale = int16(m)
		case t.Kind == types.Numeric || t.Kind == types.Text:
			t.Precision = int16(m)
		default:
			t.Precision = int16(m) + 1
		}
	}
	if len(n.Dims) > 0 {
		t = types.ArrayOf(t)
	}
	return t, nil
}

// answer evaluates an expression of constants and gives its text, or "NULL", or "ERROR code".
func answer(e Expr, err error) string {
	if err == nil {
		var p *Program
		if p, err = Compile([]Expr{e}); err == nil {
			var rows []string
			if rows, err = evalTexts(p, nil, 1); err == nil {
				return rows[0]
			}
		}
	}
	return "ERROR " + string(types.CodeOf(err))
}

// sqlLiteral writes a literal of a type for PostgreSQL and for us.
func sqlLiteral(t types.Type, text string) string {
	if text == "NULL" {
		return "NULL::" + t.String()
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'::" + t.String()
}
