package streamsql_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/internal/pgtest"
)

// TestTPCH keeps the 22 queries of TPC-H as materialized views while their tables are filled and changed, and compares them with
// PostgreSQL's answers. The rows follow the columns' domains in the benchmark's specification, narrowed where a query would else find
// nothing in so few of them.
func TestTPCH(t *testing.T) {
	ctx := context.Background()
	pg := pgtest.Open(t)
	db, err := streamsql.Open(streamsql.Options{Dir: t.TempDir(), Workers: 2, Check: true})
	require.NoError(t, err)
	defer db.Close()
	both := func(text string) {
		t.Helper()
		pg.MustExec(t, text)
		results, err := db.Exec(ctx, text)
		require.NoError(t, err, "%.300s", text)
		for _, r := range results {
			if r.Rows != nil {
				r.Rows.Close()
			}
		}
	}
	schema, err := os.ReadFile("testdata/queries/tpch/schema.sql")
	require.NoError(t, err)
	pg.MustExec(t, "DROP TABLE IF EXISTS region, nation, supplier, part, partsupp, customer, orders, lineitem CASCADE")
	both(string(schema))
	files, err := filepath.Glob("testdata/queries/tpch/q*.sql")
	require.NoError(t, err)
	require.Len(t, files, 22)
	queries := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(f), ".sql")
		queries[name] = strings.TrimSpace(string(text))
		_, err = db.Exec(ctx, "CREATE MATERIALIZED VIEW "+name+" AS "+queries[name])
		require.NoError(t, err, name)
	}
	empty := map[string]bool{}
	check := func(when string) {
		t.Helper()
		for name, query := range queries {
			want, err := pg.Query(query)
			require.NoError(t, err, name)
			empty[name] = empty[name] || len(want.Rows) > 0 && want.Rows[0][0] != nil
			for _, ask := range []string{"SELECT * FROM " + name, query} {
				got, err := ours(db, ask)
				require.NoError(t, err, name)
				floats := make([]bool, len(want.Columns))
				diff := differ(unscaled(want.Rows, want.Columns), unscaled(got, want.Columns), floats)
				require.Empty(t, diff, "%s %s: %s", name, when, ask)
			}
		}
	}
	g := &tpch{Rand: rand.New(rand.NewPCG(22, 1))}
	for _, text := range g.fixed() {
		both(text)
	}
	check("without orders")
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		for _, text := range g.orders(150) {
			both(text)
		}
		check(fmt.Sprint("after inserts ", round))
		for _, text := range g.changes() {
			both(text)
		}
		check(fmt.Sprint("after changes ", round))
	}
	for name, some := range empty {
		require.True(t, some || testing.Short(), "%s found nothing in all rounds", name)
	}
}

// tpch makes rows.
type tpch struct {
	*rand.Rand
	parts, suppliers, customers, order int
}

func (g *tpch) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *tpch) money(most int) string { return fmt.Sprintf("%d.%02d", g.IntN(most), g.IntN(100)) }

// date is a day so many days after 1992-01-01.
func tpchDate(day int) string { return fmt.Sprintf("DATE '1992-01-01' + %d", day) }

// insert makes one statement of many rows.
func insert(table string, rows []string) string {
	return "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ")
}

