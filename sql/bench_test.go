package sql

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"query": `WITH recent AS (SELECT * FROM bids WHERE ts > now() - INTERVAL '1 hour')
			SELECT window_start, auction, max(price) FILTER (WHERE bidder <> 7) AS top, count(*)
			FROM TUMBLE(recent, ts, INTERVAL '10 seconds') JOIN auctions a ON a.id = auction AND a.category IN (1, 2, 3)
			WHERE price BETWEEN 10 AND 1000 OR channel LIKE 'x%' GROUP BY window_start, auction HAVING count(*) > 2
			ORDER BY top DESC LIMIT 10 EMIT ON WINDOW CLOSE`,
		"insert": "INSERT INTO t VALUES (1, 'a', 2.5)" + strings.Repeat(", (1, 'a', 2.5)", 999),
	} {
		b.Run(name, func(b *testing.B) {
			_, err := Parse(text)
			require.NoError(b, err)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse(text)
			}
		})
	}
}
