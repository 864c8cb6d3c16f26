package streamsql

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/types"
)

// Column is a result column.
type Column struct {
	Name string
	Type types.Type // prints as PostgreSQL's name of the type
}

// Changes is what one epoch changed in a query's answer: consolidated, so that no row is both inserted and deleted.
type Changes struct {
	Epoch     changelog.Epoch
	Watermark changelog.Watermark
	// Batches hold the changes as Arrow columns with weights, in the storage types of types.Type.Arrow. They are immutable and
	// stay valid.
	Batches []*changelog.Batch
}

// Rows is the answer to a query. For a query over tables, views and inputs that end it is the whole answer, and every weight is
// positive. For a query over inputs that go on it is the answer's changes, without end: a row with a negative weight takes an earlier
// one back.
//
//	rows, err := db.Query(ctx, "SELECT auction, count(*) FROM bids GROUP BY auction")
//	defer rows.Close()
//	for rows.Next() {
//		rows.Scan(&auction, &n)
//	}
//	err = rows.Err()
//
// Rows is not safe for concurrent use.
type Rows struct {
	columns []Column
	live    bool
	engine  *exec.Engine // of a live query
	private bool         // the engine is the query's own
	ctx     context.Context
	zone    *time.Location                             // of the session when it asked, for TIMESTAMPTZ as text; nil: UTC
	next    func(ctx context.Context) (Changes, error) // io.EOF behind the last
	close   func() error

	pending []*changelog.Batch
	batch   *changelog.Batch
	at      int // index into the selection
	left    int64
	row     int
	weight  int64
	err     error
	closed  bool
}

// Columns describes the result.
func (r *Rows) Columns() []Column { return r.columns }

// Live reports whether the rows are changes of an answer that goes on, rather than an answer.
func (r *Rows) Live() bool { return r.live }

// Rejected counts the rows that the query left out, with the place and the reason of the first of each kind, of a query over sources that runs by itself; those of continuous queries that are
// kept stand in streamsql.rejected.
func (r *Rows) Rejected() []RejectedStats {
	if !r.private {
		return nil
	}
	return r.engine.Stats().Rejected
}

// Changes takes the next changes as a whole, instead of row by row with Next. It returns io.EOF behind the last.
func (r *Rows) Changes(ctx context.Context) (Changes, error) {
	if r.closed {
		return Changes{}, io.EOF
	}
	return r.next(ctx)
}

// Next moves to the next row; a row of weight +n or -n comes n times, each with weight +1 or -1. It returns false behind the last row, on an
// error, and when the context ends.
func (r *Rows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	for {
		if r.left > 0 {
			r.left--
			return true
		}
		if r.batch != nil && r.at < r.batch.Rows() {
			r.row = r.at
			if r.batch.Sel != nil {
				r.row = int(r.batch.Sel[r.at])
			}
			r.at++
			w := r.batch.Weight(r.row)
			r.weight, r.left = 1, w
			if w < 0 {
				r.weight, r.left = -1, -w
			}
			continue
		}
		if len(r.pending) > 0 {
			r.batch, r.pending, r.at = r.pending[0], r.pending[1:], 0
			continue
		}
		c, err := r.next(r.ctx)
		if err == io.EOF {
			r.Close()
			return false
		}
		if err != nil {
			r.err = err
			return false
		}
		r.pending = c.Batches
	}
}

// Weight is +1 for a row that was added, -1 for one that was taken back.
func (r *Rows) Weight() int64 { return r.weight }

// Value returns column i of the current row: nil (NULL), bool, int64, float64, string, []byte, time.Time (dates and timestamps; of
// infinite ones the text), or the text of any other type.
func (r *Rows) Value(i int) any {
	t := r.columns[i].Type
	if r.batch.Cols[i].IsNull(r.row) {
		return nil
	}
	switch v := types.ValueAt(t, r.batch.Cols[i], r.row); t.Kind {
	case types.Bool, types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Text, types.JSONB, types.Bytea:
		return v
	case types.Date:
		if d := v.(int64); d != int64(types.DatePosInf) && d != int64(types.DateNegInf) {
			return time.Unix(d*86400, 0).UTC()
		}
	case types.Timestamp, types.TimestampTZ:
		if us := v.(int64); us != types.TimestampPosInf && us != types.TimestampNegInf {
			return time.UnixMicro(us).UTC()
		}
	}
	text, _ := r.Text(i)
	return text
}

// Text returns PostgreSQL's text form of column i of the current row, TIMESTAMPTZ in the session's time zone; ok is false for NULL.
func (r *Rows) Text(i int) (text string, ok bool) {
	if r.batch.Cols[i].IsNull(r.row) {
		return "", false
	}
	return string(types.AppendTextIn(nil, r.columns[i].Type, r.batch.Cols[i], r.row, r.zone)), true
}

// Scan copies the current row into variables: *bool, *int, *int64, *float64, *string, *[]byte, *time.Time, *any, or a pointer to a
// pointer of these, which takes NULL as nil. A *string takes the text of any type.
func (r *Rows) Scan(dest ...any) error {
	if len(dest) != len(r.columns) {
		return fmt.Errorf("scan: %d variables for %d columns", len(dest), len(r.columns))
	}
	for i, d := range dest {
		if err := r.scan(i, d); err != nil {
			return fmt.Errorf("scan column %q: %w", r.columns[i].Name, err)
		}
	}
	return nil
}

func (r *Rows) scan(i int, dest any) error {
	v := r.Value(i)
	switch d := dest.(type) {
	case *any:
		*d = v
		return nil
	case *string:
		text, ok := r.Text(i)
		if !ok {
			return errNull
		}
		*d = text
		return nil
	case **string:
		if v == nil {
			*d = nil
			return nil
		}
		text, _ := r.Text(i)
		*d = &text
		return nil
	case *int:
		var n int64
		err := assign(&n, v)
		*d = int(n)
		return err
	case *int64:
		return assign(d, v)
	case **int64:
		return assignNull(d, v)
	case *float64:
		return assign(d, v)
	case **float64:
		return assignNull(d, v)
	case *bool:
		return assign(d, v)
	case **bool:
		return assignNull(d, v)
	case *[]byte:
		if v == nil {
			*d = nil
			return nil
		}
		return assign(d, v)
	case *time.Time:
		return assign(d, v)
	case **time.Time:
		return assignNull(d, v)
	}
	return fmt.Errorf("unsupported variable of type %T", dest)
}

var errNull = fmt.Errorf("the value is NULL; scan into a pointer to a pointer")

func assign[T any](d *T, v any) error {
	if v == nil {
		return errNull
	}
	x, ok := v.(T)
	if !ok {
		return fmt.Errorf("a %T does not go into a %T", v, *d)
	}
	*d = x
	return nil
}

func assignNull[T any](d **T, v any) error {
	if v == nil {
		*d = nil
		return nil
	}
	x := new(T)
	if err := assign(x, v); err != nil {
		return err
	}
	*d = x
	return nil
}

// Err returns the error that ended the iteration, if any.
func (r *Rows) Err() error { return r.err }

// Close ends the query. It may be called at any moment, and twice.
func (r *Rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.close == nil {
		return nil
	}
	return r.close()
}
