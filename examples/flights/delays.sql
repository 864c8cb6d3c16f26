-- Delays per airport and day, over real flights in the order in which their arrival was reported.
-- Data: United States Bureau of Transportation Statistics, public domain.

CREATE SOURCE flights (
    flight      BIGINT,
    scheduled   TIMESTAMP,
    delay       INT,          -- minutes, may be negative
    distance    INT,          -- miles
    origin      TEXT,
    destination TEXT,
    WATERMARK FOR scheduled AS scheduled - INTERVAL '3 hours'
) WITH (connector = 'file', path = '${FLIGHTS:-flights.ndjson.gz}', format = 'json');

-- One row per airport and day, written when the day is over and no later flight of it is expected. A flight that was reported more
-- than three hours out of order is not lost: SELECT * FROM streamsql.rejected.
CREATE SINK delays WITH (connector = 'file', path = '${OUT:-out}', format = 'csv') AS
SELECT window_start::date              AS day,
       origin,
       count(*)                        AS flights,
       count(*) FILTER (WHERE delay > 15) AS late,
       round(avg(delay), 1)            AS avg_delay,
       max(delay)                      AS max_delay
FROM TUMBLE(flights, scheduled, INTERVAL '1 day')
GROUP BY window_start, window_end, origin
HAVING count(*) >= 10
EMIT ON WINDOW CLOSE;
