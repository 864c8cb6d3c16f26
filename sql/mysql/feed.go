package mysql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/xwb1989/sqlparser"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Limits of one query before sqlparser sees it: its parser has none for CASE, NOT and signs, and its memory grows with them.
const (
	maxQueryTokens = 50_000
	maxNesting     = 60 // parentheses and CASE
	maxPrefixes    = 60 // NOT, ! and signs in a row
)

// readQuery reads one query with sqlparser, checks that nothing was misread, and turns it into our tree. params counts
// the question marks so far.
func readQuery(r *region, params *int) (*sql.Query, *types.Error) {
	toks, err := prepare(r.toks)
	if err != nil {
		return nil, err
	}
	if err := checkLimits(toks); err != nil {
		return nil, err
	}
	text, ends := feed(toks)
	tree, perr := guardedParse(text)
	if perr != nil {
		return nil, parseError(perr, toks, ends)
	}
	sel, ok := tree.(sqlparser.SelectStatement)
	if !ok {
		return nil, syntaxError(toks[0].span(), nativeHint, "expected a query")
	}
	if err := sameTokens(toks, sel); err != nil {
		return nil, err
	}
	c := &converter{toks: toks, whole: types.Span{Start: r.start, End: r.end}, params: params}
	q := c.statement(sel)
	if c.err != nil {
		return nil, c.err
	}
	return q, nil
}

// Marks of the literals DATE '...', TIME '...' and TIMESTAMP '...', which sqlparser takes for columns with an alias: they are
// handed over as calls of these functions.
const literalMark = "streamsql_literal_"

// prepare brings the tokens into a form that sqlparser reads right: neighbouring strings are one string, typed literals
// are calls.
func prepare(in []token) ([]token, *types.Error) {
	var out []token
	for i := 0; i < len(in); i++ {
		t := in[i]
		switch {
		case t.is("||"):
			return nil, syntaxError(t.span(), "write OR, or concat(a, b)", `"||" is OR to MySQL and joins strings elsewhere`)
		case t.is("@") || t.is(":=") || t.is(":"):
			return nil, types.NotSupported(t.span(), "user variables")
		case t.kind == word && strings.HasPrefix(t.text, literalMark):
			return nil, syntaxError(t.span(), "", "the name %s is reserved", t.text)
		case t.kind == str && len(out) > 0 && out[len(out)-1].kind == str:
			last := &out[len(out)-1]
			last.text, last.end = last.text+t.text, t.end
			continue
		case (t.is("date") || t.is("time") || t.is("timestamp")) && i+1 < len(in) && in[i+1].kind == str &&
			(i == 0 || !in[i-1].is(".") && !in[i-1].is("as")):
			v := in[i+1]
			for i+2 < len(in) && in[i+2].kind == str {
				i++
				v.text, v.end = v.text+in[i+1].text, in[i+1].end
			}
			t.text = literalMark + t.text
			out = append(out, t, token{op, t.end, t.end, "("}, v, token{op, v.end, v.end, ")"})
			i++
			continue
		}
		out = append(out, t)
	}
	return out, nil
}

func checkLimits(toks []token) *types.Error {
	tooComplex := func(t token, what string, most int) *types.Error {
		return failure(types.CodeTooComplex, t.span(), "split the query into views", "the query is too complex for the MySQL dialect: more than %d %s", most, what)
	}
	if len(toks) > maxQueryTokens {
		return tooComplex(toks[maxQueryTokens], "tokens", maxQueryTokens)
	}
	depth, prefixes := 0, 0
	for _, t := range toks {
		switch {
		case t.is("("), t.is("case"):
			depth++
			prefixes = 0
		case t.is(")"), t.is("end"):
			depth--
			prefixes = 0
		case t.is("not"), t.is("!"), t.is("-"), t.is("+"), t.is("~"), t.is("binary"), t.is("interval"):
			prefixes++
		default:
			prefixes = 0
		}
		if depth > maxNesting {
			return tooComplex(t, "levels of parentheses and CASE", maxNesting)
		}
		if prefixes > maxPrefixes {
			return tooComplex(t, "operators in a row", maxPrefixes)
		}
	}
	return nil
}

// feed writes the tokens as the text for sqlparser, and returns where each ends in it.
func feed(toks []token) (text string, ends []int) {
	var b strings.Builder
	for _, t := range toks {
		b.WriteByte(' ')
		switch t.kind {
		case str:
			b.WriteString("'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(t.text) + "'")
		case quoted:
			b.WriteString("`" + strings.ReplaceAll(t.text, "`", "``") + "`")
		case word:
			if isASCII(t.text) {
				b.WriteString(t.text)
			} else {
				b.WriteString("`" + t.text + "`")
			}
		default:
			b.WriteString(t.text)
		}
		ends = append(ends, b.Len())
	}
	return b.String(), ends
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// guardedParse calls sqlparser; a panic inside becomes an error.
func guardedParse(text string) (tree sqlparser.Statement, err error) {
	defer func() {
		if p := recover(); p != nil {
			tree, err = nil, fmt.Errorf("sqlparser: %v", p)
		}
	}()
	return sqlparser.ParseStrictDDL(text)
}

// guardedPrint prints a tree of sqlparser; a panic inside becomes an error.
func guardedPrint(n sqlparser.SQLNode) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sqlparser: %v", p)
		}
	}()
	return sqlparser.String(n), nil
}

var errorPosition = regexp.MustCompile(`at position (\d+)`)

// parseError turns an error of sqlparser into one that points at the token where it stopped.
func parseError(err error, toks []token, ends []int) *types.Error {
	at := toks[len(toks)-1]
	if m := errorPosition.FindStringSubmatch(err.Error()); m != nil {
		pos, _ := strconv.Atoi(m[1])
		for i, end := range ends {
			if end >= pos-2 {
				at = toks[i]
				break
			}
		}
	}
	return syntaxError(at.span(), "it knows the SELECT of MySQL 5.7; "+nativeHint, "the MySQL dialect cannot read the query at %q", at.text)
}
