package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// box is a directory of its own in which the real command runs.
type box struct {
	t   *testing.T
	dir string
	env []string
}

func newBox(t *testing.T, files ...string) *box {
	b := &box{t: t, dir: t.TempDir()}
	for i := 0; i < len(files); i += 2 {
		b.write(files[i], files[i+1])
	}
	return b
}

func (b *box) write(name, text string) {
	full := filepath.Join(b.dir, name)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(b.t, os.WriteFile(full, []byte(text), 0o644))
}

func (b *box) read(pattern string) string {
	names, err := filepath.Glob(filepath.Join(b.dir, pattern))
	require.NoError(b.t, err)
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(b.t, err)
		all.Write(data)
	}
	return all.String()
}

type outcome struct {
	code        int // -1: by a signal
	out, errors string
}

func (b *box) command(args ...string) *exec.Cmd {
	name, err := binary()
	require.NoError(b.t, err)
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), b.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs the command to its end, which must come.
func (b *box) run(stdin string, args ...string) outcome {
	return b.wait(b.command(args...), stdin)
}

func (b *box) wait(cmd *exec.Cmd, stdin string) outcome {
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	require.NoError(b.t, cmd.Start())
	hung := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	cmd.Wait() //nolint:errcheck // the code tells
	require.True(b.t, hung.Stop(), "%v hangs:\n%s\n%s", cmd.Args, out.String(), errs.String())
	o := outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
	require.NotContains(b.t, o.errors, "goroutine ", "a panic")
	return o
}

const (
	rowsSQL = `CREATE SOURCE s (a INT, b TEXT) WITH (connector = 'file', path = 'in.ndjson', format = 'json');
CREATE SINK o WITH (connector = 'file', path = 'out', format = 'csv') AS SELECT a, b FROM s;
`
	endless = `CREATE SOURCE g (id BIGINT) WITH (connector = 'datagen', rate = 200, 'fields.id.kind' = 'sequence');
CREATE SINK c WITH (connector = 'console') AS SELECT id FROM g;
`
	growing = `CREATE SOURCE s (a INT, b TEXT) WITH (connector = 'file', path = 'in', format = 'json', watch = true);
CREATE SINK o WITH (connector = 'blackhole') AS SELECT b, count(*) AS n FROM s GROUP BY b;
`
)

