package streamsql

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// CopyIn is a COPY FROM STDIN on its way: its rows are collected and written together, by Write; until then nothing has changed.
type CopyIn struct {
	session *Session
	stmt    *sql.Copy
	format  copyFormat
	target  types.Schema
	cols    []array.Builder
	n       int
}

// Target describes the columns of the data.
func (c *CopyIn) Target() types.Schema { return c.target }

// Binary reports whether the data is in the binary format: the caller reads it and calls AppendRow instead of Read.
func (c *CopyIn) Binary() bool { return c.format.binary }

// AppendRow adds a row of values in the forms of Arg.
func (c *CopyIn) AppendRow(values []any) error {
	for i, f := range c.target {
		if err := types.AppendValue(c.cols[i], f.Type, values[i]); err != nil {
			return types.AsError(err).WithDetail("COPY %s, line %d, column %s", c.stmt.Table, c.n+1, f.Name)
		}
	}
	c.n++
	return nil
}

// CopyFrom begins COPY table FROM STDIN.
//
// Errors: those of names and options, positioned; CodeNotSupported for files.
func (s *Session) CopyFrom(stmt *sql.Copy) (*CopyIn, error) {
	s.run.Lock()
	defer s.run.Unlock()
	if err := s.allowed(stmt); err != nil {
		return nil, err
	}
	c, err := s.copyFrom(stmt)
	if err != nil {
		s.failTransaction()
		return nil, located(err, stmt)
	}
	return c, nil
}

func (s *Session) copyFrom(stmt *sql.Copy) (*CopyIn, error) {
	if !stmt.Stdio {
		return nil, types.NotSupported(stmt.Span(), "COPY with files of the server").WithHint("psql's \\copy reads files of the client; CREATE SOURCE reads files of the server")
	}
	c := &CopyIn{session: s, stmt: stmt}
	var err error
	if c.format, err = parseCopyFormat(stmt); err != nil {
		return nil, err
	}
	p, err := s.planner(nil)
	if err != nil {
		return nil, err
	}
	if c.target, err = p.CopyTarget(stmt); err != nil {
		return nil, err
	}
	for _, f := range c.target {
		c.cols = append(c.cols, changelog.NewBuilder(f.Type))
	}
	return c, nil
}

// Read takes all rows from in.
//
// Errors: CodeBadCopyFormat and what reading a value gives, with the line; those of in.
func (c *CopyIn) Read(in io.Reader) error {
	r := copyReader{f: c.format, in: bufio.NewReaderSize(in, 64<<10)}
	zone := c.session.Zone()
	header := c.format.header
	for {
		err := r.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			switch {
			case header:
				err, header = c.checkHeader(&r), false
			default:
				err = c.add(&r, zone)
			}
		}
		if err != nil {
			if e, ok := err.(*types.Error); ok && e.Detail == "" {
				return e.WithDetail("COPY %s, line %d", c.stmt.Table, max(r.line, 1))
			}
			return err
		}
	}
}

func (c *CopyIn) checkHeader(r *copyReader) error {
	if !c.format.match {
		return nil
	}
	if len(r.fields) != len(c.target) {
		return badCopy("wrong number of fields in header line: got %d, expected %d", len(r.fields), len(c.target))
	}
	for i, f := range r.fields {
		if string(f) != c.target[i].Name {
			return badCopy("column name mismatch in header line field %d: got %q, expected %q", i+1, f, c.target[i].Name)
		}
	}
	return nil
}

// add takes over the reader's row.
func (c *CopyIn) add(r *copyReader, zone *time.Location) error {
	switch {
	case len(r.fields) < len(c.target):
		if len(c.target) == 1 {
			break
		}
		return badCopy("missing data for column %q", c.target[len(r.fields)].Name)
	case len(r.fields) > len(c.target):
		return badCopy("extra data after last expected column")
	}
	for i, f := range c.target {
		if r.nulls[i] {
			c.cols[i].AppendNull()
			continue
		}
		var err error
		if f.Type.Kind == types.TimestampTZ {
			var us int64
			if us, err = types.ParseTimestampTZ(string(r.fields[i]), zone); err == nil {
				err = types.AppendValue(c.cols[i], f.Type, types.RoundTime(f.Type, us))
			}
		} else {
			err = types.FromText(c.cols[i], f.Type, r.fields[i])
		}
		if err != nil {
			return types.AsError(err).WithDetail("COPY %s, line %d, column %s: %s", c.stmt.Table, r.line, f.Name, clipped(r.fields[i]))
		}
	}
	c.n++
	return nil
}

func clipped(b []byte) string {
	if len(b) > 100 {
		return strconv.Quote(string(b[:100])) + "..."
	}
	return strconv.Quote(string(b))
}

