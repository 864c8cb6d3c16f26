package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// badSQL reads F in the format FMT with event time.
const badSQL = `CREATE SOURCE s (a INT NOT NULL, b TEXT, n NUMERIC(6,2), ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1 second')
WITH (connector = 'file', path = '${F}', format = '${FMT:-json}');
CREATE SINK o WITH (connector = 'file', path = 'o', format = 'csv') AS SELECT a, b, n, ts FROM s;
CREATE SINK w WITH (connector = 'file', path = 'w', format = 'csv')
AS SELECT window_start, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '10 seconds') WHERE ts IS NOT NULL GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
`

// bad runs badSQL over a file and returns the sorted rows of o without their header, the windows, and the reasons of rejected rows by operator.
func bad(t *testing.T, b *box, file, format string) (rows, windows []string, rejected string) {
	b.write("bad.sql", badSQL)
	b.env = []string{"F=" + file, "FMT=" + format}
	o := b.run("", "run", "bad.sql")
	require.Zero(t, o.code, o.errors)
	lines := func(pattern, header string) []string {
		return slices.DeleteFunc(strings.Split(b.read(pattern), "\n"), func(s string) bool { return s == "" || s == header })
	}
	list := b.run("SELECT reason, code, position, message FROM streamsql.rejected WHERE operator LIKE 'Scan%' OR reason = 'ahead';\n", "shell", "--data-dir", "bad.streamsql")
	require.Zero(t, list.code, list.errors)
	return lines("o/*.csv", "a,b,n,ts"), lines("w/*.csv", "window_start,n"), list.out
}

func TestBadJSON(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	lines := []struct{ line, row, code string }{
		{`{"a":1,"b":"x","n":1.5,"ts":"2020-01-01 00:00:01"}`, `1,x,1.50,2020-01-01 00:00:01`, ""},
		{`{"a":"x","b":"wrong type"}`, "", "22P02"},
		{`{"b":"a is missing"}`, "", "23502"},
		{`{"a":null}`, "", "23502"},
		{`{"a":2,"more":[1,{"z":[]}],"ts":"2020-01-01 00:00:02"}`, `2,,,2020-01-01 00:00:02`, ""},
		{`{"a":3,"ts":"9999-12-31 00:00:00"}`, "", "22008"},
		{`{"a":4,"ts":"infinity"}`, "", "22008"},
		{`{"a":5,"ts":"0044-03-15 00:00:00 BC"}`, `5,,,0044-03-15 00:00:00 BC`, ""},
		{`{"a":99999999999}`, "", "22003"},
		{`{"a":6,"n":123456.789}`, "", "22003"},
		{`[1,2]`, "", "22032"},
		{`{"a":7`, "", "22032"},
		{`null`, "", "22032"},
		{`{"a":8,"b":"\ud800"}`, "", "22032"},
		{`{"a":9,"ts":"2020-13-45 00:00:00"}`, "", "22008"},
		{"{\"a\":10,\"b\":\"\xff\xfe\"}", "", "22021"},
		{`{"a":11,"ts":"2020-01-01 00:00:15"}`, `11,,,2020-01-01 00:00:15`, ""},
		{`{"a":12,"b":"no line break, no time"}`, `12,"no line break, no time",,`, ""},
	}
	var text strings.Builder
	var want, codes []string
	for i, l := range lines {
		if l.row != "" {
			want = append(want, l.row)
		}
		if l.code != "" {
			codes = append(codes, fmt.Sprintf("| %s | in.ndjson@%d ", l.code, text.Len()))
		}
		text.WriteString(l.line)
		if i < len(lines)-1 {
			text.WriteString("\n")
		}
	}
	b.write("in.ndjson", text.String())
	rows, windows, rejected := bad(t, b, "in.ndjson", "json")
	require.Equal(t, want, rows)
	require.Equal(t, []string{"2020-01-01 00:00:00,2", "2020-01-01 00:00:10,1"}, windows, "times ahead do not move the watermark")
	for _, c := range codes {
		require.Contains(t, strings.Join(strings.Fields(rejected), " "), strings.Join(strings.Fields(c), " "))
	}
}

