package pgwire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// copy runs COPY FROM STDIN or TO STDOUT.
func (c *conn) copy(ctx context.Context, stmt *sql.Copy) (tag string, err error) {
	if stmt.From {
		return c.copyIn(ctx, stmt)
	}
	return c.copyOut(ctx, stmt)
}

func (c *conn) copyIn(ctx context.Context, stmt *sql.Copy) (tag string, err error) {
	in, err := c.session.CopyFrom(stmt)
	if err != nil {
		return "", err
	}
	overall, formats := copyFormats(in.Binary(), len(in.Target()))
	c.out.send(&pgproto3.CopyInResponse{OverallFormat: overall, ColumnFormatCodes: formats})
	if err := c.out.flush(); err != nil {
		return "", err
	}
	data := &copyData{c: c}
	if in.Binary() {
		err = readBinary(in, data)
	} else {
		err = in.Read(data)
	}
	if err == nil && !data.ended { // what stands behind the end of the data
		_, err = io.Copy(io.Discard, data)
	}
	if err != nil {
		return "", err
	}
	r, err := in.Write(ctx)
	if err != nil {
		return "", err
	}
	c.notices(r.Notices)
	return r.Tag, nil
}

// copyData reads the data of COPY FROM out of its messages.
type copyData struct {
	c     *conn
	rest  []byte
	ended bool
}

// Read implements io.Reader.
func (d *copyData) Read(b []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.ended {
			return 0, io.EOF
		}
		kind, body, err := d.c.in.message()
		if err != nil {
			d.ended = true
			d.c.broken = err
			return 0, err
		}
		switch kind {
		case 'd':
			d.rest = body
		case 'c':
			d.ended = true
		case 'f':
			d.ended = true
			var m pgproto3.CopyFail
			if err := m.Decode(body); err != nil {
				return 0, badMessage(err)
			}
			return 0, types.Errorf(types.CodeCanceled, "COPY from stdin failed: %s", m.Message)
		case 'H', 'S': // a client that does not know that it copies
		default:
			d.ended = true
			d.c.broken = types.Errorf(codeProtocol, "unexpected message type 0x%02X during COPY from stdin", kind)
			return 0, d.c.broken
		}
	}
	n := copy(b, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func (c *conn) copyOut(ctx context.Context, stmt *sql.Copy) (tag string, err error) {
	out, err := c.session.CopyTo(ctx, stmt)
	if err != nil {
		return "", err
	}
	defer out.Rows.Close()
	c.notices(out.Notices)
	columns := resultColumns(out.Rows.Columns(), out.Rows.Live())
	overall, formats := copyFormats(out.Binary(), len(columns))
	c.out.send(&pgproto3.CopyOutResponse{OverallFormat: overall, ColumnFormatCodes: formats})
	if out.Binary() {
		return c.copyOutBinary(ctx, out, formats)
	}
	if header := out.Header(columns); header != nil {
		at := c.out.begin('d')
		c.out.buf = append(c.out.buf, header...)
		c.out.end(at)
	}
	cur := newCursor(out.Rows, c.session.Zone(), nil)
	cur.encode = func(w *writer, row rowOf) {
		at := w.begin('d')
		if cur.live {
			w.buf = out.Append(w.buf, row.batch, row.row, int64(cur.epoch), row.weight)
		} else {
			w.buf = out.Append(w.buf, row.batch, row.row)
		}
		w.end(at)
	}
	n, _, err := cur.send(ctx, &c.out, 0)
	if err != nil {
		return "", err
	}
	c.out.send(&pgproto3.CopyDone{})
	return fmt.Sprintf("COPY %d", n), nil
}

// copyFormats are the formats of the announcement: all text or all binary.
func copyFormats(binary bool, columns int) (overall byte, formats []uint16) {
	formats = make([]uint16, columns)
	if binary {
		overall = 1
		for i := range formats {
			formats[i] = 1
		}
	}
	return overall, formats
}

// The binary format of COPY: the signature, four bytes of flags, the length of an extension; per row the number of fields in two bytes and each
// field with its length in four, -1 for NULL; -1 as the number of fields at the end.
var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

// readBinary reads the data of COPY FROM in the binary format.
func readBinary(in *streamsql.CopyIn, data io.Reader) error {
	r := bufio.NewReaderSize(data, 64<<10)
	be := binary.BigEndian
	bad := func(err error) error {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return types.Errorf(types.CodeBadCopyFormat, "unexpected EOF in COPY data")
		}
		return err
	}
	var head [19]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || !bytes.Equal(head[:11], copySignature) {
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		return types.Errorf(types.CodeBadCopyFormat, "COPY file signature not recognized")
	}
	if flags := be.Uint32(head[11:]); flags>>16 != 0 {
		return types.Errorf(types.CodeBadCopyFormat, "unrecognized critical flags in COPY file header")
	}
	if _, err := io.CopyN(io.Discard, r, int64(be.Uint32(head[15:]))); err != nil {
		return bad(err)
	}
	target := in.Target()
	values := make([]any, len(target))
	var field []byte
	for {
		var size [4]byte
		switch _, err := io.ReadFull(r, size[:2]); {
		case err == io.EOF: // clients need not send the mark of the end
			return nil
		case err != nil:
			return bad(err)
		}
		n := int(int16(be.Uint16(size[:])))
		if n == -1 {
			return nil
		}
		if n != len(target) {
			return types.Errorf(types.CodeBadCopyFormat, "row field count is %d, expected %d", n, len(target))
		}
		for i, f := range target {
			if _, err := io.ReadFull(r, size[:]); err != nil {
				return bad(err)
			}
			n := int(int32(be.Uint32(size[:])))
			values[i] = nil
			switch {
			case n == -1:
				continue
			case n < 0 || n > 64<<20:
				return types.Errorf(types.CodeBadCopyFormat, "invalid field size")
			}
			// It is allocated as it arrives, so that a length alone costs nothing.
			w := bytes.NewBuffer(field[:0])
			if _, err := io.CopyN(w, r, int64(n)); err != nil {
				return bad(err)
			}
			field = w.Bytes()
			var err error
			if values[i], err = decodeBinary(f.Type, field); err != nil {
				return types.AsError(err).WithDetail("column %s", f.Name)
			}
		}
		if err := in.AppendRow(values); err != nil {
			return err
		}
	}
}

// copyOutBinary sends an answer in the binary format.
func (c *conn) copyOutBinary(ctx context.Context, out *streamsql.CopyOut, formats []uint16) (tag string, err error) {
	at := c.out.begin('d')
	c.out.buf = append(append(c.out.buf, copySignature...), make([]byte, 8)...)
	c.out.end(at)
	binaries := make([]int16, len(formats))
	for i := range binaries {
		binaries[i] = 1
	}
	cur := newCursor(out.Rows, c.session.Zone(), binaries)
	cur.encode = func(w *writer, row rowOf) { // a DataRow's body is that of a row here
		at := len(w.buf)
		cur.row(w, row)
		w.buf[at] = 'd'
	}
	n, _, err := cur.send(ctx, &c.out, 0)
	if err != nil {
		return "", err
	}
	at = c.out.begin('d')
	c.out.buf = append(c.out.buf, 0xff, 0xff)
	c.out.end(at)
	c.out.send(&pgproto3.CopyDone{})
	return fmt.Sprintf("COPY %d", n), nil
}
