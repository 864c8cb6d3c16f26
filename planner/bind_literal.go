package planner

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// numberLiteral gives a number the first of integer, bigint and numeric that holds it, as PostgreSQL does.
func numberLiteral(text string, sp types.Span) (expr.Expr, error) {
	lit := func(t types.Type, v any) (expr.Expr, error) {
		return &expr.Literal{Base: expr.Base{T: t, Sp: sp}, Value: v}, nil
	}
	digits, neg := strings.CutPrefix(text, "-")
	if len(digits) > 1 && digits[0] == '0' && strings.ContainsAny(digits[1:2], "xXoObB") {
		n, ok := new(big.Int).SetString(digits, 0)
		if !ok {
			return nil, types.Errorf(types.CodeSyntax, "%q is not a number", text).At(sp)
		}
		digits = n.String()
		text = digits
		if neg {
			text = "-" + digits
		}
	}
	if !strings.ContainsAny(digits, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil {
			return lit(types.Int4Type, n)
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return lit(types.Int8Type, n)
		}
	}
	v, err := types.ParseNumeric(text)
	if err != nil {
		return nil, at(err, sp)
	}
	return lit(types.NumericType, v)
}

func typedLiteral(x *sql.TypedLit) (expr.Expr, error) {
	t, err := bindType(x.Type)
	if err != nil {
		return nil, err
	}
	return expr.Cast(&expr.Literal{Base: expr.Base{T: types.UnknownType, Sp: x.Span()}, Value: x.Value}, t, expr.Explicit)
}

// intervalQualifiers are the unit words that types knows.
var intervalQualifiers = map[string]types.IntervalFields{
	"year": types.IntervalYear, "month": types.IntervalMonth, "day": types.IntervalDay, "hour": types.IntervalHour,
	"minute": types.IntervalMinute, "second": types.IntervalSecond, "year month": types.IntervalYearToMonth,
	"day hour": types.IntervalDayToHour, "day minute": types.IntervalDayToMinute, "day second": types.IntervalDayToSecond,
	"hour minute": types.IntervalHourToMinute, "hour second": types.IntervalHourToSecond,
	"minute second": types.IntervalMinuteToSecond,
}

func intervalLiteral(x *sql.IntervalLit) (expr.Expr, error) {
	text, fields, precision := x.Value, types.IntervalFull, x.Precision
	if f := x.Fields; f != nil {
		key := f.From
		if f.To != "" {
			key += " " + f.To
		}
		q, ok := intervalQualifiers[key]
		switch {
		case ok:
			fields = q
		case f.To == "": // week, millisecond, microsecond
			text += " " + f.From
		default:
			return nil, types.Errorf(types.CodeSyntax, "an interval cannot go from %s to %s", f.From, f.To).At(f.Span())
		}
		if f.Precision >= 0 {
			precision = f.Precision
		}
	}
	v, err := types.ParseIntervalFields(text, fields, precision)
	if err != nil {
		return nil, at(err, x.Span())
	}
	return &expr.Literal{Base: expr.Base{T: types.IntervalType, Sp: x.Span()}, Value: v}, nil
}
