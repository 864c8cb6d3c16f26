WITH counts AS (
  SELECT auction, count(*) AS num, w AS window_start
  FROM bid, generate_series(0, 4) i, LATERAL (SELECT date_bin('2 seconds', date_time, '2000-01-01') - i * INTERVAL '2 seconds') AS x (w)
  GROUP BY auction, w)
SELECT c.auction, c.num, c.window_start
FROM counts c JOIN (SELECT max(num) AS maxn, window_start FROM counts GROUP BY window_start) m
  ON c.window_start = m.window_start AND c.num >= m.maxn
