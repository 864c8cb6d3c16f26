SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
FROM bid b
JOIN (
  SELECT max(price) AS maxprice, date_bin('10 seconds', date_time, '2000-01-01') AS window_start FROM bid GROUP BY 2) m
  ON b.price = m.maxprice AND date_bin('10 seconds', b.date_time, '2000-01-01') = m.window_start
