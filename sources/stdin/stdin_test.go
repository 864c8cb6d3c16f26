package stdin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/formats/csv"
	"github.com/streamsql/streamsql/formats/raw"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lines(t require.TestingT) formats.RecordFormat {
	f, err := raw.New(types.Schema{{Name: "line", Type: types.TextType}})
	require.NoError(t, err)
	return f
}

func open(t require.TestingT, s *Source) sources.Reader {
	parts, err := s.Partitions(context.Background())
	require.NoError(t, err)
	r, err := s.OpenPartition(context.Background(), parts[0], nil)
	require.NoError(t, err)
	return r
}

type seen struct {
	rows   []string
	places []string
	bad    []sources.BadRecord
	to     sources.Position
}

// read reads until something is there or the stream has ended.
func (s *seen) read(t require.TestingT, r sources.Reader) sources.ReadStatus {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		c, status, err := r.Read(ctx, 0)
		require.NoError(t, err)
		if c != nil {
			if s.to != nil {
				require.Equal(t, s.to, c.From())
			}
			s.to = c.To()
			parts, err := c.Decode()
			require.NoError(t, err)
			for _, d := range parts {
				s.bad = append(s.bad, d.Bad...)
				if d.Batch == nil {
					continue
				}
				d.Batch.Each(func(row int) {
					v := string(types.AppendText(nil, types.TextType, d.Batch.Cols[0], row))
					s.rows = append(s.rows, v)
					if len(v) < 1000 {
						_, _, place, raw := d.Batch.Origin.Describe(row)
						s.places = append(s.places, place)
						require.Equal(t, v, string(raw))
					}
				})
			}
			return status
		}
		if status == sources.ReadEnded {
			return status
		}
		if status == sources.ReadAtEnd {
			require.NoError(t, r.Wait(ctx))
		}
	}
}

func (s *seen) readAll(t require.TestingT, r sources.Reader) {
	for s.read(t, r) != sources.ReadEnded {
	}
}

func TestPipe(t *testing.T) {
	in, out := io.Pipe()
	src := New("in", in, lines(t))
	r := open(t, src)
	_, status, err := r.Read(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, sources.ReadAtEnd, status)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Wait(cancelled), context.Canceled)

	s := &seen{}
	go io.WriteString(out, "one\ntw")
	s.read(t, r)
	require.Equal(t, []string{"one"}, s.rows, "a line counts once it is terminated")
	go func() { io.WriteString(out, "o\r\n\nlast"); out.Close() }()
	s.readAll(t, r)
	require.Equal(t, []string{"one", "two", "", "last"}, s.rows, "or the stream has ended")
	require.Equal(t, []string{"0", "4", "9", "10"}, s.places)
	_, status, err = r.Read(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, sources.ReadEnded, status)
	require.NoError(t, r.Close())
	require.NoError(t, src.Close())
	require.NoError(t, src.Close())
}

// Whatever the sizes of lines and reads.
func TestAnyPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var want []string
		var all strings.Builder
		for i := range rapid.IntRange(0, 20).Draw(rt, "lines") {
			line := fmt.Sprint(i, strings.Repeat("y", rapid.SampledFrom([]int{0, 3, 1000, 100_000}).Draw(rt, "length")))
			want = append(want, line)
			all.WriteString(line + "\n")
		}
		in := io.Reader(strings.NewReader(all.String()))
		if all.Len() < 5000 && rapid.Bool().Draw(rt, "bytewise") {
			in = iotest.OneByteReader(in)
		}
		src := New("in", iotest.DataErrReader(in), lines(rt))
		defer src.Close()
		s := &seen{}
		s.readAll(rt, open(rt, src))
		require.Equal(rt, want, s.rows)
	})
}

// A reader that is opened again goes on where the one before stopped.
func TestReopened(t *testing.T) {
	in, out := io.Pipe()
	src := New("in", in, lines(t))
	defer src.Close()
	s := &seen{}
	r := open(t, src)
	go io.WriteString(out, "one\nha")
	s.read(t, r)
	require.NoError(t, r.Close())
	r = open(t, src)
	go func() { io.WriteString(out, "lf\nend\n"); out.Close() }()
	s.readAll(t, r)
	require.Equal(t, []string{"one", "half", "end"}, s.rows)
}

func TestHeader(t *testing.T) {
	f, err := csv.New(types.Schema{{Name: "b", Type: types.TextType}}, csv.Config{Delimiter: ',', Header: true})
	require.NoError(t, err)
	in, out := io.Pipe()
	src := New("in", in, f)
	defer src.Close()
	go func() {
		for _, piece := range []string{"a,", "b\n", "1,x\n2,\"y", "\nz\"\n", "3,"} {
			io.WriteString(out, piece)
		}
		out.Close()
	}()
	s := &seen{}
	r := open(t, src)
	for {
		c, status, err := r.Read(t.Context(), 0)
		require.NoError(t, err)
		if c != nil {
			parts, err := c.Decode()
			require.NoError(t, err)
			for row := range parts[0].Batch.N {
				s.rows = append(s.rows, string(types.AppendText(nil, types.TextType, parts[0].Batch.Cols[0], row)))
			}
		}
		if status == sources.ReadEnded {
			break
		}
		require.NoError(t, r.Wait(t.Context()))
	}
	require.Equal(t, []string{"x", "y\nz", ""}, s.rows)
}

// A line that does not end is rejected once it is too long, and skipped.
func TestOversizedRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("32 MiB take long under the race detector")
	}
	long := strings.Repeat("z", 1<<20)
	pieces := []io.Reader{strings.NewReader("before\n")}
	for range 40 {
		pieces = append(pieces, strings.NewReader(long))
	}
	pieces = append(pieces, strings.NewReader("\nafter\n"))
	src := New("in", io.MultiReader(pieces...), lines(t))
	defer src.Close()
	s := &seen{}
	s.readAll(t, open(t, src))
	require.Equal(t, []string{"before", "after"}, s.rows)
	require.Len(t, s.bad, 1)
	require.Equal(t, "7", s.bad[0].Position)
	require.ErrorContains(t, s.bad[0].Err, "record is longer than the limit of 33554432 bytes")
	require.Equal(t, []string{"0", fmt.Sprint(7 + 40<<20 + 1)}, s.places)
}

// What was read before an error is handed out before it.
func TestReadError(t *testing.T) {
	src := New("in", io.MultiReader(strings.NewReader("one\ntwo"), iotest.ErrReader(errors.New("cable cut"))), lines(t))
	defer src.Close()
	r := open(t, src)
	s := &seen{}
	s.read(t, r)
	require.Equal(t, []string{"one"}, s.rows)
	for {
		_, status, err := r.Read(t.Context(), 0)
		if err != nil {
			require.EqualError(t, err, "read standard input: cable cut")
			return
		}
		require.NotEqual(t, sources.ReadEnded, status)
		require.NoError(t, r.Wait(t.Context()))
	}
}