// Write inserts the rows, as one statement.
//
// Errors: as INSERT.
func (c *CopyIn) Write(ctx context.Context) (Result, error) {
	s := c.session
	s.run.Lock()
	defer s.run.Unlock()
	if err := s.allowed(c.stmt); err != nil {
		return Result{}, err
	}
	r, err := c.write(ctx)
	if err != nil {
		s.failTransaction()
		return Result{}, located(err, c.stmt)
	}
	return r, nil
}

func (c *CopyIn) write(ctx context.Context) (Result, error) {
	s := c.session
	rows := &changelog.Batch{N: c.n}
	for _, b := range c.cols {
		rows.Cols = append(rows.Cols, b.NewArray())
	}
	snap, err := numbered(c.target, rows, nil)
	if err != nil {
		return Result{}, err
	}
	s.copied = snap
	defer func() { s.copied = nil }()
	p, err := s.planner(nil)
	if err != nil {
		return Result{}, err
	}
	p.Copied = snap.Schema()
	r, err := s.dml(ctx, p, planner.CopyInsert(c.stmt, c.target))
	if err != nil {
		return r, err
	}
	var n int64
	if _, err := fmt.Sscanf(r.Tag, "INSERT 0 %d", &n); err != nil {
		return r, fmt.Errorf("the tag of INSERT is %q: %w", r.Tag, err)
	}
	r.Tag = "COPY " + strconv.FormatInt(n, 10)
	return r, nil
}

// CopyOut is a COPY TO STDOUT: its rows are Rows, and Append gives them their form.
type CopyOut struct {
	Result
	format  copyFormat
	columns []Column
	zone    *time.Location
	buf     []byte
}

// CopyTo runs COPY table | (query) TO STDOUT. A relation that is no table can be copied too. The Rows must be closed.
func (s *Session) CopyTo(ctx context.Context, stmt *sql.Copy) (*CopyOut, error) {
	s.run.Lock()
	defer s.run.Unlock()
	if err := s.allowed(stmt); err != nil {
		return nil, err
	}
	c, err := s.copyTo(ctx, stmt)
	if err != nil {
		s.failTransaction()
		return nil, located(err, stmt)
	}
	return c, nil
}

func (s *Session) copyTo(ctx context.Context, stmt *sql.Copy) (*CopyOut, error) {
	if !stmt.Stdio {
		return nil, types.NotSupported(stmt.Span(), "COPY with files of the server").WithHint("psql's \\copy writes files of the client; CREATE SINK writes files of the server")
	}
	c := &CopyOut{zone: s.zone()}
	var err error
	if c.format, err = parseCopyFormat(stmt); err != nil {
		return nil, err
	}
	p, err := s.planner(nil)
	if err != nil {
		return nil, err
	}
	q := stmt.Query
	if q == nil {
		at := sql.Spanned(stmt.Table.Span())
		sel := &sql.Select{At: at, From: []sql.TableExpr{&sql.TableName{At: at, Name: stmt.Table}}}
		for _, id := range stmt.Columns {
			sel.Items = append(sel.Items, sql.SelectItem{At: sql.Spanned(id.Span()), X: &sql.ColumnRef{At: sql.Spanned(id.Span()), Parts: []sql.Ident{id}}})
		}
		if len(sel.Items) == 0 {
			sel.Items = []sql.SelectItem{{At: at, X: &sql.Star{At: at}}}
		}
		q = &sql.Query{At: at, Body: sel}
	}
	if c.Result, err = s.query(ctx, p, q); err != nil {
		return nil, err
	}
	c.columns = c.Rows.Columns()
	return c, nil
}

// Binary reports whether the binary format is wanted, which the caller has to write.
func (c *CopyOut) Binary() bool { return c.format.binary }

// Header returns the line of the columns' names, with its end; nil if there is none.
func (c *CopyOut) Header(columns []Column) []byte {
	if !c.format.header {
		return nil
	}
	c.buf = c.buf[:0]
	for i, col := range columns {
		c.buf = c.format.appendField(c.buf, []byte(col.Name), false, i == 0, len(columns) == 1)
	}
	c.buf = append(c.buf, '\n')
	return c.buf
}

// Append appends one row and its end; before are values that stand first, such as an epoch and a weight.
func (c *CopyOut) Append(dst []byte, b *changelog.Batch, row int, before ...int64) []byte {
	for i, v := range before {
		dst = c.format.appendField(dst, strconv.AppendInt(nil, v, 10), false, i == 0, false)
	}
	for i, col := range c.columns {
		null := b.Cols[i].IsNull(row)
		c.buf = c.buf[:0]
		if !null {
			if a, ok := b.Cols[i].(*array.Timestamp); ok && col.Type.Kind == types.TimestampTZ {
				c.buf = types.AppendTimestampTZ(c.buf, int64(a.Value(row)), c.zone)
			} else {
				c.buf = types.AppendText(c.buf, col.Type, b.Cols[i], row)
			}
		}
		dst = c.format.appendField(dst, c.buf, null, i == 0 && len(before) == 0, len(c.columns) == 1 && len(before) == 0)
	}
	return append(dst, '\n')
}
