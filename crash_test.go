package streamsql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/state/vfs"
)

// crashScript reads files, of which every 40th row fails, into files of three kinds and a view.
const crashScript = `
CREATE SOURCE g (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 second') WITH (connector = 'file', path = 'INPUT', format = 'json');
CREATE SINK rows WITH (connector = 'file', path = '/rows', format = 'json', roll_size = '1kB', partition_by = 'p')
AS SELECT id, 1000 / (id % 40) AS v, id % 2 AS p FROM g;
CREATE SINK windows WITH (connector = 'file', path = '/windows', format = 'csv', roll_size = '60B')
AS SELECT window_start, count(*) AS n, sum(id) AS s FROM TUMBLE(g, ts, INTERVAL '4 seconds') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
CREATE SINK groups WITH (connector = 'file', path = '/groups', format = 'debezium_json', roll_size = '2kB')
AS SELECT id % 3 AS k, count(*) AS n, sum(id) AS s FROM g GROUP BY id % 3;
CREATE MATERIALIZED VIEW totals AS SELECT id % 5 AS k, count(*) AS n, max(id) AS top FROM g GROUP BY id % 5;`

// crashInput writes the files, each of which is an epoch if none waits, and returns the script.
func crashInput(t *testing.T) string {
	dir := t.TempDir()
	var lines strings.Builder
	for id := range 1200 {
		at := time.Date(2020, 1, 1, 0, 0, 0, id*100*int(time.Millisecond), time.UTC)
		fmt.Fprintf(&lines, "{\"id\":%d,\"ts\":%q}\n", id, at.Format("2006-01-02 15:04:05.0"))
		if id%30 == 29 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.ndjson", id)), []byte(lines.String()), 0o644))
			lines.Reset()
		}
	}
	return strings.Replace(crashScript, "INPUT", filepath.Join(dir, "*.ndjson"), 1)
}

// crashAnswer is what must be there in the end, sorted.
func crashAnswer() map[string][]string {
	want := map[string][]string{"rejected": {"30"}}
	type group struct{ n, sum, top int }
	windows, groups, totals := map[int]group{}, map[int]group{}, map[int]group{}
	add := func(m map[int]group, k, id int) { m[k] = group{m[k].n + 1, m[k].sum + id, id} }
	for id := range 1200 {
		if id%40 != 0 {
			want["rows"] = append(want["rows"], fmt.Sprintf(`{"id":%d,"v":%d} p=%d`, id, 1000/(id%40), id%2))
		}
		add(windows, id/40, id)
		add(groups, id%3, id)
		add(totals, id%5, id)
	}
	for w, g := range windows {
		at := time.Date(2020, 1, 1, 0, 0, w*4, 0, time.UTC)
		want["windows"] = append(want["windows"], fmt.Sprintf("%s,%d,%d", at.Format(time.DateTime), g.n, g.sum))
	}
	for k, g := range groups {
		want["groups"] = append(want["groups"], fmt.Sprintf(`{"k":%d,"n":%d,"s":%d}`, k, g.n, g.sum))
	}
	for k, g := range totals {
		want["totals"] = append(want["totals"], fmt.Sprintf("%d %d %d", k, g.n, g.top))
	}
	for _, rows := range want {
		slices.Sort(rows)
	}
	return want
}

// visible reads the files of a sink's directory that a plain glob sees; every one must be complete.
func visible(t *testing.T, disk *vfs.Mem, dir string) []string {
	var out []string
	names, err := disk.List(dir)
	if err != nil {
		return nil // not made yet
	}
	for _, name := range names {
		full := path.Join(dir, name)
		if strings.HasPrefix(name, ".") {
			continue
		}
		info, err := disk.Stat(full)
		require.NoError(t, err)
		if info.IsDir() {
			for _, row := range visible(t, disk, full) {
				out = append(out, row+" "+name)
			}
			continue
		}
		f, err := disk.OpenRead(full)
		require.NoError(t, err)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.True(t, bytes.HasSuffix(data, []byte("\n")), "%s is not complete: %q", full, data)
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		if path.Ext(name) == ".csv" {
			require.Equal(t, "window_start,n,s", lines[0], full)
			lines = lines[1:]
		}
		out = append(out, lines...)
	}
	return out
}

