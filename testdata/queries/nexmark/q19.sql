-- The ten highest bids of each auction.
SELECT *
FROM (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time, bidder, url, extra) AS rank FROM bid) q
WHERE rank <= 10
