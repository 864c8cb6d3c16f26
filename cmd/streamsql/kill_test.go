package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

var (
	killCount = flag.Int("kills", 6, "how often TestKill kills the command")
	killSeed  = flag.Uint64("kill-seed", uint64(time.Now().UnixNano()), "seed of TestKill's moments")
)

// binary builds the command once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "streamsql-cmd-test")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "streamsql")
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if name, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(code)
}

// answer is what a sink's directory must hold in the end: rows in a canonical form and how often.
type answer map[string]int

func (a answer) sum() (n int) {
	for _, c := range a {
		n += c
	}
	return n
}

// killCase is a script that is killed again and again.
type killCase struct {
	script string
	// want is what the directories hold in the end, by name; whatever is seen before is part of it.
	want func(t *testing.T, r *killRound) map[string]answer
	// chains are directories with change events of groups, whose states must follow one another, by name, with the last states.
	chains map[string]answer
	// feed appends a piece of input and reports whether there is more; nil: the script makes its own.
	feed func(t *testing.T, r *killRound) bool
	// rejected is how many rows must have been rejected in the end.
	rejected int
}

// TestKill kills the real command at random moments and starts it again until it ends by itself: no row is lost, none comes twice, and at
// every kill the files that can be seen are complete and hold no row that another one holds.
func TestKill(t *testing.T) {
	cases := map[string]killCase{"generator": generatorCase(), "directory": directoryCase(), "nexmark": nexmarkCase()}
	t.Logf("-kill-seed %d", *killSeed)
	i := uint64(0)
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c, kills := cases[name], (*killCount+int(i))/len(cases)
		random := rand.New(rand.NewPCG(*killSeed, i))
		i++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for done := 0; done < kills; {
				r := &killRound{c: c, dir: t.TempDir(), random: random, kills: kills - done}
				r.run(t)
				done += r.killed
			}
		})
	}
}

// killRound is one life of a data directory.
type killRound struct {
	c      killCase
	dir    string
	random *rand.Rand
	kills  int // at most
	killed int
	fed    int // pieces of input
	starts int
	log    strings.Builder
}

func (r *killRound) run(t *testing.T) {
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "k.sql"), []byte(r.c.script), 0o644))
	if r.c.feed != nil {
		require.NoError(t, os.Mkdir(filepath.Join(r.dir, "in"), 0o755))
		r.c.feed(t, r)
	}
	defer func() {
		if t.Failed() {
			t.Logf("%d kills, %d starts:\n%s", r.killed, r.starts, r.log.String())
		}
	}()
	want := r.c.want(t, r)
	for {
		ended := r.once(t)
		r.look(t, want, false)
		if ended {
			break
		}
	}
	r.look(t, want, true)
	if r.c.rejected > 0 {
		out := r.command(t, "shell", "--data-dir", "k.streamsql")
		out.Stdin = strings.NewReader("SELECT count(*) AS n FROM streamsql.rejected;\n")
		text, err := out.CombinedOutput()
		require.NoError(t, err, "%s", text)
		require.Contains(t, string(text), fmt.Sprintf(" %d \n", r.c.rejected), "rejected rows are kept exactly once")
	}
}