// lastStates follows the change events of a directory: each begins where the one before it ended.
func lastStates(t *testing.T, disk *vfs.Mem, dir string) []string {
	last := map[int]string{}
	for _, line := range visible(t, disk, dir) {
		var event struct{ Before, After json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		var row struct{ K int }
		require.NoError(t, json.Unmarshal(event.After, &row), line)
		before, known := last[row.K]
		if !known {
			before = "null"
		}
		require.Equal(t, before, string(event.Before), "a change does not follow the one before it: %s", line)
		last[row.K] = string(event.After)
	}
	var states []string
	for _, s := range last {
		states = append(states, s)
	}
	return states
}

// trouble makes one step of a file system fail, or all from one on.
type trouble struct {
	mu    sync.Mutex
	step  int
	at    int // the step; 0: none
	times int // how many steps fail
	err   error
	hit   chan struct{} // closed when it happened
}

func newTrouble(at, times int, err error) *trouble {
	return &trouble{at: at, times: times, err: err, hit: make(chan struct{})}
}

func (c *trouble) hook(op vfs.Op, _ string) error {
	if op < vfs.OpCreate {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step++
	if c.at == 0 || c.step < c.at || c.step >= c.at+c.times {
		return nil
	}
	if c.step == c.at {
		close(c.hit)
	}
	return c.err
}

func (c *trouble) happened() bool {
	select {
	case <-c.hit:
		return true
	default:
		return false
	}
}

// crashRun runs the script on a disk until its end or its first error. A crash cancels it.
func crashRun(t *testing.T, script string, disk *vfs.Mem, c *trouble, workers int, look func(ctx context.Context, db *DB)) error {
	disk.Hook(c.hook)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	crash := errors.Is(c.err, vfs.ErrCrashed)
	done := make(chan struct{})
	defer close(done)
	if crash {
		go func() {
			select {
			case <-c.hit:
				cancel()
			case <-done:
			}
		}()
	}
	db, err := Open(Options{Dir: "/state", FS: disk, Workers: workers, EpochRows: 20, ReadBytes: 1000, MemoryLimit: -1, Check: true})
	if err != nil {
		return err
	}
	s := db.NewSession()
	stmts, err := s.Parse(script)
	require.NoError(t, err)
	if _, err = s.Apply(ctx, stmts, false); err == nil {
		err = db.Wait(ctx)
	}
	if err == nil && look != nil {
		look(ctx, db)
	}
	require.False(t, !crash && errors.Is(err, context.DeadlineExceeded), "the engine hangs at step %d", c.at)
	if crash && c.happened() {
		cancel()
	}
	return errors.Join(err, db.CloseContext(ctx))
}

// crashCheck compares everything with the answer.
func crashCheck(t *testing.T, script string, disk *vfs.Mem, about string) {
	want := crashAnswer()
	got := map[string][]string{}
	err := crashRun(t, script, disk, newTrouble(0, 0, nil), 2, func(ctx context.Context, db *DB) {
		got["totals"] = all(t, db, "SELECT * FROM totals")
		got["rejected"] = all(t, db, "SELECT count(*) FROM streamsql.rejected")
	})
	require.NoError(t, err, about)
	got["rows"], got["windows"], got["groups"] = visible(t, disk, "/rows"), visible(t, disk, "/windows"), lastStates(t, disk, "/groups")
	for name, rows := range want {
		slices.Sort(got[name])
		require.Equal(t, rows, got[name], "%s: %s", name, about)
	}
}

// everyStep calls f with the steps of an undisturbed run: all with STREAMSQL_EVERY_STEP=1, else about n of them, others each time.
func everyStep(t *testing.T, script string, n int, f func(at int)) {
	c := newTrouble(0, 0, nil)
	disk := vfs.NewMem()
	require.NoError(t, crashRun(t, script, disk, c, 2, nil))
	crashCheck(t, script, disk, "undisturbed")
	require.Greater(t, c.step, 100)
	by := max(1, c.step/n)
	if ok, _ := strconv.ParseBool(os.Getenv("STREAMSQL_EVERY_STEP")); ok {
		by = 1
	}
	for at := 1 + rand.IntN(by); at <= c.step; at += by {
		f(at)
		if t.Failed() {
			return
		}
	}
}

// At any step that reaches the disk the machine stops; what was not synced is forgotten, or survives in part. What is left goes on to the
// right answer, and what could be seen before is seen after it.
func TestCrashOfTheWholeEngine(t *testing.T) {
	script := crashInput(t)
	everyStep(t, script, 20, func(at int) {
		disk := vfs.NewMem()
		c := newTrouble(at, 1, vfs.ErrCrashed)
		if err := crashRun(t, script, disk, c, 1+at%3, nil); err != nil {
			require.True(t, c.happened(), "step %d: %v", at, err)
		}
		disk.Hook(nil)
		if at%2 == 0 {
			disk = disk.CrashClone()
		} else {
			disk = disk.CrashCloneRand(rand.New(rand.NewPCG(uint64(at), 7)))
		}
		before := visible(t, disk, "/rows")
		crashCheck(t, script, disk, fmt.Sprintf("crash at step %d", at))
		after := map[string]bool{}
		for _, row := range visible(t, disk, "/rows") {
			after[row] = true
		}
		for _, row := range before {
			require.True(t, after[row], "%s was visible and is gone; crash at step %d", row, at)
		}
	})
}

// A step that fails is tried again or ends the run with an error that says so; nothing is lost or doubled, and the next run ends well.
func TestDiskErrorsOfTheWholeEngine(t *testing.T) {
	script := crashInput(t)
	everyStep(t, script, 20, func(at int) {
		cause := []error{syscall.ENOSPC, syscall.EIO}[at%2]
		times := []int{1, 3, 1 << 30}[at%3]
		disk := vfs.NewMem()
		c := newTrouble(at, times, cause)
		err := faultyRun(t, script, disk, c)
		if err != nil {
			require.True(t, c.happened(), "step %d: %v", at, err)
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				require.Contains(t, err.Error(), cause.Error(), "step %d", at)
			}
		}
		disk.Hook(nil)
		crashCheck(t, script, disk, fmt.Sprintf("%v at step %d, %d times", cause, at, times))
	})
}

// faultyRun is crashRun that does not wait for sinks which fail for ever.
func faultyRun(t *testing.T, script string, disk *vfs.Mem, c *trouble) error {
	if c.times < 1<<30 {
		return crashRun(t, script, disk, c, 2, nil)
	}
	disk.Hook(c.hook)
	db, err := Open(Options{Dir: "/state", FS: disk, Workers: 2, EpochRows: 20, ReadBytes: 1000, MemoryLimit: -1, Check: true})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := db.NewSession()
	stmts, err := s.Parse(script)
	require.NoError(t, err)
	if _, err = s.Apply(ctx, stmts, false); err == nil {
		ended := make(chan error, 1)
		go func() { ended <- db.Wait(ctx) }()
		select {
		case err = <-ended:
		case <-c.hit: // the disk stays as it is: give up at once
			cancel()
			err = <-ended
		}
	}
	cancel()
	return errors.Join(err, db.CloseContext(ctx))
}
