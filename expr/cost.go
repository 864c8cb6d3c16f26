package expr

import (
	"cmp"
	"slices"

	"github.com/streamsql/streamsql/types"
)

// byCost orders the arguments of AND or OR so that the cheap ones run first and leave fewer rows to the others. No outcome depends
// on the order: a deciding argument decides, wherever it stands.
func (p *Program) byCost(args []Expr) []Expr {
	return slices.SortedStableFunc(slices.Values(args), func(a, b Expr) int { return cmp.Compare(p.cost(a), p.cost(b)) })
}

// cost estimates the nanoseconds per row.
func (p *Program) cost(e Expr) int {
	sum := 0
	Walk(e, func(e Expr) {
		switch e := e.(type) {
		case *Call:
			sum += p.callCost(e)
		case *Case:
			sum += 10
		case *In:
			sum += 3
		}
	})
	return sum
}

func (p *Program) callCost(e *Call) int {
	o := p.registry.Lookup(e.Fn)
	if o == nil {
		return 0
	}
	wide := 0
	for _, a := range e.Args {
		switch a.Type().Kind {
		case types.Numeric, types.Interval:
			wide = 15
		case types.Text, types.Bytea, types.JSONB:
			wide = max(wide, 6)
		}
	}
	switch o.Category {
	case CatComparison, CatLogic, CatArithmetic:
		return 1 + wide
	case CatDateTime, CatConditional, CatMath:
		return 10 + wide
	case CatPattern:
		if o.Name == "~~" || o.Name == "!~~" {
			return 25
		}
		return 500
	case CatUser, CatFormat:
		return 300
	}
	return 40
}
