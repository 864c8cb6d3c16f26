package sql

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// Position returns the line and the column of a byte offset, both from 1; columns count characters (runes). Lines end
// with \n, \r\n or \r. An offset outside of src is moved to the nearest end.
func Position(src string, offset int) (line, col int) {
	offset = min(max(offset, 0), len(src))
	line, from := 1, 0
	for i := 0; i < offset; i++ {
		if src[i] == '\n' || src[i] == '\r' && (i+1 >= len(src) || src[i+1] != '\n') {
			line++
			from = i + 1
		}
	}
	return line, utf8.RuneCountInString(src[from:offset]) + 1
}

// Widths of the picture of an error: a line longer than maxLineWidth columns is cut around the place.
const (
	maxLineWidth = 120
	leftContext  = 50
	tabWidth     = 4
)

// Render draws an error with its place:
//
//	bids.sql:1:12: column "prise" does not exist
//	  SELECT max(prise) FROM bids
//	             ~~~~~
//	hint: did you mean "price"?
//
// file may be empty. An error that is not or wraps no *types.Error, or that has no place in src, is drawn without the
// picture. Columns are counted in characters; in the picture a tab is four columns wide, wide characters take two, and a long
// line is cut. The result ends without a line break.
func Render(err error, file, src string) string {
	var e *types.Error
	if !errors.As(err, &e) {
		if file == "" {
			return err.Error()
		}
		return file + ": " + err.Error()
	}
	var b strings.Builder
	placed := !e.Span.IsZero() && e.Span.Start >= 0 && e.Span.Start <= len(src)
	if file != "" {
		b.WriteString(file + ":")
	}
	if placed {
		line, col := Position(src, e.Span.Start)
		fmt.Fprintf(&b, "%d:%d:", line, col)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(message(err, e))
	if placed {
		drawLine(&b, src, e.Span)
	}
	if e.Detail != "" {
		b.WriteString("\ndetail: " + e.Detail)
	}
	if e.Hint != "" {
		b.WriteString("\nhint: " + e.Hint)
	}
	return b.String()
}

// message is the error's message without its hint, with what wraps it.
func message(err error, e *types.Error) string {
	full := err.Error()
	if err == error(e) {
		return e.Msg
	}
	return strings.Replace(full, e.Error(), e.Msg, 1)
}

// cell is one character of the drawn line: what is printed and how many columns it takes.
type cell struct {
	text  string
	width int
}

func drawLine(b *strings.Builder, src string, span types.Span) {
	from := strings.LastIndexAny(src[:span.Start], "\r\n") + 1
	end := lineEnd(src, span.Start)
	stop := min(max(span.End, span.Start), end)
	before, marked, after := cells(src[from:span.Start]), cells(src[span.Start:stop]), cells(src[stop:end])
	before, marked, after = cut(before, marked, after)
	b.WriteString("\n  ")
	line := strings.TrimRight(join(before)+join(marked)+join(after), " ")
	b.WriteString(line)
	fmt.Fprintf(b, "\n  %s%s", strings.Repeat(" ", width(before)), strings.Repeat("~", max(width(marked), 1)))
}

func cells(text string) []cell {
	var out []cell
	for _, r := range text {
		switch {
		case r == '\t':
			out = append(out, cell{strings.Repeat(" ", tabWidth), tabWidth})
		case r == utf8.RuneError:
			out = append(out, cell{"\ufffd", 1})
		case unicode.IsControl(r):
			out = append(out, cell{"\u00b7", 1})
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
			out = append(out, cell{string(r), 0})
		case isWide(r):
			out = append(out, cell{string(r), 2})
		default:
			out = append(out, cell{string(r), 1})
		}
	}
	return out
}

// isWide reports whether terminals draw r two columns wide: East Asian scripts and emoji.
func isWide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf && r != 0x303f || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 ||
		r >= 0x1f300 && r <= 0x1f64f || r >= 0x1f900 && r <= 0x1f9ff || r >= 0x20000 && r <= 0x3fffd)
}

func width(line []cell) int {
	n := 0
	for _, c := range line {
		n += c.width
	}
	return n
}

func join(line []cell) string {
	var b strings.Builder
	for _, c := range line {
		b.WriteString(c.text)
	}
	return b.String()
}

// cut shortens a long line to the part around the mark; "..." stands for what was cut.
func cut(before, marked, after []cell) (b, m, a []cell) {
	if width(before)+width(marked)+width(after) <= maxLineWidth {
		return before, marked, after
	}
	dots := cell{"...", 3}
	n, w := len(before), 0
	for n > 0 && w+before[n-1].width <= leftContext {
		n--
		w += before[n].width
	}
	if n > 0 {
		before = append([]cell{dots}, before[n:]...)
	}
	room := maxLineWidth - width(before)
	marked, whole := firstCells(marked, room)
	if !whole {
		return before, append(marked, dots), nil
	}
	after, whole = firstCells(after, room-width(marked))
	if !whole {
		after = append(after, dots)
	}
	return before, marked, after
}

// firstCells returns as many cells as fit into w columns, and whether these are all.
func firstCells(line []cell, w int) ([]cell, bool) {
	for i, c := range line {
		if w -= c.width; w < 0 {
			return line[:i:i], false
		}
	}
	return line, true
}
