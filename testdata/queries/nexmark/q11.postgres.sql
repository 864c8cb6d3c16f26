SELECT bidder, count(*), min(date_time), max(date_time) + INTERVAL '10 seconds'
FROM (
  SELECT *, sum(begins) OVER (PARTITION BY bidder ORDER BY date_time) AS session
  FROM (SELECT *, CASE WHEN date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) < INTERVAL '10 seconds' THEN 0 ELSE 1 END AS begins FROM bid) x) y
GROUP BY bidder, session
