package sql

import (
	"errors"
	"fmt"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// Limits of what is read; beyond them is error 54001. They bound the time, the memory and the height of any tree, so
// that recursion over a tree is safe.
const (
	MaxText  = 16 << 20 // bytes of one text
	maxDepth = 500      // nesting of expressions, queries, joins and types
	// Chains such as a + b + c nest to the left without nesting in the text. freeChain links are free, all links beyond
	// that of a statement are counted against maxChain.
	freeChain = 100
	maxChain  = 20000
)

// Parse reads a text of statements separated by semicolons. The error, if any, is a *types.Error, the first one of the
// text; the statements before it are returned with it.
func Parse(text string) ([]Statement, error) {
	stmts, errs := parseAll(text, true)
	if len(errs) > 0 {
		return stmts, errs[0]
	}
	return stmts, nil
}

// ParseAll reads a text of statements and goes on behind the semicolon after an error, so that several errors can be
// shown at once; the statements are those that could be read.
func ParseAll(text string) ([]Statement, []*types.Error) { return parseAll(text, false) }

func parseAll(text string, firstOnly bool) (stmts []Statement, errs []*types.Error) {
	if err := checkSize(text); err != nil {
		return nil, []*types.Error{err}
	}
	for toks := scan(text); len(toks) > 0; {
		n := statementLength(toks)
		if n > 1 || toks[0].kind == tokBad {
			p := newParser(text, toks[:n])
			stmt := p.wholeStatement()
			switch {
			case p.err == nil:
				stmts = append(stmts, stmt)
			case firstOnly:
				return stmts, []*types.Error{p.err}
			default:
				errs = append(errs, p.err)
			}
		}
		toks = toks[n:]
	}
	return stmts, errs
}

// statementLength counts the tokens up to and with the next semicolon or the end of the text.
func statementLength(toks []token) int {
	for i := range toks {
		if toks[i].kind == tokEOF || toks[i].is(";") {
			return i + 1
		}
	}
	return len(toks)
}

// ParseExpr reads one expression; the error is a *types.Error.
func ParseExpr(text string) (Expr, error) {
	return parseOne(text, (*parser).expr)
}

// ParseQuery reads one query without a semicolon; the error is a *types.Error.
func ParseQuery(text string) (*Query, error) {
	return parseOne(text, (*parser).query)
}

// ParseType reads the name of a type, such as numeric(10, 2) or text[]; the error is a *types.Error.
func ParseType(text string) (*TypeName, error) {
	return parseOne(text, (*parser).typeName)
}

func parseOne[T any](text string, read func(*parser) T) (T, error) {
	var none T
	if err := checkSize(text); err != nil {
		return none, err
	}
	p := newParser(text, scan(text))
	x := read(p)
	p.atEnd()
	if p.err != nil {
		return none, p.err
	}
	return x, nil
}

func checkSize(text string) *types.Error {
	if len(text) > MaxText {
		return types.Errorf(types.CodeTooComplex, "the text has %d bytes, at most %d can be read at once", len(text), MaxText).
			WithHint("split it into several texts, or load data with COPY")
	}
	return nil
}

// parser reads the tokens of one statement by recursive descent.
//
// The first error is final: fail keeps it and moves to the last token, which no rule accepts, so that every loop ends and
// every rule returns; what it returns is then thrown away. Rules never return a nil Expr.
type parser struct {
	src   string
	toks  []token // the last one is tokEOF or a semicolon
	i     int
	depth int
	chain int
	err   *types.Error
}

func newParser(src string, toks []token) *parser {
	last := &toks[len(toks)-1]
	last.kind, last.text = tokEOF, ""
	return &parser{src: src, toks: toks}
}

func (p *parser) tok() *token { return &p.toks[p.i] }

// peek returns the token n places ahead; the last token if there are fewer.
func (p *parser) peek(n int) *token {
	return &p.toks[min(p.i+n, len(p.toks)-1)]
}

// start is the place where the next node begins.
func (p *parser) start() int { return p.tok().start }

// from makes the At of a node that began at start and ends with the last token read.
func (p *parser) from(start int) At {
	end := start
	if p.i > 0 && p.err == nil {
		end = max(p.toks[p.i-1].end, start)
	}
	return At{types.Span{Start: start, End: end}}
}

func tokenAt(t *token) At { return At{types.Span{Start: t.start, End: t.end}} }

// skip moves over n tokens that were looked at.
func (p *parser) skip(n int) {
	if p.err == nil {
		p.i = min(p.i+n, len(p.toks)-1)
	}
}

// back returns to the n tokens that were just read.
func (p *parser) back(n int) {
	if p.err == nil {
		p.i -= n
	}
}

func (p *parser) advance() *token {
	t := p.tok()
	p.skip(1)
	return t
}

// is reports whether the next tokens are the given keywords or symbols.
func (p *parser) is(words ...string) bool {
	for n, w := range words {
		if !p.peek(n).is(w) {
			return false
		}
	}
	return true
}

// isAny reports whether the next token is one of the words.
func (p *parser) isAny(words ...string) bool {
	for _, w := range words {
		if p.tok().is(w) {
			return true
		}
	}
	return false
}

// accept reads the given keywords or symbols if all of them are next.
func (p *parser) accept(words ...string) bool {
	if p.err != nil || !p.is(words...) {
		return false
	}
	p.skip(len(words))
	return true
}

// expect reads the given keywords or symbols, or fails.
func (p *parser) expect(words ...string) {
	for _, w := range words {
		if !p.accept(w) {
			p.unexpected(show(w))
			return
		}
	}
}

// show writes a word of the grammar for a message: keywords in capitals, symbols in quotes.
func show(w string) string {
	if w != "" && isIdentStart(w[0]) {
		return strings.ToUpper(w)
	}
	return `"` + w + `"`
}

// fail keeps the first error and ends the parse.
func (p *parser) fail(err *types.Error) {
	if p.err != nil {
		return
	}
	p.err = err
	p.i = len(p.toks) - 1
}

func (p *parser) errorAt(at At, hint, format string, args ...any) {
	p.fail(&types.Error{Code: types.CodeSyntax, Msg: fmt.Sprintf(format, args...), Hint: hint, Span: at.Place})
}

func (p *parser) notSupported(at At, format string, args ...any) {
	p.fail(types.NotSupported(at.Place, format, args...))
}

// unexpected fails at the next token: it was found where something else was expected.
func (p *parser) unexpected(expected string) {
	p.unexpectedHint(expected, "")
}

func (p *parser) unexpectedHint(expected, hint string) {
	if p.err != nil {
		return
	}
	t := p.tok()
	if t.kind == tokBad {
		p.fail(&types.Error{Code: t.flaw.code, Msg: t.text, Hint: t.flaw.hint, Span: tokenAt(t).Place})
		return
	}
	if hint == "" {
		hint = p.guess(t, expected)
	}
	at := tokenAt(t)
	if t.kind == tokEOF {
		at = p.endOfInput()
	}
	p.errorAt(at, hint, "unexpected %s, expected %s", p.describe(t), expected)
}

// endOfInput points at the last token, since there is nothing behind it.
func (p *parser) endOfInput() At {
	if len(p.toks) < 2 {
		return At{}
	}
	end := p.toks[len(p.toks)-2].end
	return At{types.Span{Start: end - 1, End: end}}
}

// describe names a token for a message.
func (p *parser) describe(t *token) string {
	text := p.src[t.start:t.end]
	if r := []rune(text); len(r) > 40 {
		text = string(r[:40]) + "..."
	}
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case t.kind == tokEOF && t.end > t.start:
		return `";"`
	case t.kind == tokEOF:
		return "end of input"
	case t.kind == tokWord && t.class() == wordReserved:
		return "keyword " + strings.ToUpper(t.text)
	case t.kind == tokString:
		return "string " + text
	case t.kind == tokNumber:
		return "number " + text
	case t.quoted:
		return "name " + text
	}
	return fmt.Sprintf("%q", text)
}

