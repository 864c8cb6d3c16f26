package streamsql_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// kind is a type in random schemas and expressions, by PostgreSQL's name.
type kind string

const (
	kInt2      kind = "smallint"
	kInt4      kind = "integer"
	kInt8      kind = "bigint"
	kNumeric   kind = "numeric"
	kFloat8    kind = "double precision"
	kBool      kind = "boolean"
	kText      kind = "text"
	kDate      kind = "date"
	kTimestamp kind = "timestamp"
	kTZ        kind = "timestamptz"
	kInterval  kind = "interval"
	kTime      kind = "time"
)

// column is a column of a random relation.
type column struct {
	name string
	kind kind
	decl string // the type in DDL; "": kind
	// extreme columns hold the limits of their type: arithmetic on them would overflow.
	extreme bool
	// inexact columns hold floats that depend on the order of summation: they are only put out.
	inexact bool
}

// baseColumns are the columns of the sources t and u. ts is the event time; it is never NULL. Floats are multiples of a quarter, so that
// their sums are exact in every order; numerics that are equal have one scale, so that a group has one representation.
var baseColumns = []column{
	{name: "id", kind: kInt8},
	{name: "k", kind: kInt4},
	{name: "g", kind: kText},
	{name: "i2", kind: kInt2},
	{name: "i4", kind: kInt4},
	{name: "i8", kind: kInt8},
	{name: "x8", kind: kInt8, extreme: true},
	{name: "x4", kind: kInt4, extreme: true},
	{name: "n", kind: kNumeric, decl: "numeric(12,3)"},
	{name: "nu", kind: kNumeric},
	{name: "f", kind: kFloat8},
	{name: "z", kind: kFloat8, extreme: true},
	{name: "r", kind: kFloat8, decl: "real", extreme: true},
	{name: "b", kind: kBool},
	{name: "s", kind: kText},
	{name: "d", kind: kDate},
	{name: "tm", kind: kTimestamp},
	{name: "tz", kind: kTZ},
	{name: "iv", kind: kInterval},
	{name: "ti", kind: kTime},
	{name: "ts", kind: kTimestamp},
}

// pools are the values that random columns hold; small, so that groups have several rows.
var pools = map[string][]string{
	"k":  {"1", "2", "3"},
	"g":  {"a", "b", "c", "", "ä"},
	"i2": {"-3", "0", "1", "7", "100"},
	"i4": {"-1000", "-1", "0", "1", "2", "17", "12345"},
	"i8": {"-99999", "0", "1", "5", "6", "70000"},
	"x8": {"9223372036854775807", "-9223372036854775808", "0", "-1", "4611686018427387904"},
	"x4": {"2147483647", "-2147483648", "0", "65536"},
	"n":  {"0.000", "1.500", "-2.250", "999999999.999", "0.001", "10.000"},
	"nu": {"0", "1.5", "2.25", "-3.125", "100", "12345678901234567890.5", "0.0000000001"},
	"f":  {"0", "0.25", "-1.5", "1000", "2.75", "-0.5"},
	"z":  {"NaN", "Infinity", "-Infinity", "-0", "0", "1.7976931348623157e+308"},
	"r":  {"0.1", "NaN", "3.4028235e+38", "1e-30", "16777217"},
	"b":  {"t", "f"},
	"s":  {"", "x", "Hello", "hello world", "100%", "a_b", "Ünïcödé", "zz top", "12"},
	"d":  {"2020-01-01", "2020-02-29", "1969-12-31", "2024-06-15"},
	"tm": {"2020-01-01 00:00:00", "2020-02-29 12:34:56.789", "1969-12-31 23:59:59.999999", "2024-06-15 06:00:00"},
	"tz": {"2020-01-01 00:00:00+00", "2020-06-01 12:00:00+02", "1999-12-31 23:00:00-05"},
	"iv": {"1 day", "00:00:10", "-02:30:00", "1 mon 3 days", "1 year 2 mons"},
	"ti": {"00:00:00", "12:34:56.5", "23:59:59"},
}

// disorder is how far behind the newest event time a row may be: the watermark's delay, so that no row is late.
const disorder = 20 * time.Second

// eventStart is where event time begins: before 1970, so that windows of negative times are covered.
var eventStart = time.Date(1969, 12, 31, 23, 58, 0, 0, time.UTC)

// row is a row of text forms; nil is NULL.
type row []*string

// rowMaker makes the random rows of one source.
type rowMaker struct {
	rnd  *rand.Rand
	next int
	now  time.Time
}

func (m *rowMaker) row() row {
	m.next++
	m.now = m.now.Add(time.Duration(m.rnd.IntN(4000)) * time.Millisecond)
	if m.rnd.IntN(12) == 0 {
		m.now = m.now.Add(time.Minute)
	}
	var r row
	for _, c := range baseColumns {
		var v string
		switch c.name {
		case "id":
			v = fmt.Sprint(m.next)
		case "ts":
			late := time.Duration(0)
			if m.rnd.IntN(2) == 0 {
				late = time.Duration(m.rnd.Int64N(int64(disorder/time.Millisecond))) * time.Millisecond
			}
			v = m.now.Add(-late).Format("2006-01-02 15:04:05.000")
		default:
			if m.rnd.IntN(6) == 0 {
				r = append(r, nil)
				continue
			}
			p := pools[c.name]
			v = p[m.rnd.IntN(len(p))]
		}
		r = append(r, &v)
	}
	return r
}

// jsonOf is the row as a record of the feed.
func (r row) json() string {
	obj := map[string]*string{}
	for i, c := range baseColumns {
		obj[c.name] = r[i]
	}
	out, err := json.Marshal(obj)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// values is the row in an INSERT.
func (r row) values() string {
	var cells []string
	for _, v := range r {
		if v == nil {
			cells = append(cells, "NULL")
			continue
		}
		cells = append(cells, quote(*v))
	}
	return "(" + strings.Join(cells, ", ") + ")"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// columnList is the columns in DDL.
func columnList() string {
	var list []string
	for _, c := range baseColumns {
		decl := c.decl
		if decl == "" {
			decl = string(c.kind)
		}
		list = append(list, c.name+" "+decl)
	}
	return strings.Join(list, ", ")
}