// Files that are damaged or not what they are called: what can be read is read, the rest is one rejected record.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	var plain strings.Builder
	for i := range 30000 {
		fmt.Fprintf(&plain, "{\"a\":%d,\"b\":\"%x\"}\n", i, i*7919)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte(plain.String()))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	long := strings.Repeat("x", 100_000_000)
	for _, c := range []struct {
		file, text, format string
		rows               int // -1: some
		says               []string
	}{
		{"cut.ndjson.gz", zipped.String()[:zipped.Len()*2/3], "json", -1, []string{"XX001", "ends too early"}},
		{"no.ndjson.gz", strings.Repeat("not gzip at all\n", 100), "json", 0, []string{"XX001", "no.ndjson.gz"}},
		{"long.ndjson", "{\"a\":1}\n{\"a\":2,\"b\":\"" + long + "\"}\n{\"a\":3}\n", "json", 2, []string{"long.ndjson@8", "100000015 bytes"}},
		{"quote.csv", "1,x,,\n2,\"never closed\n3,y,,\n", "csv", 1, []string{"22P04", "quote.csv@6"}},
		{"wide.csv", "1,x,,\n2,y\n3,a,b,c,d,e\n", "csv", -1, []string{"wide.csv"}},
		{"no.parquet", strings.Repeat("PAR1 not", 500), "parquet", 0, []string{"XX001", "no.parquet"}},
		{"empty.parquet", "", "parquet", 0, []string{"XX001", "empty.parquet"}},
		{"empty.csv", "", "csv", 0, nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			b := newBox(t, c.file, c.text)
			rows, _, rejected := bad(t, b, c.file, c.format)
			if c.rows < 0 {
				require.NotEmpty(t, rows)
			} else {
				require.Len(t, rows, c.rows)
			}
			for _, s := range c.says {
				require.Contains(t, rejected, s)
			}
		})
	}
}

// A file that is taken away while it waits to be read is an error that names it, or its rows came before; the next run goes on.
func TestVanishedFile(t *testing.T) {
	t.Parallel()
	b := newBox(t, "d.sql", strings.Replace(rowsSQL, "in.ndjson", "in", 1), "in/1.ndjson", "{\"a\":1,\"b\":\"x\"}\n")
	require.Zero(t, b.run("", "run", "d.sql", "--until-idle").code)
	require.NoError(t, os.Remove(filepath.Join(b.dir, "in", "1.ndjson")))
	b.write("in/2.ndjson", "{\"a\":2,\"b\":\"x\"}\n")
	o := b.run("", "run", "d.sql", "--until-idle")
	require.Zero(t, o.code, o.errors)
	require.Equal(t, "1,x\n2,x\n", strings.ReplaceAll(b.read("out/*.csv"), "a,b\n", ""))

	require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "in")))
	o = b.run("", "run", "d.sql", "--until-idle")
	require.Equal(t, 1, o.code, o.errors)
	require.Contains(t, o.errors, `"in"`)
	require.Contains(t, o.errors, "no such file or directory")
}

const manySQL = `CREATE SOURCE g (id BIGINT, t TEXT) WITH (connector = 'datagen', events = 40000, 'fields.id.kind' = 'sequence', 'fields.t.length' = 100);
CREATE SINK c WITH (connector = 'file', path = 'full/o', format = 'csv', roll_size = '200kB') AS SELECT id, t FROM g;
`

// once checks that the files of a sink hold the ids 0 to n-1, each one time.
func (b *box) once(pattern string, n int) {
	seen := make([]int, n)
	for line := range strings.Lines(b.read(pattern)) {
		id, _, _ := strings.Cut(line, ",")
		if id == "id" {
			continue
		}
		i, err := strconv.Atoi(id)
		require.NoError(b.t, err, line)
		seen[i]++
	}
	for i, c := range seen {
		require.Equal(b.t, 1, c, "row %d", i)
	}
}

// A full disk ends the run with an error, or the sink waits; when there is room again, the next run delivers everything once.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	b := newBox(t, "many.sql", manySQL)
	full := filepath.Join(b.dir, "full")
	require.NoError(t, os.Mkdir(full, 0o755))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", full).CombinedOutput(); err != nil {
		t.Skipf("mount: %s", out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", full).Run() }) //nolint:errcheck // it was mounted

	o := b.run("", "run", "many.sql", "--data-dir", "full/state") // the log and the sink on it
	require.Equal(t, 1, o.code, o.errors)
	require.Contains(t, o.errors, "no space left on device")
	o = b.run("", "run", "many.sql", "--data-dir", "full/state") // again: no damage
	require.Equal(t, 1, o.code, o.errors)
	require.Contains(t, o.errors, "no space left on device")
	require.NoError(t, exec.Command("mount", "-o", "remount,size=60m", full).Run())
	o = b.run("", "run", "many.sql", "--data-dir", "full/state")
	require.Zero(t, o.code, o.errors)
	b.once("full/o/*.csv", 40000)
}

