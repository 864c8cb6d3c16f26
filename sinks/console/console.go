// Package console prints a changelog as a table, one line a change: for the eye, not for programs. A terminal remembers no marker, so after a
// crash the last changes may be printed again.
package console

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/types"
)

// Options are the connector's options.
var Options = []types.OptionSpec{
	{Name: "max_width", Kind: types.OptInt, Default: "60", Doc: "values are cut to this many columns of the terminal"},
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
	return cut(printable(string(types.AppendText(nil, t, b.Cols[col], row))), s.maxWidth)
}

// printable replaces what would move the cursor or change the terminal.
func printable(text string) string {
	if !strings.ContainsFunc(text, isControl) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == '\r':
			out.WriteString(`\r`)
		case isControl(r):
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// isControl reports whether a terminal acts upon r: control characters, and the marks that turn the direction of writing.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// cut shortens text to width columns of the terminal, between characters as a reader sees them.
func cut(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	total, end := 0, 0
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if total+g.Width() > width-1 {
			break
		}
		total += g.Width()
		_, end = g.Positions()
	}
	return text[:end] + "…"
}

// render draws the rows, and the header when it is the first time or a column became wider.
func (s *Sink) render(rows [][]string) string {
	if s.widths == nil {
		s.widths = make([]int, len(s.schema)+1)
		s.widths[0] = 1
		for i, f := range s.schema {
			s.widths[i+1] = uniseg.StringWidth(printable(f.Name))
		}
	}
	header := !s.started
	s.started = true
	for _, cells := range rows {
		for i, c := range cells {
			if n := uniseg.StringWidth(c); n > s.widths[i] {
				s.widths[i], header = n, true
			}
		}
	}
	var out strings.Builder
	if header {
		names := []string{" "}
		for _, f := range s.schema {
			names = append(names, printable(f.Name))
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
		pad := s.widths[i] - uniseg.StringWidth(c)
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