func (r *killRound) command(t *testing.T, args ...string) *exec.Cmd {
	name, err := binary()
	require.NoError(t, err)
	cmd := exec.Command(name, args...)
	cmd.Dir = r.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// once starts the command and ends it in one way or another; it reports whether the command ended by itself, all its input read.
func (r *killRound) once(t *testing.T) (ended bool) {
	args := []string{"run", "k.sql", "--trigger", fmt.Sprintf("%dms", r.random.IntN(8))}
	last := r.killed >= r.kills
	if last && r.c.feed != nil {
		for r.c.feed(t, r) {
		}
		args = append(args, "--until-idle")
	}
	cmd := r.command(t, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	r.starts++
	events := r.watch(t)
	defer events.Close()
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	timeout := time.After(2 * time.Minute)
	if last {
		select {
		case err := <-exited:
			require.NoError(t, err, "%s", output.String())
		case <-timeout:
			cmd.Process.Kill()
			require.Fail(t, "the command does not end", "%s", output.String())
		}
		return true
	}
	signal, how := syscall.SIGKILL, "kill"
	if r.random.IntN(5) == 0 {
		signal, how = syscall.SIGTERM, "term"
	}
	// At a moment of the clock, or at one of the changes in the directories of the state and the sinks.
	moment := time.After(time.Duration(r.random.IntN(700)) * time.Millisecond)
	var changes int
	if r.starts > 1 && r.random.IntN(2) == 0 {
		changes = 1 + r.random.IntN(150)
		moment = time.After(10 * time.Second)
	}
	var feed <-chan time.Time
	if r.c.feed != nil {
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		feed = tick.C
	}
	for waiting := true; waiting; {
		select {
		case err := <-exited:
			require.NoError(t, err, "%s", output.String())
			return true
		case <-moment:
			waiting = false
		case <-feed:
			if !r.c.feed(t, r) {
				feed = nil
				moment = time.After(0)
			}
		case <-events.Events:
			if changes--; changes == 0 {
				waiting = false
			}
		case <-timeout:
			cmd.Process.Kill()
			require.Fail(t, "the command hangs", "%s", output.String())
		}
	}
	if r.c.feed != nil && r.random.IntN(4) == 0 {
		r.c.feed(t, r)
	}
	err := cmd.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) { // it ended at this very moment
		require.NoError(t, <-exited, "%s", output.String())
		return true
	}
	require.NoError(t, err)
	r.killed++
	select {
	case err = <-exited:
	case <-timeout:
		cmd.Process.Kill()
		require.Fail(t, "the command does not end after "+how, "%s", output.String())
	}
	fmt.Fprintf(&r.log, "%s after %d changes: %v %s\n", how, changes, err, strings.TrimSpace(output.String()))
	var status *exec.ExitError
	switch {
	case signal == syscall.SIGKILL && errors.As(err, &status) && status.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
	case signal == syscall.SIGTERM && errors.As(err, &status) && status.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM:
		// It came before the command could take it.
	case err == nil:
		// A clean end: what is committed can be seen.
		staged, err := filepath.Glob(filepath.Join(r.dir, "*", ".streamsql", "*.staged"))
		require.NoError(t, err)
		require.Empty(t, staged, "rows that a clean end left invisible; %s", output.String())
	default:
		require.NoError(t, err, "%s", output.String())
	}
	return false
}

// watch gives the changes in the directories that exist already.
func (r *killRound) watch(t *testing.T) *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	require.NoError(t, err)
	dirs, err := filepath.Glob(filepath.Join(r.dir, "*", ".streamsql"))
	require.NoError(t, err)
	for _, dir := range append(dirs, filepath.Join(r.dir, "k.streamsql")) {
		if _, err := os.Stat(dir); err == nil {
			require.NoError(t, w.Add(dir))
		}
	}
	return w
}

// look reads all visible files and compares them with the answer; before the end they may hold a part of it.
func (r *killRound) look(t *testing.T, want map[string]answer, end bool) {
	for name, w := range want {
		got := r.read(t, name)
		if end {
			require.Equal(t, w, got, "rows of %s (%d, wanted %d)", name, got.sum(), w.sum())
		}
		for row, n := range got {
			require.LessOrEqual(t, n, w[row], "%s holds the row %s %d times after kill %d", name, row, n, r.killed)
		}
	}
	for name, w := range r.c.chains {
		got := r.chain(t, name)
		if end {
			require.Equal(t, w, got, "last states of the groups of %s", name)
		}
	}
}

// files are the files of a sink that a plain glob sees, in the order of their making.
func (r *killRound) files(t *testing.T, name string) []string {
	var files []string
	err := filepath.WalkDir(filepath.Join(r.dir, name), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir():
			files = append(files, path)
		}
		return nil
	})
	require.NoError(t, err)
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return files
}

// read returns all rows that can be seen: values in the order of the columns, partition columns last, commas between.
func (r *killRound) read(t *testing.T, name string) answer {
	rows := answer{}
	for _, file := range r.files(t, name) {
		suffix := ""
		for _, part := range strings.Split(filepath.Dir(file), string(filepath.Separator)) {
			if _, value, ok := strings.Cut(part, "="); ok {
				suffix += "," + value
			}
		}
		before := rows.sum()
		for _, row := range readFile(t, file) {
			rows[row+suffix]++
		}
		require.Greater(t, rows.sum(), before, "%s holds no rows", file)
	}
	return rows
}

// readFile reads one whole file; whatever is not a complete one fails the test.
func readFile(t *testing.T, file string) []string {
	var rows []string
	switch filepath.Ext(file) {
	case ".json":
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, bytes.HasSuffix(data, []byte("\n")), "%s ends within a line", file)
		for line := range bytes.Lines(data) {
			rows = append(rows, jsonValues(t, file, line))
		}
	case ".csv":
		f, err := os.Open(file)
		require.NoError(t, err)
		defer f.Close()
		records, err := csv.NewReader(f).ReadAll()
		require.NoError(t, err, file)
		require.NotEmpty(t, records, "%s has no header", file)
		for _, record := range records[1:] {
			rows = append(rows, strings.Join(record, ","))
		}
	case ".parquet":
		db, err := streamsql.Open(streamsql.Options{})
		require.NoError(t, err)
		defer db.Close()
		ctx := context.Background()
		_, err = db.Exec(ctx, "CREATE SOURCE f WITH (connector = 'file', path = '"+file+"', on_error = 'fail')")
		require.NoError(t, err, file)
		q, err := db.Query(ctx, "SELECT * FROM f")
		require.NoError(t, err, file)
		defer q.Close()
		for q.Next() {
			var cells []string
			for i := range q.Columns() {
				text, _ := q.Text(i)
				cells = append(cells, text)
			}
			rows = append(rows, strings.Join(cells, ","))
		}
		require.NoError(t, q.Err(), file)
	default:
		require.Fail(t, "a file that is no result", file)
	}
	return rows
}