// guess looks for a common mistake around the token that cannot be read.
func (p *parser) guess(t *token, expected string) string {
	if t.kind == tokWord && t.is("window") && p.peek(1).is("(") && expected == "an expression" { // as other engines write it
		return "event-time windows are written TUMBLE(ts, INTERVAL '10 seconds'), or HOP and SESSION"
	}
	prev, before := &token{}, &token{}
	if p.i > 0 {
		prev = &p.toks[p.i-1]
	}
	if p.i > 1 {
		before = &p.toks[p.i-2]
	}
	switch {
	case t.is("=="):
		return `write "=" to compare`
	case prev.is(",") && (t.kind == tokEOF || t.is(")") || t.class() == wordReserved):
		return "remove the comma before it"
	case prev.kind == tokString && t.kind == tokWord && t.start == prev.end:
		return "a quote inside a string is written twice: 'it''s'"
	case prev.is("emit"):
		return "write EMIT CHANGES, EMIT ON WINDOW CLOSE or EMIT EVERY interval"
	case before.is("as") && prev.kind == tokWord && prev.class() == wordReserved:
		return fmt.Sprintf("%s was read as a name; is the name missing after AS?", strings.ToUpper(prev.text))
	case t.kind == tokWord && !t.quoted:
		if k := nearestKeyword(t.text); k != "" {
			return "did you mean " + strings.ToUpper(k) + "?"
		}
	}
	// A misspelt keyword is often read as an alias; then the word before is the one to blame.
	if prev.kind == tokWord && !prev.quoted && t.kind != tokEOF {
		if k := nearestKeyword(prev.text); k != "" {
			return fmt.Sprintf("did you mean %s instead of %q?", strings.ToUpper(k), prev.text)
		}
	}
	if (expected == endOfStatement || expected == `")"`) && isOperand(t) && (isOperand(prev) || prev.is(")")) {
		return "is there a comma or an operator missing before it?"
	}
	return ""
}

