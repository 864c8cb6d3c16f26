package streamsql

import (
	"strings"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/sql/mysql"
	"github.com/streamsql/streamsql/types"
)

// Parse reads text in the session's dialect. What stands behind a SET dialect is read in that one. With the error, if any, come the
// statements before it as far as they are known.
func (s *Session) Parse(text string) ([]sql.Statement, error) {
	dialect := s.setting("dialect")
	if dialect != "mysql" {
		stmts, err := sql.Parse(text) // the usual case is read once
		if at, _ := switched(stmts, dialect); at < 0 {
			return stmts, err
		}
	}
	stmts, errs := ParseAll(text, dialect)
	if len(errs) > 0 {
		return stmts, errs[0]
	}
	return stmts, nil
}

// ParseAll reads text in a dialect ("native" or "mysql"), going on behind errors at the next statement, so that all are found. What stands
// behind a SET dialect is read in that one.
func ParseAll(text, dialect string) ([]sql.Statement, []*types.Error) {
	var all []sql.Statement
	var errs []*types.Error
	for rest := text; ; {
		stmts, bad, end, next := parseUntilSwitch(rest, dialect)
		all, errs = append(all, stmts...), append(errs, bad...)
		if end < 0 {
			return all, errs
		}
		// Spaces keep the places in the text what they are.
		rest, dialect = strings.Repeat(" ", end)+rest[end:], next
	}
}

// parseUntilSwitch reads text up to a statement that sets another dialect, and returns where that ends; -1 if there is none.
func parseUntilSwitch(text, dialect string) (stmts []sql.Statement, errs []*types.Error, end int, next string) {
	if dialect != "mysql" {
		stmts, errs = sql.ParseAll(text)
		at, next := switched(stmts, dialect)
		if at < 0 {
			return stmts, errs, -1, ""
		}
		end := stmts[at].Span().End
		kept := errs[:0]
		for _, e := range errs { // what follows is no native text
			if e.Span.Start < end {
				kept = append(kept, e)
			}
		}
		return stmts[:at+1], kept, behindSemicolon(text, end), next
	}
	// Only a whole text of the dialect can be read. Where it sets another, that is found by its beginnings.
	if i := strings.Index(strings.ToLower(text), "dialect"); i >= 0 {
		const mostTries = 20 // semicolons in strings and comments end nothing; a text with errors must not be read for each
		for at, tries := i, 0; at < len(text) && tries < mostTries; at++ {
			if text[at] != ';' && at != len(text)-1 {
				continue
			}
			stmts, err := mysql.Parse(text[:at+1])
			if err != nil {
				tries++
				continue
			}
			if n, next := switched(stmts, dialect); n >= 0 {
				return stmts, nil, at + 1, next
			}
			more := strings.Index(strings.ToLower(text[at+1:]), "dialect")
			if more < 0 {
				break
			}
			at += more
		}
	}
	stmts, err := mysql.Parse(text)
	if err != nil {
		return nil, []*types.Error{types.AsError(err)}, -1, ""
	}
	return stmts, nil, -1, ""
}

// switched returns the first statement that sets another dialect than the one it is read in, and that dialect; -1 if there is none. A
// dialect that does not exist is the statement's own error.
func switched(stmts []sql.Statement, dialect string) (at int, to string) {
	for i, stmt := range stmts {
		to := ""
		switch x := stmt.(type) {
		case *sql.Set:
			if x.System || !strings.EqualFold(x.Name, "dialect") {
				continue
			}
			if len(x.Values) == 0 {
				to = "native"
			} else if lit, ok := x.Values[0].(*sql.StringLit); ok {
				to = strings.ToLower(lit.Value)
			}
		case *sql.Reset:
			if strings.EqualFold(x.Name, "dialect") || strings.EqualFold(x.Name, "all") {
				to = "native"
			}
		}
		if (to == "native" || to == "mysql") && (to == "mysql") != (dialect == "mysql") {
			return i, to
		}
	}
	return -1, ""
}

// behindSemicolon returns the place behind the semicolon that ends the statement that ends at end.
func behindSemicolon(text string, end int) int {
	if i := strings.IndexByte(text[end:], ';'); i >= 0 && strings.TrimSpace(text[end:end+i]) == "" {
		return end + i + 1
	}
	return end
}