// jsonValues returns the values of an object in their order, commas between.
func jsonValues(t *testing.T, file string, line []byte) string {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var cells []string
	_, err := dec.Token()
	require.NoError(t, err, "%s: %s", file, line)
	for i := 0; dec.More(); i++ {
		token, err := dec.Token()
		require.NoError(t, err, "%s: %s", file, line)
		if i%2 == 1 {
			cells = append(cells, fmt.Sprint(token))
		}
	}
	_, err = dec.Token()
	require.NoError(t, err, "%s: %s", file, line)
	return strings.Join(cells, ",")
}

// chain reads change events whose first column is the key: each one begins where the one before it ended. It returns the last states.
func (r *killRound) chain(t *testing.T, name string) answer {
	last := map[string]string{}
	for _, file := range r.files(t, name) {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, bytes.HasSuffix(data, []byte("\n")), "%s ends within a line", file)
		for line := range bytes.Lines(data) {
			var event struct{ Before, After json.RawMessage }
			require.NoError(t, json.Unmarshal(line, &event), "%s: %s", file, line)
			after := jsonValues(t, file, event.After)
			key, _, _ := strings.Cut(after, ",")
			before := ""
			if string(event.Before) != "null" {
				before = jsonValues(t, file, event.Before)
			}
			require.Equal(t, last[key], before, "%s: a change does not follow the one before it: %s", file, line)
			last[key] = after
		}
	}
	states := answer{}
	for _, state := range last {
		states[state]++
	}
	return states
}

// generatorCase reads generated rows into three sinks.
func generatorCase() killCase {
	const events = 14000
	rows, windows := answer{}, answer{}
	type group struct{ n, sum, first int }
	byWindow, byKey := map[[2]int]*group{}, map[int]*group{}
	add := func(g *group, id int) *group {
		if g == nil {
			g = &group{first: id}
		}
		g.n, g.sum = g.n+1, g.sum+id
		return g
	}
	for id := range events {
		at := time.Date(2020, 1, 1, 0, 0, 0, id*10*int(time.Millisecond), time.UTC)
		if id%3 != 0 {
			rows[fmt.Sprintf("%d,%s,%d", id, at.Format("2006-01-02 15:04:05.999999"), id%5)]++
		}
		w := [2]int{id / 100, id % 5}
		byWindow[w] = add(byWindow[w], id)
		byKey[id%5] = add(byKey[id%5], id)
	}
	for w, g := range byWindow {
		at := time.Date(2020, 1, 1, 0, 0, w[0], 0, time.UTC)
		windows[fmt.Sprintf("%s,%d,%d,%d,%d", at.Format(time.DateTime), w[1], g.n, g.sum, g.first)]++
	}
	groups := answer{}
	for k, g := range byKey {
		groups[fmt.Sprintf("%d,%d,%d", k, g.n, g.sum)]++
	}
	return killCase{
		script: `
CREATE SOURCE g (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 second')
WITH (connector = 'datagen', events = ` + strconv.Itoa(events) + `, rate = 7000, 'fields.id.kind' = 'sequence', 'fields.ts.kind' = 'sequence',
      'fields.ts.start' = '2020-01-01 00:00:00', 'fields.ts.step' = '10 ms');
CREATE SINK rows WITH (connector = 'file', path = 'rows', format = 'json', roll_size = '10kB', roll_interval = '100 ms', partition_by = 'p')
AS SELECT id, ts, id % 5 AS p FROM g WHERE id % 3 <> 0;
CREATE SINK windows WITH (connector = 'file', path = 'windows', format = 'parquet', roll_size = '4kB', roll_interval = '50 ms')
AS SELECT window_start, id % 5 AS k, count(*) AS n, sum(id) AS s, min(id) AS lo
FROM TUMBLE(g, ts, INTERVAL '1 second') GROUP BY window_start, window_end, id % 5 EMIT ON WINDOW CLOSE;
CREATE SINK groups WITH (connector = 'file', path = 'groups', format = 'debezium_json', roll_size = '20kB', roll_interval = '100 ms')
AS SELECT id % 5 AS k, count(*) AS n, sum(id) AS s FROM g GROUP BY id % 5;`,
		want: func(*testing.T, *killRound) map[string]answer {
			return map[string]answer{"rows": rows, "windows": windows}
		},
		chains: map[string]answer{"groups": groups},
	}
}