// isOperand reports whether t is a value or a name, rather than a keyword or an operator.
func isOperand(t *token) bool {
	return t.kind == tokString || t.kind == tokNumber || t.kind == tokWord && t.class() == wordPlain
}

// enter guards every recursion; leave must follow in any case.
func (p *parser) enter() {
	p.depth++
	if p.depth > maxDepth {
		p.tooComplex("nested more than %d levels deep", maxDepth)
	}
}

func (p *parser) leave() { p.depth-- }

// link counts one link of a chain that nests to the left.
func (p *parser) link(n int) {
	if n <= freeChain {
		return
	}
	p.chain++
	if p.chain > maxChain {
		p.tooComplex("chained over more than %d operators", maxChain)
	}
}

func (p *parser) tooComplex(format string, args ...any) {
	p.fail(&types.Error{Code: types.CodeTooComplex, Msg: "the statement is too complex: " + fmt.Sprintf(format, args...),
		Hint: "split it into views, or use VALUES or IN lists instead of long chains", Span: tokenAt(p.tok()).Place})
}

const endOfStatement = "end of statement"

// atEnd fails if anything is left.
func (p *parser) atEnd() {
	if p.err == nil && p.tok().kind != tokEOF {
		p.unexpected(endOfStatement)
	}
}

func (p *parser) wholeStatement() Statement {
	stmt := p.statement()
	p.atEnd()
	return stmt
}

// list reads items separated by commas.
func list[T any](p *parser, item func() T) []T {
	items := []T{item()}
	for p.accept(",") {
		items = append(items, item())
	}
	return items
}

// parenList reads items separated by commas in parentheses.
func parenList[T any](p *parser, item func() T) []T {
	p.expect("(")
	items := list(p, item)
	p.expect(")")
	return items
}

// AsError returns err as the *types.Error that it is or wraps; any other error becomes one without a place.
func AsError(err error) *types.Error {
	var e *types.Error
	if errors.As(err, &e) {
		return e
	}
	return types.Errorf(types.CodeInternal, "%s", err)
}
