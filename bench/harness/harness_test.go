package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fixed is a side that answers every case with the same check, after touching the file it was given.
type fixed struct {
	check Check
	err   error
}

func (f fixed) Load(_ context.Context, c Case, d Data) error {
	if c.Input != Arrow {
		if _, err := os.Stat(d.File); err != nil {
			return err
		}
	}
	return os.WriteFile(d.Dir+"/state", []byte("mine"), 0o600)
}

func (f fixed) Run(context.Context) (Check, error) { return f.check, f.err }
func (f fixed) Close() error                       { return nil }

func side(name string, f fixed) Side {
	return Side{Name: name, Threads: 1, New: func(int) (Runner, error) { return f, nil }}
}

var good = Check{Rows: 3, Sums: [3]int64{1, 2, 3}}

func testBench() Bench {
	liar := good
	liar.Sums[1]++
	onlyArrow := side(SideStreamsql, fixed{check: good})
	onlyArrow.Skips = func(c Case) bool { return c.Input != Arrow }
	return Bench{
		Cases: []Case{
			{Name: "one", Query: TumbleCount, Input: Arrow, AtLeast: 0.7},
			{Name: "two", Query: TumbleCount, Input: NDJSON, Divide: 10},
			{Name: "three", Query: TumbleCount, Input: Parquet},
		},
		Sides: []Side{side(SideDuckDB, fixed{check: good}), onlyArrow, side("liar", fixed{check: liar}),
			side("broken", fixed{err: errors.New("out of ideas")})},
		Probes: []Probe{
			{Name: "probe", Want: "little", Run: func(_ context.Context, env Env) ([]Figure, error) {
				return []Figure{{"quick", fmt.Sprint(env.Quick)}}, os.WriteFile(env.Dir+"/x", nil, 0o600)
			}},
			{Name: "stuck", Want: "much", Run: func(context.Context, Env) ([]Figure, error) {
				return nil, errors.New("will not move")
			}},
		},
	}
}

// The test binary is its own child process.
func TestMain(m *testing.M) {
	if isChild, err := testBench().Child(context.Background()); isChild {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	result, err := testBench().Run(t.Context(), Options{Rows: 1000, Repeat: 2, Quick: true, Dir: dir, Log: &log})
	require.NoError(t, err)

	var ran []string
	for _, m := range result.Measurements {
		ran = append(ran, m.Case+"/"+m.Side)
		require.Len(t, m.CPU, 2)
		require.Len(t, m.Wall, 2)
		require.Equal(t, good, m.Check)
		require.Positive(t, m.Peak)
		require.Equal(t, map[string]int{"one": 1000, "two": 100, "three": 1000}[m.Case], m.Rows)
	}
	require.Equal(t, []string{"one/" + SideDuckDB, "one/" + SideStreamsql, "two/" + SideDuckDB, "three/" + SideDuckDB}, ran)
	require.Len(t, result.Failed, 7, "liar and broken in three cases, one probe: %q", result.Failed)
	require.Contains(t, result.Failed[0], "one / liar: answers 3 rows, sums [1 3 3], but DuckDB answers 3 rows, sums [1 2 3]")
	require.Contains(t, result.Failed[1], "out of ideas")
	require.Equal(t, []Figure{{"quick", "true"}}, result.Probes[0].Figures)
	require.Contains(t, result.Probes[1].Err, "will not move")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	require.Contains(t, log.String(), "two / DuckDB ...")

	result, err = testBench().Run(t.Context(), Options{Rows: 10, Only: regexp.MustCompile("^one / DuckDB$"), Dir: dir})
	require.NoError(t, err)
	require.Len(t, result.Measurements, 1)
	require.Empty(t, result.Probes)
	require.Empty(t, result.Failed)
}

func TestMarkdown(t *testing.T) {
	result := &Result{
		Measurements: []Measurement{
			{Side: SideDuckDB, Case: "one", Rows: 8e6, CPU: seconds(4, 2), Wall: seconds(1, 1), Peak: 3 << 20, Loaded: 2 << 20},
			{Side: SideStreamsql, Case: "one", Rows: 8e6, CPU: seconds(1), Wall: seconds(2), Peak: 5 << 20, Loaded: 4 << 20},
			{Side: SideDuckDB, Case: "two", Rows: 1e6, CPU: seconds(1), Wall: seconds(1), Peak: 1 << 20, Loaded: 1 << 20},
		},
		Probes: []ProbeResult{{Name: "probe", Want: "little", Figures: []Figure{{"a", "1 ms"}, {"b", "2 MB"}}}},
		Failed: []string{"three: no"},
	}
	var text bytes.Buffer
	require.NoError(t, testBench().WriteMarkdown(&text, result))
	require.Equal(t, `Million rows per CPU second, best repetition.

| case | rows | DuckDB | streamsql | streamsql : DuckDB | wanted | 2 workers : 1, wall clock |
| --- | --: | --: | --: | --: | --: | --: |
| one | 8000000 | 4.0 | 8.0 | **2.00** | 0.7 | - |
| two | 1000000 | 1.0 | - | - | 0.0 | - |

Resident memory at most during the query, in MB, and in parentheses before it (data in memory included).

| case | DuckDB | streamsql |
| --- | --: | --: |
| one | 3 (2) | 5 (4) |
| two | 1 (1) | - |

| measurement | wanted | measured |
| --- | --- | --- |
| probe | little | a 1 ms; b 2 MB |

Failed:
- three: no
`, text.String())
}

func seconds(each ...int) (all []time.Duration) {
	for _, s := range each {
		all = append(all, time.Duration(s)*time.Second)
	}
	return all
}
