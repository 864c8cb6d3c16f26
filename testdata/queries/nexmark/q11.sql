-- User sessions: how many bids did each make in each of its sessions?
SELECT bidder, count(*) AS bids, window_start, window_end
FROM SESSION(bid PARTITION BY bidder, date_time, INTERVAL '10' SECOND)
GROUP BY bidder, window_start, window_end
