package mysql

import (
	"strings"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// region is a query inside a text: what sqlparser reads.
type region struct {
	start, end int // byte offsets
	toks       []token
	query      *sql.Query // what became of it
	stmt       int        // the number of its statement
}

// placeholder stands for a region in the text that the native parser reads; blanks fill it up, so that offsets stay.
const placeholder = "SELECT 1"

// cut finds the queries of a text and returns them with the text for the native parser, which has a placeholder in the place
// of each and is exactly as long.
func cut(text string, toks []token) (native string, regions []*region, err *types.Error) {
	out := []byte(strings.Repeat(" ", len(text)))
	for i := range text { // keep the lines, for messages
		if text[i] == '\n' || text[i] == '\r' {
			out[i] = text[i]
		}
	}
	for stmt := 0; len(toks) > 0; stmt++ {
		n := 0
		for n < len(toks) && !toks[n].is(";") {
			n++
		}
		found := queries(toks[:n])
		for _, r := range found {
			r.stmt = stmt
		}
		regions = append(regions, found...)
		if err := copyNative(out, text, toks[:n], found); err != nil {
			return "", nil, err
		}
		if n < len(toks) {
			out[toks[n].start] = ';'
			n++
		}
		toks = toks[n:]
	}
	for _, r := range regions {
		if r.end-r.start < len(placeholder) {
			return "", nil, syntaxError(types.Span{Start: r.start, End: r.end}, "", "the query is incomplete")
		}
		copy(out[r.start:r.end], placeholder)
	}
	return string(out), regions, nil
}

// queries finds the queries of one statement: the bodies of WITH, and the first SELECT that is not in parentheses.
func queries(toks []token) []*region {
	var found []*region
	depth := 0
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		switch {
		case t.is("(") && depth == 0 && opensQuery(toks[i:]):
			n := closing(toks[i:])
			if i > 0 && (toks[i-1].is("as") || toks[i-1].is("materialized")) && followedByMore(toks[i+n:]) {
				found = append(found, newRegion(toks[i+1:i+n]))
				i += n
				continue
			}
			end := i + queryLength(toks[i:], toks[0])
			return append(found, newRegion(toks[i:end]))
		case t.is("select") && depth == 0:
			return append(found, newRegion(toks[i:i+queryLength(toks[i:], toks[0])]))
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
	}
	return found
}

// opensQuery reports whether parentheses lead to SELECT.
func opensQuery(toks []token) bool {
	for _, t := range toks {
		if !t.is("(") {
			return t.is("select")
		}
	}
	return false
}

// closing returns the index of the parenthesis that closes the first one, or the number of tokens.
func closing(toks []token) int {
	depth := 0
	for i, t := range toks {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
			if depth == 0 {
				return i
			}
		}
	}
	return len(toks)
}

// followedByMore reports whether after the parenthesis of a WITH body another body or the main statement comes.
func followedByMore(toks []token) bool {
	return len(toks) > 1 && (toks[1].is(",") || toks[1].is("select") || toks[1].is("(") || toks[1].is("insert") ||
		toks[1].is("update") || toks[1].is("delete"))
}

// queryLength counts the tokens of a query up to a native clause.
func queryLength(toks []token, first token) int {
	depth := 0
	at := func(i int) token {
		if i < len(toks) {
			return toks[i]
		}
		return token{kind: op}
	}
	for i, t := range toks {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth != 0:
		case t.is("emit") && (at(i+1).is("changes") || at(i+1).is("every") || at(i+1).is("on") && at(i+2).is("window")),
			t.is("as") && at(i+1).is("of") && at(i+2).is("epoch"),
			t.is("with") && !at(i+1).is("rollup"),
			t.is("format") && first.is("create") && at(i+1).kind == word,
			t.is("to") && first.is("copy"),
			t.is("on") && at(i+1).is("conflict"),
			t.is("returning"):
			return i
		}
	}
	return len(toks)
}

// newRegion makes the region of toks; parentheses around the whole are left out.
func newRegion(toks []token) *region {
	for len(toks) > 2 && toks[0].is("(") && closing(toks) == len(toks)-1 {
		toks = toks[1 : len(toks)-1]
	}
	r := &region{toks: toks}
	if len(toks) > 0 {
		r.start, r.end = toks[0].start, toks[len(toks)-1].end
	}
	return r
}

// differs lists what means something else to MySQL than to the native parser, and so cannot stand outside of a query.
var differs = map[string]bool{"||": true, "&&": true, "/": true, "%": true, "&": true, "|": true, "^": true, "~": true, "<<": true,
	">>": true, "!": true, "->": true, "->>": true, "<=>": true, ":=": true, "?": true, "div": true, "mod": true, "xor": true,
	"regexp": true, "rlike": true}

// copyNative copies the tokens outside of the queries to out, in their places. Strings in double quotes get single ones;
// what would change its meaning is refused.
func copyNative(out []byte, text string, toks []token, found []*region) *types.Error {
	inside := func(t token) bool {
		for _, r := range found {
			if t.start >= r.start && t.end <= r.end {
				return true
			}
		}
		return false
	}
	for i, t := range toks {
		if inside(t) {
			continue
		}
		raw := text[t.start:t.end]
		switch {
		case t.kind == str:
			if strings.ContainsAny(raw, `\`) || raw[0] == '"' && strings.ContainsAny(raw[1:len(raw)-1], `'"`) {
				return syntaxError(t.span(), nativeHint, "a string with a backslash or quotes in it is not read outside of a query")
			}
			raw = "'" + raw[1:len(raw)-1] + "'"
			if strings.Count(raw, "'")%2 != 0 {
				return syntaxError(t.span(), nativeHint, "a string with quotes in it is not read outside of a query")
			}
		case t.is("select"):
			return types.NotSupported(t.span(), "a subquery in this place in the MySQL dialect").WithHint(nativeHint)
		case (t.kind == op || t.kind == word) && differs[t.text],
			t.is("-") && i+1 < len(toks) && toks[i+1].is("-") && toks[i+1].start == t.end:
			return types.NotSupported(t.span(), "%s outside of a query in the MySQL dialect, where it means something else", strings.ToUpper(t.text)).
				WithHint(nativeHint)
		case t.kind == word && i+1 < len(toks) && toks[i+1].is("(") && differentFunction(t.text):
			return types.NotSupported(t.span(), "the function %s outside of a query in the MySQL dialect, where it means something else", t.text).
				WithHint(nativeHint)
		}
		copy(out[t.start:t.end], raw)
	}
	return nil
}
