// Package console prints a changelog as a table, one line a change: for the eye, not for programs. A terminal remembers no marker, so after a
// crash the last changes may be printed again.
package console

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/types"
)

// Options are the connector's options.
var Options = []types.OptionSpec{
	{Name: "max_width", Kind: types.OptInt, Default: "60", Doc: "values are cut to this many characters"},
}

// Sink implements sinks.Sink.
type Sink struct {
	out      io.Writer
	schema   types.Schema
	maxWidth int
	widths   []int
	started  bool
}

// New returns a sink that prints rows of schema to out.
func New(out io.Writer, schema types.Schema, maxWidth int) *Sink {
	return &Sink{out: out, schema: schema, maxWidth: max(maxWidth, 4)}
}

// Open returns no marker.
func (s *Sink) Open(context.Context, sinks.Marker) (sinks.Marker, bool, error) {
	return sinks.Marker{}, false, nil
}

// Publish prints the changes.
func (s *Sink) Publish(_ context.Context, _ sinks.Marker, changes []*changelog.Batch) error {
	var rows [][]string
	for _, b := range changes {
		b.Each(func(row int) {
			w := b.Weight(row)
			sign := "+"
			if w < 0 {
				sign, w = "-", -w
			}
			cells := []string{sign}
			for i, f := range s.schema {
				cells = append(cells, s.cell(f.Type, b, i, row))
			}
			for range w {
				rows = append(rows, cells)
			}
		})
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := io.WriteString(s.out, s.render(rows))
	return err
}

// Finish does nothing: what was published is on the screen.
func (s *Sink) Finish(context.Context) error { return nil }

// Close does nothing.
func (s *Sink) Close() error { return nil }

// Unlogged implements sinks.Unlogged: a terminal holds no marker, and what it showed is not shown again.
func (s *Sink) Unlogged() {}

func (s *Sink) cell(t types.Type, b *changelog.Batch, col, row int) string {
	if b.Cols[col].IsNull(row) {
		return "NULL"
	}
	text := string(types.AppendText(nil, t, b.Cols[col], row))
	text = strings.NewReplacer("\n", `\n`, "\t", `\t`, "\r", `\r`, "\x1b", `\x1b`).Replace(text)
	if utf8.RuneCountInString(text) > s.maxWidth {
		text = string([]rune(text)[:s.maxWidth-1]) + "…"
	}
	return text
}

// render draws the rows, and the header when it is the first time or a column became wider.
func (s *Sink) render(rows [][]string) string {
	if s.widths == nil {
		s.widths = make([]int, len(s.schema)+1)
		s.widths[0] = 1
		for i, f := range s.schema {
			s.widths[i+1] = utf8.RuneCountInString(f.Name)
		}
	}
	header := !s.started
	s.started = true
	for _, cells := range rows {
		for i, c := range cells {
			if n := utf8.RuneCountInString(c); n > s.widths[i] {
				s.widths[i], header = n, true
			}
		}
	}
	var out strings.Builder
	if header {
		names := []string{" "}
		for _, f := range s.schema {
			names = append(names, f.Name)
		}
		s.line(&out, names)
		for i, w := range s.widths {
			if i > 0 {
				out.WriteString("-+-")
			}
			out.WriteString(strings.Repeat("-", w))
		}
		out.WriteByte('\n')
	}
	for _, cells := range rows {
		s.line(&out, cells)
	}
	return out.String()
}

func (s *Sink) line(out *strings.Builder, cells []string) {
	for i, c := range cells {
		if i > 0 {
			out.WriteString(" | ")
		}
		pad := s.widths[i] - utf8.RuneCountInString(c)
		if i > 0 && s.schema[i-1].Type.IsNumber() {
			fmt.Fprintf(out, "%s%s", strings.Repeat(" ", pad), c)
		} else if i == len(cells)-1 {
			out.WriteString(c)
		} else {
			fmt.Fprintf(out, "%s%s", c, strings.Repeat(" ", pad))
		}
	}
	out.WriteByte('\n')
}