// The sink's disk is full and the log's is not: the run waits, is stopped, and says what is left to do.
func TestFullDiskOfASink(t *testing.T) {
	t.Parallel()
	b := newBox(t, "many.sql", manySQL)
	b.write("full/o", "a file where the directory should be, for whoever has no small disk")
	cmd := b.command("run", "many.sql", "-q")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timeout := time.After(time.Minute)
	stop := time.After(500 * time.Millisecond)
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-stop:
			cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		case <-timeout:
			cmd.Process.Kill()
			require.Fail(t, "it hangs", errs.String())
		}
	}
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), errs.String())
	require.Contains(t, errs.String(), "not a directory")
	require.NoError(t, os.Remove(filepath.Join(b.dir, "full", "o")))
	o := b.run("", "run", "many.sql")
	require.Zero(t, o.code, o.errors)
	b.once("full/o/*.csv", 40000)
}

// A process may not write files beyond a size: the same as a full disk, for everyone.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	b := newBox(t, "many.sql", manySQL)
	name, err := binary()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", "ulimit -f 256; trap '' XFSZ; exec "+name+" run many.sql --data-dir st")
	cmd.Dir = b.dir
	o := b.wait(cmd, "")
	require.Equal(t, 1, o.code, o.errors)
	require.Contains(t, o.errors, "file too large")
	o = b.run("", "run", "many.sql", "--data-dir", "st")
	require.Zero(t, o.code, o.errors)
	b.once("full/o/*.csv", 40000)
}

// Without rights: an error that names what cannot be touched.
func TestNoRights(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("running as another user needs root")
	}
	b := newBox(t, "rows.sql", rowsSQL, "in.ndjson", "{\"a\":1,\"b\":\"x\"}\n", "secret.sql", strings.NewReplacer("in.ndjson", "secret", "'out'", "'anybody'").Replace(rowsSQL), "secret", "{}\n")
	// In secret.sql only the source is out of reach: of two failures either may be the first.
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, "anybody"), 0o777))
	require.NoError(t, os.Chmod(filepath.Join(b.dir, "anybody"), 0o777))
	require.NoError(t, os.Chmod(filepath.Join(b.dir, "secret"), 0o600))
	name, err := binary()
	require.NoError(t, err)
	for dir := b.dir; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	require.NoError(t, os.Chmod(filepath.Dir(name), 0o755))
	for args, says := range map[string]string{
		"run rows.sql":            `"rows.streamsql": mkdir rows.streamsql: permission denied`,
		"run rows.sql --memory":   `make directory "out": mkdir out: permission denied`,
		"run secret.sql --memory": `open "secret": permission denied`,
		"run secret":              `read "secret": permission denied`,
		"check secret":            "",
	} {
		cmd := b.command(strings.Fields(args)...)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		o := b.wait(cmd, "")
		require.Equal(t, 1, o.code, "%s\n%s\n%s", args, o.out, o.errors)
		require.Contains(t, o.errors, says, args)
	}
}

// Whatever is wrong with a data directory, the answer names the file, and nothing is changed.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	b := newBox(t, "rows.sql", rowsSQL, "in.ndjson", "{\"a\":1,\"b\":\"x\"}\n")
	require.Zero(t, b.run("", "run", "rows.sql").code)
	names, err := filepath.Glob(filepath.Join(b.dir, "rows.streamsql", "*"))
	require.NoError(t, err)
	state := map[string][]byte{}
	for _, name := range names {
		state[filepath.Base(name)], err = os.ReadFile(name)
		require.NoError(t, err)
	}
	attempt := func(what string, change func(dir string)) {
		dir := filepath.Join(b.dir, "st")
		require.NoError(t, os.RemoveAll(dir))
		for name, data := range state {
			b.write(filepath.Join("st", name), string(data))
		}
		change(dir)
		before := b.read("st/*")
		o := b.run("", "run", "rows.sql", "--data-dir", "st")
		require.Equal(t, 1, o.code, "%s: %s", what, o.errors)
		require.Contains(t, o.errors, "st/", what)
		require.NotContains(t, b.read("st/*"), "a\x00b", what)
		require.Subset(t, strings.Split(b.read("st/*"), "\n"), strings.Split(before, "\n")[:1], what)
	}
	for name, data := range state {
		if name == "lock" {
			continue
		}
		flipped := bytes.Clone(data)
		flipped[len(data)/2] ^= 0x20
		attempt(name+" damaged", func(dir string) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), flipped, 0o644)) })
		attempt(name+" gone", func(dir string) { require.NoError(t, os.Remove(filepath.Join(dir, name))) })
		attempt(name+" empty", func(dir string) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644)) })
	}
	attempt("foreign", func(dir string) {
		require.NoError(t, os.RemoveAll(dir))
		b.write("st/notes.txt", "mine")
	})
	require.Equal(t, "mine", b.read("st/notes.txt"))
	require.Equal(t, "a,b\n1,x\n", b.read("out/*.csv"), "what was committed is as it was")
}
