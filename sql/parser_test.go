package sql

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSmoke(t *testing.T) {
	for _, s := range smoke {
		_, err := Parse(s)
		require.NoError(t, err, s)
	}
}

var smoke = []string{
	`SELECT 1`,
	`WITH RECURSIVE t(a) AS MATERIALIZED (SELECT 1 UNION ALL SELECT a+1 FROM t) SELECT * FROM t`,
	`SELECT a, b AS c, t.*, count(*) FILTER (WHERE a > 1) OVER (PARTITION BY x ORDER BY y ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t`,
	`SELECT window_start, max(price) FROM TUMBLE(bids, ts, INTERVAL '10' SECOND) GROUP BY window_start EMIT ON WINDOW CLOSE`,
	`SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND, offset => INTERVAL '1 s'))`,
	`SELECT * FROM TABLE(SESSION(DATA => TABLE bids PARTITION BY (a, b), TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '10' SECOND)) AS w`,
	`SELECT TUMBLE_START(ts, INTERVAL 10 SECONDS) FROM t GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)`,
	`SELECT * FROM a NATURAL JOIN b LEFT JOIN c USING (x) CROSS JOIN d, LATERAL (SELECT 1) z, unnest(ARRAY[1,2]) WITH ORDINALITY u(x, n)`,
	`SELECT * FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.proctime AS rr ON o.c = rr.c ASOF JOIN q ON q.ts <= o.ts`,
	`SELECT ((SELECT 1) + 1), ((SELECT 1) UNION SELECT 2) FROM ((SELECT 1) UNION (SELECT 2)) x, ((SELECT 1) y JOIN z ON true)`,
	`SELECT a::int[], CAST(b AS double precision), date '2020-01-01', timestamp with time zone '2020', x AT TIME ZONE 'UTC', (r).f, (r).*, a[1], a[1:2], a[:], 'x'::varchar(3)`,
	`SELECT extract(year FROM ts), substring(a FROM 1 FOR 2), position('a' IN b), overlay(a PLACING b FROM 1), trim(LEADING 'x' FROM y), a IS NOT DISTINCT FROM b, a NOT BETWEEN SYMMETRIC 1 AND 2, a NOT LIKE b ESCAPE 'x', a = ANY(ARRAY[1]), a IN (1,2), a IN (SELECT 1), a COLLATE "C", $1`,
	`SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x), string_agg(DISTINCT a, ',' ORDER BY b DESC NULLS LAST) FROM t GROUP BY GROUPING SETS ((a, b), (), ROLLUP (a, (b, c))), CUBE (x), y`,
	`CREATE SOURCE bids (auction BIGINT, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '4 seconds') WITH (connector = 'kafka', topic = 'bids', 'brokers' = 'localhost:9092') FORMAT JSON`,
	`CREATE TABLE t (k INT PRIMARY KEY, v TEXT DEFAULT 'x' NOT NULL, p AS PROCTIME(), o BIGINT METADATA FROM 'offset' VIRTUAL, PRIMARY KEY (k) NOT ENFORCED) APPEND ONLY INCLUDE key AS kk INCLUDE header 'x' bytea AS h WITH (a = 1, b.c = foo) FORMAT UPSERT ENCODE AVRO (schema.registry = 'x') KEY ENCODE TEXT`,
	`CREATE SINK s FROM mv WITH (connector = 'file', path = 'out/', format = 'parquet')`,
	`CREATE SINK s AS SELECT * FROM t EMIT EVERY INTERVAL '1 s' WITH (x = 1) FORMAT JSON`,
	`INSERT INTO t (a, b) VALUES (1, DEFAULT) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.a > 1 RETURNING *`,
	`SELECT * FROM t AS OF EPOCH 5 EMIT CHANGES`, `SELECT key, value, timestamp, date, source, window_start, interval FROM t emit`,
	`EXPLAIN ANALYZE SELECT 1; EXPLAIN (logical, format json) SELECT 1; SHOW CREATE VIEW v; SHOW JOBS; SHOW timezone; SET dialect = mysql; SET trigger = '1 second'; SET x TO a, b`,
	`ALTER SOURCE s PAUSE; ALTER MATERIALIZED VIEW v AS SELECT 1; ALTER TABLE t ADD COLUMN x INT, DROP y; ALTER SINK s SET (a = 1)`,
	`FETCH FORWARD 5 FROM c; DECLARE c CURSOR FOR SUBSCRIBE t; PREPARE p (int) AS SELECT $1; EXECUTE p(1); COPY t FROM STDIN WITH (FORMAT csv)`,
	`SELECT a FROM t ORDER BY a DESC LIMIT 5 OFFSET 2; VALUES (1,2),(3,4); TABLE t; (SELECT 1) UNION (SELECT 2) ORDER BY 1 FETCH FIRST 3 ROWS WITH TIES`,
}
