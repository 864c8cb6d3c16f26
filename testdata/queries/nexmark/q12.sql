-- Processing time windows.
SELECT bidder, count(*) AS bids, window_start, window_end
FROM TUMBLE(bid, PROCTIME(), INTERVAL '10' SECOND)
GROUP BY bidder, window_start, window_end
