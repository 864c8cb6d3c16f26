package planner

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

func exec(t *testing.T, s *session, text string) string {
	t.Helper()
	stmts, err := sql.Parse(text)
	require.NoError(t, err)
	out := ""
	for _, stmt := range stmts {
		o, err := s.run(stmt, ExplainOptions{IDs: true, Types: true, Properties: true}, false)
		require.NoError(t, err)
		out += o
	}
	return out
}

const catalogScript = `
	CREATE SOURCE bids (auction BIGINT, price NUMERIC(10, 2), t TEXT, ts TIMESTAMP AS CAST(t AS TIMESTAMP), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
	WITH (connector = 'file', path = 'x.json', format = 'json', watch = true);
	CREATE VIEW web AS SELECT auction, CASE WHEN price > 1.5 THEN 'a' END AS c, ts FROM bids WHERE auction IN (1, 2, NULL) OR price IS NULL;
	CREATE MATERIALIZED VIEW mv AS SELECT window_end, c, count(*) AS n FROM TUMBLE(web, ts, INTERVAL '1' MINUTE) GROUP BY window_end, c;
	CREATE MATERIALIZED VIEW one AS SELECT max(n) AS n FROM mv;
	CREATE SINK s FROM mv WITH (connector = 'console');
	CREATE TABLE out (a BIGINT) WITH (connector = 'console');
	INSERT INTO out SELECT auction FROM web UNION ALL SELECT n FROM mv`

// A catalog that was stored and read again plans the same queries to the same operators, with the same ids.
func TestCatalogStored(t *testing.T) {
	s := newSession()
	exec(t, s, catalogScript)
	data, err := s.p.Catalog.Encode()
	require.NoError(t, err)
	back, err := DecodeCatalog(data)
	require.NoError(t, err)
	require.Equal(t, s.p.Catalog.Names(), back.Names())
	require.Equal(t, s.p.Catalog.NextID(), back.NextID())
	for _, o := range s.p.Catalog.Objects() {
		b := back.Object(o.ID)
		require.Equal(t, o.Describe(), b.Describe())
		require.Equal(t, o.Text, b.Text)
		require.Equal(t, o.Deps, b.Deps)
		if o.Kind == KindMaterializedView {
			opts := ExplainOptions{IDs: true, Types: true, Properties: true}
			require.Equal(t, Explain(o.View.Physical.Root, opts), Explain(b.View.Physical.Root, opts))
			require.NoError(t, Validate(b.View.Physical.Root))
		}
	}
	for _, q := range []string{
		"SELECT c, count(*) FROM web GROUP BY c", "SELECT n, count(*) FROM mv GROUP BY n EMIT CHANGES",
		"SELECT window_start, max(price) FROM TUMBLE(bids, ts, INTERVAL '5' SECOND) GROUP BY window_start",
		"SELECT * FROM one", "SELECT reason FROM streamsql.rejected",
	} {
		require.Equal(t, exec(t, s, q), exec(t, &session{p: Planner{Catalog: back, Connectors: testConnectors{}}}, q), q)
	}
}

func TestCatalogDamaged(t *testing.T) {
	s := newSession()
	exec(t, s, catalogScript)
	data, err := s.p.Catalog.Encode()
	require.NoError(t, err)
	for i := 0; i < len(data); i += 101 {
		cut := append([]byte(nil), data...)
		cut[i] ^= 0x55
		_, err := DecodeCatalog(cut) // an error or another catalog, never a panic
		if err != nil {
			require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
		}
		_, err = DecodeCatalog(data[:i])
		require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
	}
}

// Ids are never given out again, and a snapshot does not change under its reader.
func TestCatalogIDs(t *testing.T) {
	s := newSession()
	exec(t, s, "CREATE VIEW a AS SELECT 1 AS x")
	before := s.p.Catalog
	first := before.Lookup("a").ID
	require.GreaterOrEqual(t, first, FirstUserID)
	exec(t, s, "DROP VIEW a; CREATE VIEW a AS SELECT 2 AS y")
	require.Equal(t, first+1, s.p.Catalog.Lookup("a").ID)
	require.Nil(t, s.p.Catalog.Object(first))
	require.Equal(t, "x", before.Lookup("a").Schema()[0].Name)

	renamed, err := s.p.Catalog.Rename(first+1, "b")
	require.NoError(t, err)
	require.Nil(t, renamed.Lookup("a"))
	require.Equal(t, first+1, renamed.Lookup("b").ID)
	_, err = renamed.Rename(first+1, "streamsql.rejected")
	require.Equal(t, types.CodeDuplicateTable, types.CodeOf(err))
	_, _, err = renamed.Drop(RejectedID, true)
	require.Equal(t, types.CodeWrongObjectType, types.CodeOf(err))
}

