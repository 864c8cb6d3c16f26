package pgwire

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql/types"
)

// A message is a kind (one byte; not in a startup packet), its length in four bytes, big-endian, which counts itself, and a body.

const (
	bufferSize = 8 << 10 // of a connection that is busy; an idle one has none
	// maxStartup is the longest packet that is read before a client has proved who it is, as in PostgreSQL.
	maxStartup = 10_000
	// flushSize is when rows go out, though more are there.
	flushSize = 32 << 10
)

// codeProtocol is PostgreSQL's SQLSTATE of a protocol violation.
const codeProtocol types.Code = "08P01"

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// reader takes messages off a connection. It holds a buffer only while there is something in it.
type reader struct {
	src   io.Reader
	buf   *[]byte // of the pool; nil while nothing is buffered
	r, w  int
	first [1]byte
	most  int // longest body
}

// buffered reports whether there are bytes that were received and not yet taken.
func (r *reader) buffered() bool { return r.w > r.r }

// next is the kind of the next message, if it was received already; else 0.
func (r *reader) next() byte {
	if r.buffered() {
		return (*r.buf)[r.r]
	}
	return 0
}

func (r *reader) release() {
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf = nil
	}
	r.r, r.w = 0, 0
}

// need makes n bytes, at most bufferSize, stand at buf[r:].
func (r *reader) need(n int) error {
	if r.w-r.r >= n {
		return nil
	}
	if r.r == r.w { // wait without a buffer
		r.release()
		if _, err := io.ReadFull(r.src, r.first[:]); err != nil {
			return err
		}
		r.buf = buffers.Get().(*[]byte)
		(*r.buf)[0] = r.first[0]
		r.w = 1
	}
	if r.r+n > len(*r.buf) {
		r.w = copy(*r.buf, (*r.buf)[r.r:r.w])
		r.r = 0
	}
	for r.w-r.r < n {
		got, err := r.src.Read((*r.buf)[r.w:])
		r.w += got
		if err != nil && r.w-r.r < n {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// take returns the next n bytes, which are valid until the next call. What is longer than a buffer is allocated as it arrives, so
// that a length alone costs nothing.
func (r *reader) take(n int) ([]byte, error) {
	if n <= bufferSize {
		if n == 0 {
			return nil, nil
		}
		if err := r.need(n); err != nil {
			return nil, err
		}
		b := (*r.buf)[r.r : r.r+n : r.r+n]
		r.r += n
		return b, nil
	}
	big := make([]byte, min(n, 64<<10))
	have := copy(big, (*r.buf)[r.r:r.w])
	r.r += have
	for {
		got, err := io.ReadFull(r.src, big[have:])
		have += got
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if have == n {
			return big, nil
		}
		more := make([]byte, min(n, 2*len(big)))
		copy(more, big)
		big = more
	}
}

// message returns the next message; its body is valid until the next call.
//
// Errors: codeProtocol for an impossible length; those of the connection, io.EOF between two messages.
func (r *reader) message() (kind byte, body []byte, err error) {
	if err := r.need(5); err != nil {
		return 0, nil, err
	}
	head := (*r.buf)[r.r:]
	kind = head[0]
	n := int(int32(binary.BigEndian.Uint32(head[1:5]))) - 4
	switch {
	case n < 0:
		return 0, nil, types.Errorf(codeProtocol, "invalid message length")
	case n > r.most:
		return 0, nil, types.Errorf(codeProtocol, "a message of %d bytes is longer than %d", n, r.most)
	}
	r.r += 5
	body, err = r.take(n)
	return kind, body, err
}

// startup returns a packet of the time before the first message, which has no kind.
func (r *reader) startup() ([]byte, error) {
	if err := r.need(4); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32((*r.buf)[r.r:]))) - 4
	if n < 4 || n > maxStartup {
		return nil, types.Errorf(codeProtocol, "invalid length of startup packet")
	}
	r.r += 4
	return r.take(n)
}

// writer collects messages and sends them together. It holds a buffer only while there is something in it.
type writer struct {
	dst  io.Writer
	buf  []byte
	pool *[]byte
	err  error // of the connection: final
}

func (w *writer) grab() {
	if w.buf == nil {
		w.pool = buffers.Get().(*[]byte)
		w.buf = (*w.pool)[:0]
	}
}

// send puts a message into the buffer.
func (w *writer) send(m pgproto3.BackendMessage) {
	w.grab()
	b, err := m.Encode(w.buf)
	if err != nil { // longer than a length can say
		if w.err == nil {
			w.err = fmt.Errorf("encode %T: %w", m, err)
		}
		return
	}
	w.buf = b
}

// begin starts a message, of which the caller appends the body to w.buf; end takes what begin returned.
func (w *writer) begin(kind byte) int {
	w.grab()
	w.buf = append(w.buf, kind, 0, 0, 0, 0)
	return len(w.buf) - 4
}

func (w *writer) end(at int) {
	binary.BigEndian.PutUint32(w.buf[at:], uint32(len(w.buf)-at))
}

// flushFull sends what there is once it is much.
func (w *writer) flushFull() error {
	if len(w.buf) < flushSize {
		return w.err
	}
	return w.flush()
}

// flush sends what there is.
func (w *writer) flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.dst.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// release gives the buffer back; nothing may be in it.
func (w *writer) release() {
	if w.pool != nil {
		buffers.Put(w.pool)
	}
	w.buf, w.pool = nil, nil
}
