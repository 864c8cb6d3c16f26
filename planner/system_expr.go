package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// PostgreSQL's ids of objects are bigint here. A value of regclass, regtype and their like is such an id, marked by a modifier that no
// other bigint has; where its text is wanted (by a cast, or at the end of a query) it becomes the object's name.
var regKinds = []string{"regclass", "regtype", "regnamespace", "regrole", "regproc", "regprocedure", "regoper"}

func regType(kind string) types.Type {
	return types.Type{Kind: types.Int8, Precision: -1 - int16(slices.Index(regKinds, kind))}
}

// regKind returns the kind of a marked id.
func regKind(t types.Type) (string, bool) {
	if t.Kind != types.Int8 || t.Precision >= 0 {
		return "", false
	}
	return regKinds[-1-t.Precision], true
}

func textLiteral(s string, sp types.Span) expr.Expr {
	return &expr.Literal{Base: expr.Base{T: types.TextType, Sp: sp}, Value: s}
}

// regText turns a marked id into its object's name.
func (b *binder) regText(e expr.Expr, kind string) (expr.Expr, error) {
	return b.reg.Func("pg_reg_out", []expr.Expr{textLiteral(kind, e.Span()), e}, e.Span())
}

// systemCast binds casts to and from the types that only PostgreSQL's catalog has; ok is false for others.
func (b *exprBinder) systemCast(x *sql.CastExpr) (e expr.Expr, ok bool, err error) {
	t := x.Type
	last := t.Name.Last()
	name := strings.ToLower(last.Name)
	if q := t.Name.Qualifier(); len(q) > 0 && !strings.EqualFold(q[len(q)-1].Name, "pg_catalog") || x.Try {
		return nil, false, nil
	}
	plain := types.Type{}
	switch {
	case slices.Contains(regKinds, name) && len(t.Dims) == 0:
		e, err = b.regCast(x, name)
		return e, true, err
	case name == "oid" || name == "xid" || name == "cid":
		plain = types.Int8Type
	case name == "name" || name == "char" && last.Quoted || name == "cstring" || name == "pg_node_tree" || name == "aclitem":
		plain = types.TextType
	case name == "int2vector" || name == "oidvector":
		plain = types.ArrayOf(types.Int2Type)
		if name == "oidvector" {
			plain = types.ArrayOf(types.Int8Type)
		}
	case name == "text" && len(t.Dims) == 0:
		arg, err := b.bind(x.X)
		if err != nil {
			return nil, true, err
		}
		if kind, marked := regKind(arg.Type()); marked {
			e, err = b.regText(arg, kind)
			return e, true, err
		}
		e, err = expr.Cast(arg, types.TextType, expr.Explicit)
		return e, true, err
	default:
		return nil, false, nil
	}
	if len(t.Dims) == 1 && plain.Kind != types.Array {
		plain = types.ArrayOf(plain)
	}
	e, err = b.bindTo(x.X, plain, expr.Explicit)
	return e, true, err
}

// regCast casts to regclass and its like: a name is looked up, a number marked.
func (b *exprBinder) regCast(x *sql.CastExpr, kind string) (expr.Expr, error) {
	arg, err := b.bind(x.X)
	if err != nil {
		return nil, err
	}
	switch arg.Type().Kind {
	case types.Unknown, types.Text:
		if arg, err = expr.Cast(arg, types.TextType, expr.Implicit); err != nil {
			return nil, err
		}
		if kind == "regproc" { // such columns of pg_type are names here
			return arg, nil
		}
		id, err := b.reg.Func("pg_reg_in", []expr.Expr{textLiteral(kind, x.Span()), arg}, x.Span())
		if err != nil {
			return nil, err
		}
		c := *id.(*expr.Call)
		c.T = regType(kind)
		return &c, nil
	}
	if arg, err = expr.Cast(arg, types.Int8Type, expr.Explicit); err != nil {
		return nil, err
	}
	zero := &expr.Literal{Base: expr.Base{T: types.Int8Type, Sp: x.Span()}, Value: int64(0)}
	same, err := b.reg.Op("+", []expr.Expr{arg, zero}, x.Span())
	if err != nil {
		return nil, err
	}
	c := *same.(*expr.Call)
	c.T = regType(kind)
	return &c, nil
}

// sessionFunctions are the functions whose value depends on who asks.
var sessionFunctions = []string{"current_user", "session_user", "user", "current_role", "current_database", "current_catalog", "current_schema", "version",
	"pg_backend_pid", "current_query", "inet_client_addr", "inet_client_port", "current_schemas", "current_setting"}

// sessionCall binds a function whose value depends on who asks, to its value; ok is false for others.
func (b *exprBinder) sessionCall(name string, args []sql.Expr, sp types.Span) (e expr.Expr, ok bool, err error) {
	if !slices.Contains(sessionFunctions, name) {
		return nil, false, nil
	}
	if b.p.SessionValue == nil {
		return nil, true, types.NotSupported(sp, "%s in a query that is kept: its value depends on who asks", name)
	}
	var params []Param
	for _, a := range args {
		x, err := b.bind(a)
		if err != nil {
			return nil, true, err
		}
		lit, isLit := b.fold(x).(*expr.Literal)
		if !isLit {
			return nil, true, types.NotSupported(a.Span(), "%s of an argument that is not constant", name)
		}
		params = append(params, Param{T: lit.T, Value: lit.Value})
	}
	v, found, err := b.p.SessionValue(name, params)
	if err != nil || !found {
		return nil, found, at(err, sp)
	}
	return &expr.Literal{Base: expr.Base{T: v.T, Sp: sp}, Value: v.Value}, true, nil
}

// namedIDs turns the columns of a query that are marked ids into the names of their objects.
func (b *binder) namedIDs(rel *relation) (*relation, error) {
	schema := rel.node.Schema
	if !slices.ContainsFunc(schema, func(f types.Field) bool { _, marked := regKind(f.Type); return marked }) {
		return rel, nil
	}
	exprs := columnExprs(schema)
	for i := range exprs {
		if kind, marked := regKind(schema[i].Type); marked {
			var err error
			if exprs[i], err = b.regText(exprs[i], kind); err != nil {
				return nil, err
			}
		}
	}
	c := *rel
	c.node = reproject(rel.node, exprs, schema, Fail)
	return &c, nil
}