// The statement that SHOW CREATE prints makes the same object.
func TestCatalogText(t *testing.T) {
	s := newSession()
	exec(t, s, catalogScript)
	again := newSession()
	for _, o := range s.p.Catalog.Objects() {
		if o.Kind != KindSystem {
			exec(t, again, o.Text)
		}
	}
	require.Equal(t, s.p.Catalog.Names(), again.p.Catalog.Names())
	for _, o := range s.p.Catalog.Objects() {
		require.Equal(t, o.Describe(), again.p.Catalog.Lookup(o.Name).Describe())
		require.Equal(t, o.Text, again.p.Catalog.Lookup(o.Name).Text)
	}
}

func TestParams(t *testing.T) {
	s := newSession()
	exec(t, s, catalogScript)
	s.p.Params = []Param{{T: types.Int8Type, Value: int64(7)}, {T: types.UnknownType, Value: "2.5"}}
	require.Contains(t, exec(t, s, "SELECT auction FROM bids WHERE auction = $1 AND price > $2"), "(auction = 7::bigint)")
	q, err := sql.ParseQuery("SELECT $3")
	require.NoError(t, err)
	_, err = s.p.PlanQuery(q)
	require.Equal(t, types.CodeUndefinedParameter, types.CodeOf(err))
}

// The current time in a filter lets rows leave as time passes, but where a view is read once.
func TestClockFilter(t *testing.T) {
	s := newSession()
	exec(t, s, catalogScript)
	const text = "SELECT * FROM mv WHERE window_end > localtimestamp"
	q, err := sql.ParseQuery(text)
	require.NoError(t, err)
	plan, err := s.p.PlanQuery(q)
	require.NoError(t, err)
	require.NotContains(t, Explain(plan.Root, ExplainOptions{}), "TemporalFilter")
	s.p.Live = true
	plan, err = s.p.PlanQuery(q)
	require.NoError(t, err)
	require.Contains(t, Explain(plan.Root, ExplainOptions{}), "TemporalFilter now() <")
}

// Sources that end may be ordered where the caller says that it can.
func TestOrderBounded(t *testing.T) {
	s := newSession()
	exec(t, s, "CREATE SOURCE f (a INT, b TEXT) WITH (connector = 'file', path = 'x.json', format = 'json')")
	q, err := sql.ParseQuery("SELECT b FROM f ORDER BY a DESC LIMIT 3")
	require.NoError(t, err)
	plan, err := s.p.PlanQuery(q)
	require.NoError(t, err)
	require.Contains(t, Explain(plan.Root, ExplainOptions{}), "TopN 3 order by $order DESC")
	require.Nil(t, plan.Limit)
	s.p.OrderBounded = true
	plan, err = s.p.PlanQuery(q)
	require.NoError(t, err)
	require.Equal(t, []SortKey{{Col: 1, Desc: true, NullsFirst: true}}, plan.Order)
	require.Equal(t, int64(3), *plan.Limit)
	require.Len(t, plan.Schema, 1)
}

// Who waits for the answer of a snapshot gets its error; what goes on keeps the row apart.
func TestSnapshotFails(t *testing.T) {
	s := newSession()
	exec(t, s, catalogScript)
	policy := func(text string) Policy {
		q, err := sql.ParseQuery(text)
		require.NoError(t, err)
		plan, err := s.p.PlanQuery(q)
		require.NoError(t, err)
		found := Policy(255)
		plan.Root.each(func(n *Node) {
			if p, ok := n.Op.(*Project); ok {
				found = p.OnError
			}
		})
		return found
	}
	require.Equal(t, Fail, policy("SELECT 1 / 0"))
	require.Equal(t, Fail, policy("SELECT 1 / n FROM mv"))
	require.Equal(t, DeadLetter, policy("SELECT 1 / n FROM mv EMIT CHANGES"))
	require.Equal(t, DeadLetter, policy("SELECT 1 / auction FROM bids"))
	skip := Skip
	s.p.Settings.OnError = &skip
	require.Equal(t, Skip, policy("SELECT 1 / 0"))
	require.Equal(t, Skip, policy("SELECT 1 / auction FROM bids"))
}
