package expr

import (
	"fmt"
	"slices"

	"github.com/streamsql/streamsql/types"
)

// RowErrors are the rows that failed, ascending, each with its error. They are few. A nil *RowErrors is empty.
//
// As an error, a column-wise user function returns it to fail single rows.
type RowErrors struct {
	Rows []uint32
	Errs []*types.Error
}

// Len returns the number of failed rows.
func (e *RowErrors) Len() int {
	if e == nil {
		return 0
	}
	return len(e.Rows)
}

// Error describes the first failed row.
func (e *RowErrors) Error() string {
	if e.Len() == 0 {
		return "no failed rows"
	}
	return fmt.Sprintf("%d rows failed, row %d: %v", len(e.Rows), e.Rows[0], e.Errs[0])
}

// At returns the error of a row, or nil.
func (e *RowErrors) At(row uint32) *types.Error {
	if e == nil {
		return nil
	}
	if i, ok := slices.BinarySearch(e.Rows, row); ok {
		return e.Errs[i]
	}
	return nil
}

// Merge returns the union; where both fail, e's error stays. Neither is changed.
func (e *RowErrors) Merge(o *RowErrors) *RowErrors {
	if e.Len() == 0 {
		return o
	}
	if o.Len() == 0 {
		return e
	}
	out := &RowErrors{}
	i, j := 0, 0
	for i < len(e.Rows) || j < len(o.Rows) {
		switch {
		case j == len(o.Rows) || i < len(e.Rows) && e.Rows[i] < o.Rows[j]:
			out.add(e.Rows[i], e.Errs[i])
			i++
		case i == len(e.Rows) || o.Rows[j] < e.Rows[i]:
			out.add(o.Rows[j], o.Errs[j])
			j++
		default:
			out.add(e.Rows[i], e.Errs[i])
			i++
			j++
		}
	}
	return out
}

// filter returns the rows for which f holds.
func (e *RowErrors) filter(f func(row uint32) bool) *RowErrors {
	var out *RowErrors
	for i := range e.Len() {
		if f(e.Rows[i]) {
			if out == nil {
				out = &RowErrors{}
			}
			out.add(e.Rows[i], e.Errs[i])
		}
	}
	return out
}

func (e *RowErrors) add(row uint32, err *types.Error) {
	e.Rows = append(e.Rows, row)
	e.Errs = append(e.Errs, err)
}

// sort puts the rows in order; of one row the first error stays.
func (e *RowErrors) sort() {
	if slices.IsSorted(e.Rows) {
		return
	}
	order := make([]int, len(e.Rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(e.Rows[a]) - int(e.Rows[b]) })
	old := *e
	*e = RowErrors{}
	for _, i := range order {
		if len(e.Rows) == 0 || e.Rows[len(e.Rows)-1] != old.Rows[i] {
			e.add(old.Rows[i], old.Errs[i])
		}
	}
}
