package sql

import (
	"strings"
	"testing"
)

// FuzzParse checks on any text: no panic; every error has a place inside the text and can be drawn; what could be read
// is printed as a text that gives the same tree again; spans lie inside the text and inside their parent's order.
func FuzzParse(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		stmts, errs := ParseAll(text)
		for _, e := range errs {
			if e.Msg == "" || e.Span.Start < 0 || e.Span.End > len(text) || e.Span.Start > e.Span.End {
				t.Fatalf("bad error %+v for %q", e, text)
			}
			if strings.TrimSpace(Render(e, "f.sql", text)) == "" {
				t.Fatal("empty picture")
			}
		}
		Complete(text)
		for _, s := range stmts {
			Inspect(s, func(n Node) bool {
				sp := n.Span()
				if sp.Start < 0 || sp.End > len(text) || sp.Start > sp.End {
					t.Fatalf("bad span %v of %T in %q", sp, n, text)
				}
				return true
			})
			out := Format(s)
			again, err := Parse(out)
			if err != nil || len(again) != 1 {
				t.Fatalf("%q\nprinted as %q\nis read as %d statements, error %v", text, out, len(again), err)
			}
			if !Equal(s, again[0]) {
				t.Fatalf("%q\nprinted as %q\nis read as %q", text, out, Format(again[0]))
			}
		}
	})
}