// directoryCase reads files that grow, and new ones, in pieces that end anywhere. Some lines are no rows.
func directoryCase() killCase {
	const (
		lines  = 6000
		pieces = 400
		files  = 7
	)
	type group struct{ n, sum int }
	var texts [files]string
	rows, groups, byKey, bad := answer{}, answer{}, map[int]*group{}, 0
	for i := range lines {
		file := i * files / lines
		if i%1000 == 999 {
			texts[file] += "{\"id\": " + strconv.Itoa(i) + ", nonsense\n"
			bad++
			continue
		}
		texts[file] += fmt.Sprintf("{\"id\":%d,\"k\":\"k%d\",\"v\":%d.5}\n", i, i%4, i)
		rows[fmt.Sprintf("%d,%d.5,k%d", i, i, i%4)]++
		if byKey[i%11] == nil {
			byKey[i%11] = &group{}
		}
		byKey[i%11].n, byKey[i%11].sum = byKey[i%11].n+1, byKey[i%11].sum+i
	}
	for k, g := range byKey {
		groups[fmt.Sprintf("%d,%d,%d", k, g.n, g.sum)]++
	}
	all := strings.Join(texts[:], "")
	return killCase{
		script: `
CREATE SOURCE d (id INT, k TEXT, v DOUBLE) WITH (connector = 'file', path = 'in', format = 'json');
CREATE SINK rows WITH (connector = 'file', path = 'rows', format = 'csv', roll_size = '4kB', roll_interval = '100 ms', partition_by = 'k')
AS SELECT id, v, k FROM d;
CREATE SINK copy WITH (connector = 'file', path = 'copy', format = 'parquet', roll_size = '16kB', roll_interval = '30 ms') AS SELECT id, v, k FROM d;
CREATE SINK groups WITH (connector = 'file', path = 'groups', format = 'debezium_json', roll_size = '8kB', roll_interval = '60 ms')
AS SELECT id % 11 AS k, count(*) AS n, sum(id) AS s FROM d GROUP BY id % 11;`,
		want: func(*testing.T, *killRound) map[string]answer {
			return map[string]answer{"rows": rows, "copy": rows}
		},
		chains:   map[string]answer{"groups": groups},
		rejected: 2 * bad, // the file is read twice, with and without v and k
		feed: func(t *testing.T, r *killRound) bool {
			if r.fed == pieces {
				return false
			}
			from, to := len(all)*r.fed/pieces, len(all)*(r.fed+1)/pieces
			r.fed++
			at := 0
			for i, text := range texts {
				lo, hi := max(from, at), min(to, at+len(text))
				if lo < hi {
					f, err := os.OpenFile(filepath.Join(r.dir, "in", fmt.Sprintf("f%d.ndjson", i)), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
					require.NoError(t, err)
					_, err = f.WriteString(all[lo:hi])
					require.NoError(t, err)
					require.NoError(t, f.Close())
				}
				at += len(text)
			}
			return r.fed < pieces
		},
	}
}

// nexmarkCase compares with a run in memory that nobody disturbs.
func nexmarkCase() killCase {
	script := func(limit string) string {
		return `
CREATE SOURCE bid (WATERMARK FOR date_time AS date_time - INTERVAL '4 seconds')
WITH (connector = 'nexmark', table = 'bid', events = 12000, event_rate = 1000` + limit + `);
CREATE SINK hot WITH (connector = 'file', path = 'hot', format = 'json', roll_size = '2kB', roll_interval = '40 ms')
AS SELECT auction, window_start, count(*) AS n, max(price) AS top FROM HOP(bid, date_time, INTERVAL '2 seconds', INTERVAL '4 seconds')
GROUP BY auction, window_start, window_end EMIT ON WINDOW CLOSE;
CREATE SINK dear WITH (connector = 'file', path = 'dear', format = 'csv', roll_size = '3kB', roll_interval = '80 ms')
AS SELECT auction, bidder, price, date_time FROM bid WHERE price > 1000;`
	}
	var once sync.Once
	var want map[string]answer
	return killCase{
		script: script(", rate_limit = 6000"),
		want: func(t *testing.T, r *killRound) map[string]answer {
			once.Do(func() {
				calm := &killRound{dir: t.TempDir()}
				require.NoError(t, os.WriteFile(filepath.Join(calm.dir, "calm.sql"), []byte(script("")), 0o644))
				out, err := calm.command(t, "run", "calm.sql", "--memory", "--workers", "1").CombinedOutput()
				require.NoError(t, err, "%s", out)
				want = map[string]answer{"hot": calm.read(t, "hot"), "dear": calm.read(t, "dear")}
				require.Greater(t, want["hot"].sum(), 100)
				require.Greater(t, want["dear"].sum(), 100)
			})
			return want
		},
	}
}
