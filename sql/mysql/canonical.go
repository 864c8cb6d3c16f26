package mysql

import (
	"strconv"
	"strings"

	"github.com/xwb1989/sqlparser"

	"github.com/streamsql/streamsql/types"
)

// sameTokens checks that the tree, printed, has the tokens that were handed over, in the same order, up to the canonical
// forms of sqlparser:
//
//	a b, a AS b                     a as b             AS is left out on both sides
//	a ASC                           a asc              ASC is left out on both sides
//	SELECT 1                        select 1 from dual
//	<>  &&  MOD                     !=  and  %
//	INNER JOIN, CROSS JOIN, OUTER   join
//	LIMIT a OFFSET b                limit b, a
//	CAST(a AS t)                    convert(a, t)
//	SIGNED INTEGER                  signed
//	SUBSTRING(a FROM b FOR c)       substr(a, b, c)
//	CURRENT_TIMESTAMP               current_timestamp()
//	?                               :v1
//
// Names in backticks equal names without. All else is a misread: an error at the first token that differs.
func sameTokens(read []token, tree sqlparser.SQLNode) *types.Error {
	text, err := guardedPrint(tree)
	if err != nil {
		return syntaxError(read[0].span(), nativeHint, "the MySQL dialect cannot read the query: %s", err)
	}
	printed, serr := scanPrinted(text)
	if serr != nil {
		return syntaxError(read[0].span(), nativeHint, "the MySQL dialect cannot read the query reliably: %s", serr.Msg)
	}
	a, b := canonical(read), canonical(printed)
	for i := range max(len(a), len(b)) {
		if i < len(a) && i < len(b) && sameToken(a[i], b[i]) {
			continue
		}
		at := read[len(read)-1]
		if i < len(a) {
			at = a[i]
		}
		return syntaxError(at.span(), nativeHint, "the MySQL dialect cannot read the query reliably at %q", at.text)
	}
	return nil
}

// scanPrinted scans what sqlparser printed: its bind variables :v1 are one token.
func scanPrinted(text string) ([]token, *types.Error) {
	out := []byte(text)
	inString := byte(0)
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case inString != 0:
			if c == '\\' && inString == '\'' {
				i++
			} else if c == inString {
				inString = 0
			}
		case c == '\'' || c == '`':
			inString = c
		case c == ':':
			out[i] = '?'
		}
	}
	toks, err := scan(string(out))
	if err != nil {
		return nil, err
	}
	var merged []token
	for _, t := range toks {
		if n := len(merged); n > 0 && merged[n-1].is("?") && t.kind == word && merged[n-1].end == t.start {
			merged[n-1].text += t.text
			continue
		}
		merged = append(merged, t)
	}
	return merged, nil
}

func sameToken(a, b token) bool {
	name := func(t token) bool { return t.kind == word || t.kind == quoted }
	return a.text == b.text && (a.kind == b.kind || name(a) && name(b))
}

// canonical rewrites tokens into the forms that sqlparser prints.
func canonical(toks []token) []token {
	var out []token
	var casts, substrs []int // the depths of open CAST( and SUBSTR(
	depth, params := 0, 0
	put := func(t token, text string) {
		t.text = text
		out = append(out, t)
	}
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		next := token{kind: op}
		if i+1 < len(toks) {
			next = toks[i+1]
		}
		switch {
		case t.is("("):
			depth++
			put(t, t.text)
		case t.is(")"):
			if n := len(casts); n > 0 && casts[n-1] == depth {
				casts = casts[:n-1]
			}
			if n := len(substrs); n > 0 && substrs[n-1] == depth {
				substrs = substrs[:n-1]
			}
			depth--
			put(t, t.text)
		case (t.is("cast") || t.is("convert")) && next.is("("):
			casts = append(casts, depth+1)
			put(t, "convert")
		case (t.is("substring") || t.is("substr")) && next.is("("):
			substrs = append(substrs, depth+1)
			put(t, "substr")
		case t.is("as") && len(casts) > 0 && casts[len(casts)-1] == depth:
			out = append(out, token{op, t.start, t.end, ","})
		case (t.is("from") || t.is("for")) && len(substrs) > 0 && substrs[len(substrs)-1] == depth:
			out = append(out, token{op, t.start, t.end, ","})
		case t.is("as"), t.is("asc"):
		case (t.is("inner") || t.is("cross")) && next.is("join"), t.is("outer") && next.is("join"):
		case t.is("from") && next.text == "dual":
			i++
		case t.is("<>"):
			put(t, "!=")
		case t.is("&&"):
			out = append(out, token{word, t.start, t.end, "and"})
		case t.is("mod") && (!next.is("(") || i > 0 && endsOperand(toks[i-1])):
			out = append(out, token{op, t.start, t.end, "%"})
		case (t.is("signed") || t.is("unsigned")) && next.is("integer"):
			put(t, t.text)
			i++
		case t.is("?"):
			params++
			put(t, "?v"+strconv.Itoa(params))
		case keywordFuncs[t.text] && t.kind == word && next.is("(") && i+2 < len(toks) && toks[i+2].is(")"):
			put(t, t.text)
			i += 2
		case t.is("limit") && i+3 < len(toks) && toks[i+2].is("offset"):
			offset := toks[i+3]
			if offset.is("?") { // it would get its number in another order
				put(t, t.text)
				continue
			}
			out = append(out, t, offset, token{op, t.start, t.end, ","}, toks[i+1])
			i += 3
		default:
			put(t, t.text)
		}
	}
	return out
}

// endsOperand reports whether an infix operator may follow t. Of the words only the common keywords are known: a mistake leads
// to an error, not to a misread.
func endsOperand(t token) bool {
	if t.kind == word {
		return !strings.Contains(" select distinct and or not when then else case on where having by between like in is escape interval div mod ",
			" "+t.text+" ")
	}
	return t.kind != op || t.text == ")" || t.text == "?"
}

// keywordFuncs are the functions that stand without parentheses.
var keywordFuncs = map[string]bool{"current_timestamp": true, "current_date": true, "current_time": true, "localtime": true,
	"localtimestamp": true, "utc_timestamp": true, "utc_date": true, "utc_time": true}
