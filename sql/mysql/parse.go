package mysql

import (
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// maxText is the longest text that is read, in bytes.
const maxText = 1 << 20

// Parse reads a text of statements in MySQL's dialect, separated by semicolons, into the tree that sql.Parse would give for
// what they mean. Spans are offsets into text; those inside of queries are found again by the tokens, and cover at least
// the leaves of a node. The error, if any, is a *types.Error; then there are no statements.
func Parse(text string) ([]sql.Statement, error) {
	if len(text) > maxText {
		return nil, types.Errorf(types.CodeTooComplex, "the text has %d bytes, at most %d are read in the MySQL dialect", len(text), maxText)
	}
	toks, err := scan(text)
	if err != nil {
		return nil, err
	}
	native, regions, err := cut(text, toks)
	if err != nil {
		return nil, err
	}
	params := 0 // question marks are counted by statement
	for i, r := range regions {
		if i > 0 && regions[i-1].stmt != r.stmt {
			params = 0
		}
		if r.query, err = readQuery(r, &params); err != nil {
			return nil, err
		}
	}
	stmts, perr := sql.Parse(native)
	if perr != nil {
		return nil, perr
	}
	if err := fill(stmts, regions); err != nil {
		return nil, err
	}
	return stmts, nil
}

// fill puts the queries that were read in the place of their placeholders.
func fill(stmts []sql.Statement, regions []*region) *types.Error {
	byStart := make(map[int]*region, len(regions))
	for _, r := range regions {
		byStart[r.start] = r
	}
	var misplaced *types.Error
	for _, s := range stmts {
		sql.Inspect(s, func(n sql.Node) bool {
			q, ok := n.(*sql.Query)
			if !ok {
				return true
			}
			body, ok := q.Body.(*sql.Select)
			if !ok {
				return true
			}
			r := byStart[body.Place.Start]
			if r == nil {
				return true
			}
			delete(byStart, r.start)
			if q.OrderBy != nil || q.Limit != nil || q.Offset != nil {
				misplaced = syntaxError(q.Place, "write it before EMIT and AS OF EPOCH", "ORDER BY, LIMIT or OFFSET stands behind a streaming clause")
			}
			q.Body, q.OrderBy, q.Limit, q.Offset = r.query.Body, r.query.OrderBy, r.query.Limit, r.query.Offset
			q.Place = q.Place.Cover(types.Span{Start: r.start, End: r.end})
			return q.With != nil
		})
	}
	if misplaced != nil {
		return misplaced
	}
	for _, r := range byStart {
		return syntaxError(types.Span{Start: r.start, End: r.end}, nativeHint, "a query in this place is not read in the MySQL dialect")
	}
	return nil
}
