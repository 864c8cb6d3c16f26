// Package mysql is the second front end of streamsql: it reads the dialect of MySQL into the tree of package sql.
//
// Queries (SELECT with its unions, also inside INSERT, CREATE VIEW, CREATE SINK, EXPLAIN and so on, and the bodies of
// WITH) are read by github.com/xwb1989/sqlparser; everything around them by the native parser. The clauses EMIT, AS OF
// EPOCH, WITH (...) and FORMAT behind a query are native too. No other package imports sqlparser.
//
// sqlparser reads MySQL as of 2018, has no positions, and misreads in silence what is not MySQL's. Therefore:
//
//   - the text is cut into tokens here, by MySQL's rules, and only tokens are handed over: comments, escapes and
//     unknown characters never reach it;
//   - size, nesting and chains are limited first, and a panic becomes an error;
//   - the tree that comes back is printed, and its tokens must be those that were handed over, up to the list of
//     canonical forms in canonical.go; anything else is an error that names the place.
//
// Where MySQL means something else than PostgreSQL, the meaning is translated, or the text is refused:
//
//	"a"                          a string
//	a <=> b                      a IS NOT DISTINCT FROM b
//	a DIV b, a % b, a MOD b      div(a, nullif(b, 0)), a % nullif(b, 0): NULL when divided by zero
//	!a, a && b                   NOT a, a AND b
//	ORDER BY a                   ORDER BY a NULLS FIRST; DESC gives NULLS LAST
//	LIMIT a, b                   LIMIT b OFFSET a
//	INTERVAL 5 DAY               INTERVAL '5' DAY
//	CAST(a AS SIGNED)            CAST(a AS bigint), and so on
//	IF, IFNULL, CONCAT, LENGTH, STDDEV, GROUP_CONCAT, ...   see functions.go
//	? ? ?                        $1 $2 $3
//
// Refused are a / b (its scale depends on the operands' types), || (it is OR), the operators on bits, REGEXP, JSON paths, hexadecimal
// literals, user variables, index hints, locks, and HAVING as a second WHERE. Types, collations, the digits of averages
// and the precision of now() are PostgreSQL's in both dialects.
package mysql
