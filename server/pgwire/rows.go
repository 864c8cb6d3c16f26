package pgwire

import (
	"context"
	"encoding/binary"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Of an answer that goes on, two columns stand before the query's own: the epoch of a change, and its weight (+n: the row was added n times,
// -n: it was taken back n times).
var liveColumns = []streamsql.Column{{Name: "epoch", Type: types.Int8Type}, {Name: "weight", Type: types.Int8Type}}

// resultColumns are the columns that a client sees.
func resultColumns(columns []streamsql.Column, live bool) []streamsql.Column {
	if !live {
		return columns
	}
	return append(append([]streamsql.Column{}, liveColumns...), columns...)
}

// rowDescription announces columns; formats are those of Bind: none is text, one is for all.
func rowDescription(columns []streamsql.Column, formats []int16) *pgproto3.RowDescription {
	m := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, c := range columns {
		t := describe(c.Type)
		m.Fields[i] = pgproto3.FieldDescription{Name: []byte(c.Name), DataTypeOID: t.oid, DataTypeSize: t.size, TypeModifier: t.mod, Format: formatOf(formats, i)}
	}
	return m
}

// formatOf is the format of value i: 0 text, 1 binary.
func formatOf(formats []int16, i int) int16 {
	switch {
	case len(formats) == 0:
		return 0
	case len(formats) == 1:
		return formats[0]
	}
	return formats[i]
}

// cursor walks over an answer and remembers where it stands between two portions.
type cursor struct {
	rows    *streamsql.Rows
	columns []streamsql.Column // the query's own
	live    bool
	zone    *time.Location
	text    []bool // per column; nil: all

	encode func(w *writer, row rowOf) // a row into its message

	pending []*changelog.Batch
	epoch   changelog.Epoch
	at      int   // in the selection of pending[0]
	left    int64 // how often the current row is still to be sent; 0: not looked at yet
	ended   bool
}

// rowOf is one row of an answer.
type rowOf struct {
	batch  *changelog.Batch
	row    int
	weight int64
}

func newCursor(rows *streamsql.Rows, zone *time.Location, formats []int16) *cursor {
	c := &cursor{rows: rows, columns: rows.Columns(), live: rows.Live(), zone: zone}
	c.encode = c.row
	for i := range resultColumns(c.columns, c.live) {
		if formatOf(formats, i) != 0 && c.text == nil {
			c.text = make([]bool, len(resultColumns(c.columns, c.live)))
			for j := range c.text {
				c.text[j] = formatOf(formats, j) == 0
			}
		}
	}
	return c
}

// peek makes pending[0] hold a row that is not sent; false at the end of the answer. before is called when it may have to wait.
func (c *cursor) peek(ctx context.Context, before func() error) (bool, error) {
	for {
		for len(c.pending) > 0 {
			if c.at < c.pending[0].Rows() {
				return true, nil
			}
			c.pending, c.at = c.pending[1:], 0
		}
		if c.ended {
			return false, nil
		}
		if c.live {
			if err := before(); err != nil {
				return false, err
			}
		}
		changes, err := c.rows.Changes(ctx)
		if err == io.EOF {
			c.ended = true
			return false, nil
		}
		if err != nil {
			return false, err
		}
		c.pending, c.epoch = changes.Batches, changes.Epoch
	}
}

// send puts up to most rows (0: all) into the writer and returns how many; more says that the answer may go on behind them.
func (c *cursor) send(ctx context.Context, w *writer, most int64) (n int64, more bool, err error) {
	for most == 0 || n < most {
		ok, err := c.peek(ctx, w.flush)
		if err != nil || !ok {
			return n, false, err
		}
		b := c.pending[0]
		row := c.at
		if b.Sel != nil {
			row = int(b.Sel[c.at])
		}
		weight := b.Weight(row)
		if c.left == 0 {
			c.left = weight
			if c.live {
				c.left = 1
			}
		}
		for c.left > 0 && (most == 0 || n < most) {
			c.encode(w, rowOf{b, row, weight})
			c.left--
			n++
			if err := w.flushFull(); err != nil {
				return n, false, err
			}
		}
		if c.left <= 0 {
			c.left = 0
			c.at++
		}
		if n&1023 == 0 && ctx.Err() != nil {
			return n, false, ctx.Err()
		}
	}
	return n, true, nil
}

// row encodes one row as a DataRow.
func (c *cursor) row(w *writer, x rowOf) {
	b, row, weight := x.batch, x.row, x.weight
	at := w.begin('D')
	n := len(c.columns)
	first := 0
	if c.live {
		first = len(liveColumns)
	}
	w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(n+first))
	if c.live {
		w.buf = c.number(w.buf, 0, int64(c.epoch))
		w.buf = c.number(w.buf, 1, weight)
	}
	for i := range n {
		arr := b.Cols[i]
		if arr.IsNull(row) {
			w.buf = append(w.buf, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		w.buf = append(w.buf, 0, 0, 0, 0)
		value := len(w.buf)
		if c.text == nil || c.text[first+i] {
			w.buf = appendText(w.buf, c.columns[i].Type, arr, row, c.zone)
		} else {
			w.buf = appendBinary(w.buf, c.columns[i].Type, arr, row)
		}
		binary.BigEndian.PutUint32(w.buf[value-4:], uint32(len(w.buf)-value))
	}
	w.end(at)
}

// number encodes a bigint of column i.
func (c *cursor) number(dst []byte, i int, v int64) []byte {
	if c.text == nil || c.text[i] {
		dst = append(dst, 0, 0, 0, 0)
		at := len(dst)
		dst = strconv.AppendInt(dst, v, 10)
		binary.BigEndian.PutUint32(dst[at-4:], uint32(len(dst)-at))
		return dst
	}
	dst = append(dst, 0, 0, 0, 8)
	return binary.BigEndian.AppendUint64(dst, uint64(v))
}
