package streamsql_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/types"
)

const bids = `{"auction":1,"price":10,"ts":"2026-01-01 12:00:01"}
{"auction":1,"price":30,"ts":"2026-01-01 12:00:04"}
{"auction":2,"price":20,"ts":"2026-01-01 12:00:07"}
{"auction":2,"price":25,"ts":"2026-01-01 12:00:13"}
`

// write makes the input of an example.
func write(dir string) string {
	path := filepath.Join(dir, "bids.json")
	if err := os.WriteFile(path, []byte(bids), 0o644); err != nil {
		log.Fatal(err)
	}
	return path
}

// A materialized view is kept up to date while data arrives, and read by SELECT.
func Example() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "streamsql")
	defer os.RemoveAll(dir)

	db, err := streamsql.Open(streamsql.Options{Dir: filepath.Join(dir, "state")})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(ctx, `
		CREATE SOURCE bids (auction BIGINT, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '4 seconds')
		WITH (connector = 'file', path = '`+write(dir)+`', format = 'json');
		CREATE MATERIALIZED VIEW best AS
		SELECT window_start, auction, max(price) AS price
		FROM TUMBLE(bids, ts, INTERVAL '10 seconds') GROUP BY window_start, window_end, auction`)
	if err != nil {
		log.Fatal(err)
	}
	if err := db.Wait(ctx); err != nil { // the file ends
		log.Fatal(err)
	}
	rows, err := db.Query(ctx, "SELECT window_start, auction, price FROM best ORDER BY window_start, auction")
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var start string
		var auction, price int64
		if err := rows.Scan(&start, &auction, &price); err != nil {
			log.Fatal(err)
		}
		fmt.Println(start, auction, price)
	}
	if err := rows.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2026-01-01 12:00:00 1 30
	// 2026-01-01 12:00:00 2 20
	// 2026-01-01 12:00:10 2 25
}

// Subscribe gives the changes of a query epoch by epoch; a negative weight takes a row back.
func ExampleDB_Subscribe() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "streamsql")
	defer os.RemoveAll(dir)
	db, err := streamsql.Open(streamsql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(ctx, `CREATE SOURCE bids (auction BIGINT, price BIGINT)
		WITH (connector = 'file', path = '`+write(dir)+`', format = 'json')`); err != nil {
		log.Fatal(err)
	}
	sub, err := db.Subscribe(ctx, "SELECT count(*) AS bids, sum(price) AS total FROM bids")
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	net := map[string]int64{}
	for {
		changes, err := sub.Next(ctx)
		if err == io.EOF { // the file has ended
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		for rows := streamsql.RowsOf(sub.Columns(), changes); rows.Next(); {
			var n, total string
			if err := rows.Scan(&n, &total); err != nil {
				continue // the sum over no rows is NULL
			}
			net[n+" bids, "+total] += rows.Weight()
		}
	}
	for row, weight := range net {
		if weight != 0 {
			fmt.Println(row)
		}
	}
	// Output:
	// 4 bids, 85
}

// Functions in Go are called from SQL like any other.
func ExampleFunction() {
	ctx := context.Background()
	db, err := streamsql.Open(streamsql.Options{Functions: []streamsql.Function{{
		Name: "hypotenuse", Args: []types.Type{types.Float8Type, types.Float8Type}, Result: types.Float8Type,
		Row: func(args []any) (any, error) { return math.Hypot(args[0].(float64), args[1].(float64)), nil },
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(ctx, "SELECT hypotenuse(3, 4), hypotenuse(NULL, 1) IS NULL")
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	var length float64
	var null bool
	for rows.Next() {
		if err := rows.Scan(&length, &null); err != nil {
			log.Fatal(err)
		}
		fmt.Println(length, null)
	}
	// Output:
	// 5 true
}