// What the command answers to right and wrong uses: its code, and what must be found in its output and among its errors.
func TestCommands(t *testing.T) {
	files := []string{
		"one.sql", "SELECT 1 + 1 AS two, 'ü' AS word;\n",
		"bad.sql", "CREATE SOURCE s (a INT) WITH (connector = 'fiel', path = 'x');\nSELEC 1;\nSELECT b FROM (SELECT 1 AS a) x;\n",
		"grow.sql", growing,
		"rows.sql", rowsSQL, "in.ndjson", "{\"a\":1,\"b\":\"x\"}\n",
		"var.sql", "SELECT '${STREAMSQL_TEST_A:-dflt}' AS v, '${STREAMSQL_TEST_B}' AS w;\n",
		"zero.sql", "CREATE SOURCE s (a INT, b TEXT) WITH (connector = 'file', path = 'in.ndjson', format = 'json', on_error = 'fail');\nSELECT 1 / (a - 1) AS x FROM s;\n",
		"my.sql", "SELECT 1 AS `a b`;\n",
		"deep.sql", "SELECT " + strings.Repeat("(", 100000) + "1;\n",
		"good.slt", "query\nSELECT 1 + 1\n----\n2\n",
		"wrong.slt", "query\nSELECT 1 + 1\n----\n3\n",
		"missing.sql", strings.Replace(rowsSQL, "in.ndjson", "nowhere.ndjson", 1),
		"bin.sql", "SELECT 1;\x00\xff\xfe",
		"empty.sql", " -- nothing\n",
	}
	cases := []struct {
		args    string
		stdin   string
		code    int
		out     []string // parts of standard output
		errors  []string // parts of standard error
		noState bool     // no data directory may be left
	}{
		{args: "", out: []string{"streamsql run FILE.sql", "Available Commands"}},
		{args: "--help", out: []string{"streamsql run FILE.sql"}},
		{args: "version", out: []string{"streamsql "}},
		{args: "--version", out: []string{"streamsql "}},
		{args: "version now", code: 2, errors: []string{`takes no arguments, found "now"`}},
		{args: "rnu one.sql", code: 2, errors: []string{`unknown command "rnu"`, `did you mean "streamsql run"?`}},
		{args: "one.sql", code: 2, errors: []string{`unknown command "one.sql"`, `"streamsql run one.sql"`}},
		{args: "run", code: 2, errors: []string{"run needs a script", "--help"}},
		{args: "run --migrat one.sql", code: 2, errors: []string{"unknown flag: --migrat", "did you mean --migrate?"}},
		{args: "run --workers=-1 one.sql", code: 2, errors: []string{"--workers is -1"}},
		{args: "run --memory-limit lots one.sql", code: 2, errors: []string{`--memory-limit is "lots"`}},
		{args: "run --log-level loud one.sql", code: 2, errors: []string{`--log-level is "loud"`}},
		{args: "run --memory --data-dir x one.sql", code: 2, errors: []string{"exclude each other"}},
		{args: "run --dialect klingon --memory one.sql", code: 2, errors: []string{"klingon", "wanted native or mysql"}},
		{args: "run -", stdin: "SELECT 1;", code: 2, errors: []string{"standard input needs --data-dir or --memory"}},
		{args: "run - --memory", stdin: "SELECT 40 + 2 AS n;", out: []string{" 42 \n(1 row)"}},
		{args: "run one.sql --memory", out: []string{" two | word \n", "   2 | ü\n", "(1 row)"}, noState: true},
		{args: "run nothing.sql", code: 1, errors: []string{`read "nothing.sql": no such file or directory`}, noState: true},
		{args: "run .", code: 1, errors: []string{`read ".": is a directory`}, noState: true},
		{args: "run bad.sql", code: 1, errors: []string{"bad.sql:2:1: ", "  SELEC 1;\n  ~~~~~\n"}, noState: true},
		{args: "run bin.sql --memory", code: 1, errors: []string{"bin.sql:1:"}},
		{args: "run deep.sql --memory", code: 1, errors: []string{"deep.sql:1:"}},
		{args: "run empty.sql --memory"},
		{args: "run missing.sql --memory", code: 1, errors: []string{`open "nowhere.ndjson": no such file or directory`}},
		{args: "run zero.sql --memory", code: 1, errors: []string{"zero.sql", "division by zero"}},
		{args: "run rows.sql --data-dir one.sql", code: 1, errors: []string{`"one.sql"`, "not a directory"}},
		{args: "run rows.sql --memory --listen nowhere:port", code: 1, errors: []string{`listen on "nowhere:port"`}},
		{args: "run var.sql --memory", code: 1, errors: []string{`var.sql:1:43: variable "STREAMSQL_TEST_B" is not set`}},
		{args: "run my.sql --memory --dialect mysql", out: []string{"a b"}},
		{args: "check one.sql", out: []string{"one.sql: ok\n"}, noState: true},
		{args: "check", code: 2, errors: []string{"check needs a script"}},
		{args: "check nothing.sql one.sql", code: 1, out: []string{"nothing.sql: read: no such file or directory\n"}},
		{args: "check bad.sql", code: 1, out: []string{
			"bad.sql:1:", "connector \"fiel\" does not exist", "did you mean \"file\"?\nbad.sql:2:1: ", "did you mean SELECT?\nbad.sql:3:8: column \"b\" does not exist"}},
		{args: "check --json bad.sql", code: 1, out: []string{
			`{"severity":"error","file":"bad.sql","line":1,`, `"code":"42704"`, `{"severity":"error","file":"bad.sql","line":3,"column":8,"code":"42703"`}},
		{args: "check grow.sql", out: []string{"grow.sql:2:1: warning: state can grow for ever", "Aggregate by b", "hint: declare WATERMARK"}},
		{args: "check --strict grow.sql", code: 1, out: []string{"warning: state can grow for ever"}},
		{args: "check --json grow.sql", out: []string{`{"severity":"warning","file":"grow.sql","line":2,`}},
		{args: "explain grow.sql", out: []string{"-- sink o\n", "Aggregate by b: count(*)", "Scan s"}},
		{args: "explain bad.sql", code: 1, errors: []string{"bad.sql:2:1: "}},
		{args: "explain -v grow.sql", out: []string{"grows: it keeps every group for ever"}},
		{args: "test good.slt", out: []string{"1 passed, 0 failed\n"}},
		{args: "test good.slt wrong.slt", code: 1, out: []string{"wrong.slt", "1 passed, 1 failed\n"}},
		{args: "test nothing.slt", code: 2, errors: []string{"nothing.slt"}},
		{args: "state", out: []string{"rollback", "savepoint", "versions"}},
		{args: "state version", code: 2, errors: []string{`did you mean "streamsql state versions"?`}},
		{args: "state versions", code: 2, errors: []string{"needs a data directory"}},
		{args: "state versions nowhere", code: 1, errors: []string{`no state directory at "nowhere"`}, noState: true},
		{args: "state rollback nowhere x", code: 2, errors: []string{`epoch is "x"`}},
		{args: "shell extra", code: 2, errors: []string{"shell takes no arguments"}},
		{args: "shell", stdin: "SELECT 1 AS a;\nSELECT\n  2 AS b -- ;\n;\n\\d\n", out: []string{" a \n", " 1 \n", " b \n", " 2 \n"}},
		{args: "shell", stdin: "SELECT 7 AS seven", out: []string{" 7 \n"}},
		{args: "shell", stdin: "SELECT nope;\nSELECT 5 AS five;\n", code: 1, errors: []string{`column "nope" does not exist`}},
		{args: "shell", stdin: "\\q\nSELECT nope;\n"},
		{args: "shell", stdin: "\\nonsense\nSELECT 5 AS five;\n", out: []string{" 5 \n"}, errors: []string{`unknown command \nonsense`}},
		{args: "shell", stdin: "SELECT length('" + strings.Repeat("ü", 300000) + "') AS n;\n", out: []string{" 300000 \n"}},
		{args: "shell", stdin: "\\i nothing.sql\n", code: 1, errors: []string{"nothing.sql"}},
		{args: "shell", stdin: "\\i one.sql\n", out: []string{"ü"}},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.args, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := newBox(t, files...)
			o := b.run(c.stdin, strings.Fields(c.args)...)
			require.Equal(t, c.code, o.code, "%s\n%s", o.out, o.errors)
			for _, part := range c.out {
				require.Contains(t, o.out, part)
			}
			for _, part := range c.errors {
				require.Contains(t, o.errors, part)
			}
			if c.code != 0 && c.out == nil {
				require.NotEmpty(t, o.errors, "a failure says why")
			}
			if c.noState {
				left, err := filepath.Glob(filepath.Join(b.dir, "*.streamsql"))
				require.NoError(t, err)
				require.Empty(t, left)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	b := newBox(t, "v.sql", "SELECT '${STREAMSQL_TEST_A:-dflt}' AS v, '$${x}' AS w;\n")
	require.Contains(t, b.run("", "run", "v.sql", "--memory").out, " dflt | ${x}")
	b.env = []string{"STREAMSQL_TEST_A=given"}
	require.Contains(t, b.run("", "run", "v.sql", "--memory").out, " given | ${x}")
}

// The same script goes on; a changed one stops with its difference, and --migrate changes what differs.
func TestChangedScript(t *testing.T) {
	t.Parallel()
	b := newBox(t, "r.sql", rowsSQL, "in.ndjson", "{\"a\":1,\"b\":\"x\"}\nnonsense\n")
	require.Zero(t, b.run("", "run", "r.sql").code)
	require.Zero(t, b.run("", "run", "r.sql").code)
	require.Equal(t, "a,b\n1,x\n", b.read("out/*.csv"))
	b.write("r.sql", "-- a comment and other spaces change nothing\n\n"+strings.ReplaceAll(rowsSQL, ", ", ",   "))
	require.Zero(t, b.run("", "run", "r.sql").code)

	b.write("r.sql", strings.Replace(rowsSQL, "SELECT a, b", "SELECT b, a + 1 AS a", 1))
	o := b.run("", "run", "r.sql")
	require.Equal(t, 1, o.code)
	require.Contains(t, o.errors, "the script has changed")
	require.Contains(t, o.errors, "--migrate")
	require.Contains(t, o.errors, "change sink o\n")
	require.Equal(t, "a,b\n1,x\n", b.read("out/*.csv"), "a refused script touches nothing")

	list := b.run("SELECT reason, raw FROM streamsql.rejected;\n", "shell", "--data-dir", "r.streamsql")
	require.Contains(t, list.out, " decode | nonsense\n(1 row)")
	versions := b.run("", "state", "versions", "r.streamsql")
	require.Zero(t, versions.code, versions.errors)
	require.Zero(t, b.run("", "state", "savepoint", "r.streamsql", "point.streamsql").code)
	require.Equal(t, 1, b.run("", "state", "rollback", "r.streamsql", "123456").code)
	b.write("r.sql", rowsSQL)
	require.Zero(t, b.run("", "run", "r.sql", "--data-dir", "point.streamsql").code)
	require.Equal(t, "a,b\n1,x\n", b.read("out/*.csv"))
}

func TestUntilIdle(t *testing.T) {
	t.Parallel()
	b := newBox(t, "w.sql", strings.Replace(rowsSQL, "in.ndjson", "in", 1), "in/1.ndjson", "{\"a\":1,\"b\":\"x\"}\n")
	require.Zero(t, b.run("", "run", "w.sql", "--until-idle").code)
	b.write("in/1.ndjson", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"x\"}\n")
	b.write("in/2.ndjson", "{\"a\":3,\"b\":\"x\"}\n{\"a\":4,")
	require.Zero(t, b.run("", "run", "w.sql", "--until-idle").code)
	b.write("in/2.ndjson", "{\"a\":3,\"b\":\"x\"}\n{\"a\":4,\"b\":\"y\"}\n")
	require.Zero(t, b.run("", "run", "w.sql", "--until-idle").code)
	require.Equal(t, "1,x\n2,x\n3,x\n4,y\n", strings.ReplaceAll(b.read("out/*.csv"), "a,b\n", ""))
}

// running is a command that goes on.
type running struct {
	*exec.Cmd
	out    *bufio.Reader
	errors bytes.Buffer
}

func (b *box) start(args ...string) *running {
	r := &running{Cmd: b.command(args...)}
	out, err := r.StdoutPipe()
	require.NoError(b.t, err)
	r.Stderr = &r.errors
	r.out = bufio.NewReader(out)
	require.NoError(b.t, r.Start())
	hung := time.AfterFunc(time.Minute, func() { r.Process.Kill() })
	b.t.Cleanup(func() {
		hung.Stop()
		r.Process.Kill()
		r.Wait() //nolint:errcheck // it may have ended
	})
	return r
}

func (b *box) until(r *running, part string) {
	for {
		line, err := r.out.ReadString('\n')
		require.NoError(b.t, err, "the command ended before it said %q", part)
		if strings.Contains(line, part) {
			return
		}
	}
}

// end waits for the end after a signal.
func (b *box) end(r *running) int {
	io.Copy(io.Discard, r.out) //nolint:errcheck // to the end
	r.Wait()                   //nolint:errcheck // the code tells
	return r.ProcessState.ExitCode()
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	b := newBox(t, "e.sql", endless)
	r := b.start("run", "e.sql")
	b.until(r, "| 10")
	for _, args := range [][]string{{"run", "e.sql"}, {"state", "versions", "e.streamsql"}, {"shell", "--data-dir", "e.streamsql"}} {
		o := b.run("", args...)
		require.Equal(t, 1, o.code)
		require.Contains(t, o.errors, `"e.streamsql" is in use by process`)
	}
	b.until(r, "| 50")
	require.NoError(t, r.Process.Signal(syscall.SIGTERM))
	require.Zero(t, b.end(r), r.errors.String())
	require.Contains(t, r.errors.String(), "| epoch ")
	require.Zero(t, b.run("SELECT 1;", "shell", "--data-dir", "e.streamsql").code, "the lock is free")
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	b := newBox(t, "e.sql", strings.Split(endless, "\n")[0]+"\nSELECT id FROM g EMIT CHANGES;\n")
	r := b.start("run", "e.sql", "-q")
	b.until(r, "| 10")
	require.NoError(t, r.Process.Signal(syscall.SIGINT))
	require.Zero(t, b.end(r), r.errors.String())
	require.Empty(t, r.errors.String())
}

// Who reads the output may go away.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	b := newBox(t, "e.sql", endless)
	r := b.command("run", "e.sql", "--memory", "-q")
	read, write, err := os.Pipe()
	require.NoError(t, err)
	r.Stdout = write
	require.NoError(t, r.Start())
	write.Close()
	_, err = bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	read.Close()
	hung := time.AfterFunc(time.Minute, func() { r.Process.Kill() })
	require.Error(t, r.Wait())
	require.True(t, hung.Stop(), "it goes on")
}

func TestListen(t *testing.T) {
	t.Parallel()
	b := newBox(t, "e.sql", endless)
	r := b.command("run", "e.sql", "--memory", "--listen", "127.0.0.1:0")
	errs, err := r.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, r.Start())
	defer func() {
		r.Process.Kill()
		r.Wait() //nolint:errcheck // killed
	}()
	line, err := bufio.NewReader(errs).ReadString('\n')
	require.NoError(t, err)
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	require.NotEmpty(t, url, line)
	get := func(path string) (int, string) {
		resp, err := http.Get(url + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, body := get("/healthz")
	require.Equal(t, "ok\n", body)
	require.Equal(t, 200, status)
	deadline := time.Now().Add(30 * time.Second)
	for read := regexp.MustCompile(`(?m)^streamsql_rows_read_total [1-9]`); ; {
		if _, body = get("/metrics"); read.MatchString(body) {
			break
		}
		require.True(t, time.Now().Before(deadline), body)
	}
	for _, name := range []string{"streamsql_epoch ", "streamsql_job_up{job=\"c\"} 1", "streamsql_memory_bytes{use=\"state\"}", "go_goroutines", "process_resident_memory_bytes"} {
		require.Contains(t, body, name)
	}
	status, _ = get("/nothing")
	require.Equal(t, 404, status)
}
