-- Hot items: the auctions with the most bids in each window.
WITH counts AS (
  SELECT auction, count(*) AS num, window_start, window_end
  FROM HOP(bid, date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
  GROUP BY auction, window_start, window_end)
SELECT c.auction, c.num, c.window_start
FROM counts c
JOIN (SELECT max(num) AS maxn, window_start, window_end FROM counts GROUP BY window_start, window_end) m
  ON c.window_start = m.window_start AND c.window_end = m.window_end AND c.num >= m.maxn