// fixed fills all tables but orders and lineitem.
func (g *tpch) fixed() []string {
	var regions, nations, suppliers, parts, partsupps, customers []string
	for i, r := range []string{"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"} {
		regions = append(regions, fmt.Sprintf("(%d, '%s', '')", i, r))
	}
	list := []struct {
		name   string
		region int
	}{{"ALGERIA", 0}, {"BRAZIL", 1}, {"CANADA", 1}, {"CHINA", 2}, {"INDIA", 2}, {"FRANCE", 3}, {"GERMANY", 3}, {"SAUDI ARABIA", 4}}
	for i, n := range list {
		nations = append(nations, fmt.Sprintf("(%d, '%s', %d, '')", i, n.name, n.region))
	}
	g.suppliers, g.parts, g.customers = 24, 120, 60
	for i := range g.suppliers {
		suppliers = append(suppliers, fmt.Sprintf("(%d, 'Supplier#%09d', 'address %d', %d, '%d-555', %s, '%s')", i, i, g.IntN(100), i%len(list), 10+g.IntN(25), g.money(9999),
			g.pick("quick", "even Customer slow Complaints", "final packages")))
	}
	for i := range g.parts {
		parts = append(parts, fmt.Sprintf("(%d, '%s %s', 'Manufacturer#%d', 'Brand#%s', '%s', %d, '%s %s', %s, '')", i,
			g.pick("forest", "green", "almond", "linen"), g.pick("green", "puff", "sky"), 1+g.IntN(5), g.pick("12", "23", "34", "45"),
			g.pick("ECONOMY ANODIZED STEEL", "PROMO BURNISHED COPPER", "SMALL PLATED BRASS", "MEDIUM POLISHED NICKEL", "STANDARD BRUSHED BRASS"), []int{1, 3, 5, 9, 14, 15, 15, 23, 49}[g.IntN(9)],
			g.pick("SM", "MED", "MED", "LG"), g.pick("CASE", "BOX", "PACK", "PKG", "BAG"), g.money(2000)))
		for j := range 4 {
			partsupps = append(partsupps, fmt.Sprintf("(%d, %d, %d, %s, '')", i, (i+j*7)%g.suppliers, 1+g.IntN(60), g.money(1000)))
		}
	}
	for i := range g.customers {
		sign := g.pick("", "", "-")
		customers = append(customers, fmt.Sprintf("(%d, 'Customer#%09d', 'address %d', %d, '%s-555-%d', %s%s, '%s', '')", i, i, g.IntN(100), g.IntN(len(list)), g.pick("13", "31", "23", "29", "11"), i, sign, g.money(9999),
			g.pick("BUILDING", "AUTOMOBILE", "MACHINERY")))
	}
	return []string{insert("region", regions), insert("nation", nations), insert("supplier", suppliers), insert("part", parts), insert("partsupp", partsupps), insert("customer", customers)}
}

// orders makes n orders with their lines. A third of the customers order nothing.
func (g *tpch) orders(n int) []string {
	var orders, lines []string
	for range n {
		g.order++
		day := g.IntN(2400)
		orders = append(orders, fmt.Sprintf("(%d, %d, '%s', %s, %s, '%s', 'Clerk#%d', 0, '%s')", g.order, g.IntN(g.customers*2/3), g.pick("F", "F", "O", "P"), g.money(400000), tpchDate(day),
			g.pick("1-URGENT", "2-HIGH", "3-MEDIUM", "5-LOW"), g.IntN(10), g.pick("", "the special blue requests", "furiously")))
		for line := range 1 + g.IntN(7) {
			part := g.IntN(g.parts)
			ship := day + 1 + g.IntN(120)
			lines = append(lines, fmt.Sprintf("(%d, %d, %d, %d, %d, %s, 0.%02d, 0.%02d, '%s', '%s', %s, %s, %s, '%s', '%s', '')", g.order, part, (part+g.IntN(4)*7)%g.suppliers, line+1, 1+g.IntN(50),
				g.money(90000), g.IntN(11), g.IntN(9), g.pick("R", "A", "N"), g.pick("O", "F"), tpchDate(ship), tpchDate(day+30+g.IntN(60)), tpchDate(ship+1+g.IntN(30)),
				g.pick("DELIVER IN PERSON", "DELIVER IN PERSON", "COLLECT COD"), g.pick("AIR", "AIR REG", "MAIL", "SHIP")))
		}
	}
	return []string{insert("orders", orders), insert("lineitem", lines)}
}

// changes updates and deletes rows of all tables, one of the statements in a transaction.
func (g *tpch) changes() []string {
	some := func(key string, of int) string { return fmt.Sprintf("%s %% %d = %d", key, of, g.IntN(of)) }
	return []string{
		"BEGIN; DELETE FROM lineitem WHERE " + some("l_orderkey", 9) + "; DELETE FROM orders WHERE " + some("o_orderkey", 9) + "; COMMIT",
		"UPDATE lineitem SET l_quantity = l_quantity + 3, l_discount = 0.06 WHERE " + some("l_partkey", 8),
		"UPDATE orders SET o_orderpriority = '1-URGENT', o_totalprice = o_totalprice * 2 WHERE " + some("o_orderkey", 11),
		"UPDATE supplier SET s_nationkey = (s_nationkey + 1) % 8, s_acctbal = s_acctbal + 1 WHERE " + some("s_suppkey", 5),
		"UPDATE partsupp SET ps_availqty = ps_availqty + 5, ps_supplycost = ps_supplycost - 1 WHERE " + some("ps_partkey", 7),
		"UPDATE part SET p_name = 'forest ' || p_name, p_size = 15 WHERE " + some("p_partkey", 20),
		"UPDATE customer SET c_acctbal = -c_acctbal WHERE " + some("c_custkey", 6),
		"DELETE FROM customer WHERE c_custkey = " + fmt.Sprint(g.IntN(g.customers)),
	}
}
