-- The three streams of one generator, and the small table that q13 joins.
CREATE SOURCE person (WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds')
WITH (connector = 'nexmark', table = 'person', events = '${EVENTS:-20000}');
CREATE SOURCE auction (WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds')
WITH (connector = 'nexmark', table = 'auction', events = '${EVENTS:-20000}');
CREATE SOURCE bid (WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds')
WITH (connector = 'nexmark', table = 'bid', events = '${EVENTS:-20000}');
CREATE TABLE side_input (key BIGINT PRIMARY KEY, value TEXT);
INSERT INTO side_input SELECT k, 'value ' || k FROM generate_series(0, 9999) AS k;
