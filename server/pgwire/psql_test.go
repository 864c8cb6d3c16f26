package pgwire

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// psql runs psql with a script on standard input and returns what it prints, errors included.
func (s *started) psql(t *testing.T, password, script string) string {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("psql is not installed: .ci/setup installs it")
	}
	host, port, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	cmd := exec.Command(path, "-X", "-h", host, "-p", port, "-U", "ann", "-d", "db", "-v", "VERBOSITY=default")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "PGCONNECT_TIMEOUT=20", "LC_ALL=C.UTF-8")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); !failed {
		require.NoError(t, err)
	}
	var lines []string
	for _, line := range strings.Split(string(out), "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// TestPsql runs sessions as people type them. The expected texts are psql 15's; those of \d are PostgreSQL's but for the owner and what a
// foreign table's options are.
func TestPsql(t *testing.T) {
	s := start(t, Options{})
	s.exec(t, `CREATE TABLE people (id INT PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x', score NUMERIC(10,2), up TEXT GENERATED ALWAYS AS (upper(name)) STORED,
			CHECK (score > 0));
		CREATE VIEW names AS SELECT id, name FROM people;
		CREATE MATERIALIZED VIEW counts AS SELECT name, count(*) AS n FROM people GROUP BY name;
		CREATE SOURCE numbers (a INT, b TIMESTAMP) WITH (connector = 'datagen', events = '5')`)
	for _, x := range []struct{ script, want string }{
		{`INSERT INTO people (id, name, score) VALUES (1, 'ä', 1.5), (2, DEFAULT, NULL) RETURNING id, up;
SELECT * FROM counts ORDER BY n, name;`, ` id | up
----+----
  1 | Ä
  2 | X
(2 rows)

INSERT 0 2
 name | n
------+---
 x    | 1
 ä    | 1
(2 rows)`},
		{"SELECT 'ä', nme FROM names;", `ERROR:  column "nme" does not exist
LINE 1: SELECT 'ä', nme FROM names;
                    ^
HINT:  did you mean "name"?`},
		{`\copy people (id, name) from stdin
7	seven
8	\N
\.
\copy people (id, name) from stdin csv
9,"ni,ne"
\.
\copy (select id, name from people where id > 6 order by id) to stdout csv header
\set FETCH_COUNT 2
SELECT id FROM people ORDER BY id;`, `ERROR:  null value in column "name" of relation "people" violates not-null constraint
DETAIL:  Failing row contains (8, null, null, null).
COPY 1
id,name
9,"ni,ne"
 id
----
  1
  2
  9
(3 rows)`},
		{`\d`, `List of relations
 Schema |  Name   |       Type        |   Owner
--------+---------+-------------------+-----------
 public | counts  | materialized view | streamsql
 public | names   | view              | streamsql
 public | numbers | foreign table     | streamsql
 public | people  | table             | streamsql
(4 rows)`},
		{`\d people`, `Table "public.people"
 Column |     Type      | Collation | Nullable |                 Default
--------+---------------+-----------+----------+------------------------------------------
 id     | integer       |           | not null |
 name   | text          |           | not null | 'x'
 score  | numeric(10,2) |           |          |
 up     | text          |           |          | generated always as (upper(name)) stored
Indexes:
    "people_pkey" PRIMARY KEY, btree (id)
Check constraints:
    "people_score_check" CHECK (score > 0)`},
		{`\d counts`, `Materialized view "public.counts"
 Column |  Type  | Collation | Nullable | Default
--------+--------+-----------+----------+---------
 name   | text   |           |          |
 n      | bigint |           |          |`},
		{`\d numbers`, `Foreign table "public.numbers"
 Column |            Type             | Collation | Nullable | Default | FDW options
--------+-----------------------------+-----------+----------+---------+-------------
 a      | integer                     |           |          |         |
 b      | timestamp without time zone |           |          |         |
Server: streamsql
FDW options: (connector 'datagen', events '5')`},
		{`\sv names`, `CREATE OR REPLACE VIEW public.names AS
 SELECT id, name FROM people`},
		{`\di`, `List of relations
 Schema |    Name     | Type  |   Owner   | Table
--------+-------------+-------+-----------+--------
 public | people_pkey | index | streamsql | people
(1 row)`},
		{`\l`, `List of databases
 Name |   Owner   | Encoding | Collate |  Ctype  | ICU Locale | Locale Provider | Access privileges
------+-----------+----------+---------+---------+------------+-----------------+-------------------
 db   | streamsql | UTF8     | C       | C.UTF-8 |            | libc            |
(1 row)`},
		{`\df nothing`, `List of functions
 Schema | Name | Result data type | Argument data types | Type
--------+------+------------------+---------------------+------
(0 rows)`},
		{`\df pg_catalog.lower`, `List of functions
   Schema   | Name  | Result data type | Argument data types | Type
------------+-------+------------------+---------------------+------
 pg_catalog | lower | text             | text                | func
(1 row)`},
		{`\d nowhere`, `Did not find any relation named "nowhere".`},
		{"BEGIN;\nSELECT 1/0;\nSELECT 1;\nROLLBACK;", `BEGIN
ERROR:  division by zero
LINE 1: SELECT 1/0;
               ^
ERROR:  current transaction is aborted, commands ignored until end of transaction block
ROLLBACK`},
	} {
		assert.Equal(t, strings.TrimSpace(x.want), s.psql(t, "", x.script), x.script)
	}
	// All other commands that list or describe something end without an error.
	commands := []string{`\d+`, `\d+ people`, `\d+ names`, `\d+ counts`, `\d people_pkey`, `\dt`, `\dt+`, `\dv`, `\dv+`, `\dm`, `\dm+`, `\dE`, `\ds`, `\dn`,
		`\dn+`, `\da`, `\du`, `\dT`, `\dx`, `\dp`, `\dc`, `\dO`, `\db`, `\dC`, `\dD`, `\ddp`, `\des`, `\dew`, `\det`, `\deu`, `\dy`, `\dRp`, `\dRs`,
		`\conninfo`, `\encoding`, `\l+`, `\dP`, `\do`, `\dAc`, `\dX`, `\dg`, `\dS`, `\dfS lower`}
	out := s.psql(t, "", strings.Join(commands, "\n"))
	if at := strings.Index(out, "ERROR"); at >= 0 {
		t.Error(out[max(0, at-200):min(len(out), at+500)])
	}
}

// TestPsqlPassword: libpq normalises passwords (SASLprep), so that one can be written in several ways.
func TestPsqlPassword(t *testing.T) {
	s := start(t, Options{Users: users(t, "ann:o\u0308 \ufb01")})
	for _, password := range []string{"o\u0308 \ufb01", "\u00f6\u00a0fi"} {
		require.Equal(t, "?column?\n----------\n        1\n(1 row)", s.psql(t, password, "SELECT 1;"))
	}
	require.Contains(t, s.psql(t, "wrong", "SELECT 1;"), `FATAL:  password authentication failed for user "ann"`)
}
