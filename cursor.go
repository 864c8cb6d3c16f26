package streamsql

import (
	"context"
	"io"
	"strconv"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

const codeInvalidCursorName types.Code = "34000"

// cursor is a query of DECLARE, read in portions by FETCH. In a transaction it ends with it, unless it is WITH HOLD; outside of one it stays
// until CLOSE: the changes of a query that goes on are read so.
type cursor struct {
	rows    *Rows
	tx      *transaction // that it ends with; nil: none
	pending []*changelog.Batch
	epoch   changelog.Epoch
	done    bool
}

// cursor finds a cursor by its name.
func (s *Session) cursor(name sql.Ident) (*cursor, error) {
	c := s.cursors[name.Name]
	if c == nil || c.tx != nil && c.tx != s.tx {
		s.closeCursor(name.Name)
		return nil, types.Errorf(codeInvalidCursorName, "cursor %q does not exist", name.Name).At(name.Span())
	}
	return c, nil
}

func (s *Session) closeCursor(name string) {
	if c := s.cursors[name]; c != nil {
		c.rows.Close()
		delete(s.cursors, name)
	}
}

func (s *Session) closeCursors() {
	for name := range s.cursors {
		s.closeCursor(name)
	}
}

// declare is DECLARE name CURSOR FOR query | SUBSCRIBE.
func (s *Session) declare(ctx context.Context, p *planner.Planner, stmt *sql.Declare) (Result, error) {
	r := Result{Tag: "DECLARE CURSOR"}
	switch {
	case stmt.Scroll:
		return r, types.NotSupported(stmt.Span(), "SCROLL cursors")
	case stmt.Binary:
		return r, types.NotSupported(stmt.Span(), "BINARY cursors").WithHint("portals of the extended protocol have binary columns")
	}
	for name, c := range s.cursors { // what ended with its transaction
		if c.tx != nil && c.tx != s.tx {
			s.closeCursor(name)
		}
	}
	if c, _ := s.cursor(stmt.Name); c != nil {
		return r, types.Errorf(types.CodeDuplicateCursor, "cursor %q already exists", stmt.Name.Name).At(stmt.Name.Span())
	}
	var q Result
	var err error
	own := context.WithoutCancel(ctx) // it outlives the statement
	switch x := stmt.Stmt.(type) {
	case *sql.QueryStmt:
		q, err = s.query(own, p, x.Query)
	case *sql.Subscribe:
		q, err = s.subscribe(own, p, x)
	default:
		err = types.NotSupported(stmt.Stmt.Span(), "a cursor over this statement")
	}
	if err != nil {
		return r, err
	}
	c := &cursor{rows: q.Rows}
	if s.tx != nil && !stmt.Hold {
		c.tx = s.tx
	}
	if s.cursors == nil {
		s.cursors = map[string]*cursor{}
	}
	s.cursors[stmt.Name.Name] = c
	r.Notices = q.Notices
	return r, nil
}

// fetch is FETCH and MOVE forward. Of an answer that goes on it waits for the first changes and gives no more than are there.
func (s *Session) fetch(ctx context.Context, stmt *sql.Fetch) (Result, error) {
	r := Result{Tag: "FETCH"}
	c, err := s.cursor(stmt.Cursor)
	if err != nil {
		return r, err
	}
	if stmt.Direction != "" && stmt.Direction != sql.FetchForward || stmt.Count < 0 {
		return r, types.Errorf("55000", "cursor can only scan forward").At(stmt.Span())
	}
	batches, n, err := c.take(ctx, stmt.Count, stmt.All)
	if err != nil {
		return r, err
	}
	if stmt.Move {
		r.Tag = "MOVE " + strconv.FormatInt(n, 10)
		return r, nil
	}
	given := false
	r.Rows = &Rows{columns: c.rows.columns, live: c.rows.live, ctx: ctx, next: func(context.Context) (Changes, error) {
		if given {
			return Changes{}, io.EOF
		}
		given = true
		return Changes{Epoch: c.epoch, Batches: batches}, nil
	}}
	return r, nil
}

// take returns the next rows, n or all, and how many they are: of an answer that goes on, those of one epoch at most, so that their epoch
// is known.
func (c *cursor) take(ctx context.Context, n int64, all bool) (out []*changelog.Batch, taken int64, err error) {
	live := c.rows.live
	for all || taken < n {
		if len(c.pending) == 0 {
			if c.done || live && taken > 0 {
				break
			}
			changes, err := c.rows.Changes(ctx)
			if err == io.EOF {
				c.done = true
				break
			}
			if err != nil {
				return nil, 0, err
			}
			c.pending, c.epoch = changes.Batches, changes.Epoch
			if !live {
				for i, b := range c.pending {
					c.pending[i] = expanded(b)
				}
			}
			continue
		}
		b := c.pending[0]
		have := int64(b.Rows())
		if all || have <= n-taken {
			out, taken, c.pending = append(out, b), taken+have, c.pending[1:]
			continue
		}
		sel := make([]uint32, 0, have)
		b.Each(func(row int) { sel = append(sel, uint32(row)) })
		cut := n - taken
		out, taken = append(out, b.Select(sel[:cut])), n
		c.pending = append([]*changelog.Batch{b.Select(sel[cut:])}, c.pending[1:]...)
	}
	return out, taken, nil
}

// closeStatement is CLOSE name | ALL.
func (s *Session) closeStatement(stmt *sql.Close) (Result, error) {
	r := Result{Tag: "CLOSE CURSOR"}
	if stmt.Cursor.IsZero() {
		s.closeCursors()
		r.Tag += " ALL"
		return r, nil
	}
	if _, err := s.cursor(stmt.Cursor); err != nil {
		return r, err
	}
	s.closeCursor(stmt.Cursor.Name)
	return r, nil
}
