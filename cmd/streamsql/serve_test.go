package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// served is a running "streamsql serve".
type served struct {
	*running
	pg, http string // addresses
}

func (b *box) serve(args ...string) *served {
	b.t.Helper()
	r := &running{Cmd: b.command(append([]string{"serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, args...)...)}
	errs, err := r.StderrPipe()
	require.NoError(b.t, err)
	r.out = bufio.NewReader(errs) // standard error is what is read here
	require.NoError(b.t, r.Start())
	hung := time.AfterFunc(time.Minute, func() { r.Process.Kill() })
	b.t.Cleanup(func() {
		hung.Stop()
		r.Process.Kill()
		r.Wait() //nolint:errcheck // it may have ended
	})
	s := &served{running: r}
	for _, to := range []*string{&s.pg, &s.http} {
		line, err := r.out.ReadString('\n')
		require.NoError(b.t, err, line)
		*to = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindString(line)
		require.NotEmpty(b.t, *to, line)
	}
	return s
}

func (s *served) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), "postgres://me@"+s.pg+"/db")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func (s *served) post(t *testing.T, query string) string {
	t.Helper()
	r, err := http.Post("http://"+s.http+"/v1/sql", "application/json", strings.NewReader(`{"query": "`+query+`"}`))
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(body)
}

const countsSQL = "CREATE MATERIALIZED VIEW counts AS SELECT v, count(*) AS n FROM t GROUP BY v;\n"

// TestServe: one engine behind the wire and HTTP; what clients make lasts beside what the script makes, over a clean end.
func TestServe(t *testing.T) {
	t.Parallel()
	b := newBox(t, "s.sql", "CREATE TABLE t (k INT PRIMARY KEY, v TEXT);\n"+countsSQL)
	s := b.serve("s.sql")
	ctx := context.Background()
	c := s.connect(t)
	_, err := c.Exec(ctx, "INSERT INTO t VALUES ($1, $2), (2, 'a'), (3, 'b')", 1, "a")
	require.NoError(t, err)
	_, err = c.Exec(ctx, "CREATE MATERIALIZED VIEW mine AS SELECT sum(n) AS total FROM counts")
	require.NoError(t, err)
	require.Contains(t, s.post(t, "SELECT * FROM counts ORDER BY n DESC"), `"rows":[["a",2],["b",1]]`)
	require.Contains(t, s.post(t, "SELECT total FROM mine"), `"rows":[[3]]`)
	for _, path := range []string{"/healthz", "/metrics"} {
		r, err := http.Get("http://" + s.http + path)
		require.NoError(t, err)
		r.Body.Close()
		require.Equal(t, 200, r.StatusCode)
	}
	require.NoError(t, s.Process.Signal(syscall.SIGTERM))
	require.Zero(t, b.end(s.running))
	require.Error(t, c.Ping(ctx))

	again := b.serve("s.sql") // the same script changes nothing
	require.Contains(t, again.post(t, "SELECT total FROM mine"), `"rows":[[3]]`)
	require.NoError(t, again.Process.Signal(syscall.SIGINT))
	require.Zero(t, b.end(again.running))

	b.write("s.sql", "CREATE TABLE t (k INT PRIMARY KEY, v TEXT);\n"+strings.Replace(countsSQL, "count(*)", "max(k)", 1))
	o := b.run("", "serve", "s.sql", "--listen", "127.0.0.1:0", "--http", "off")
	require.Equal(t, 1, o.code)
	require.Contains(t, o.errors, "the script has changed")
	require.Contains(t, o.errors, "change materialized view counts")

	bare := b.serve("--data-dir", "s.streamsql") // no script: everything as it is
	require.Contains(t, bare.post(t, "SELECT n FROM counts WHERE v = 'a'"), `"rows":[[2]]`)
}

func TestServeWrongly(t *testing.T) {
	t.Parallel()
	b := newBox(t, "users", "ann:pw\n", "bad", "ann\n")
	for _, x := range []struct {
		args []string
		want string
	}{
		{nil, "serve needs --data-dir, --memory or a script"},
		{[]string{"--memory", "--listen", "0.0.0.0:0"}, "--listen 0.0.0.0:0 can be reached from other machines, which needs --password-file"},
		{[]string{"--memory", "--http", ":0"}, "--http :0 can be reached from other machines, which needs --password-file"},
		{[]string{"--memory", "--listen", "nonsense"}, `--listen is "nonsense", wanted host:port`},
		{[]string{"--memory", "--listen", "off", "--http", "off"}, "leave nothing to serve"},
		{[]string{"--memory", "--password-file", "nowhere"}, "--password-file: open nowhere"},
		{[]string{"--memory", "--password-file", "bad"}, `--password-file "bad": line 1: wanted name:password`},
		{[]string{"--memory", "--tls-cert", "users"}, "--tls-cert and --tls-key go together"},
		{[]string{"--memory", "--require-tls"}, "--require-tls needs --tls-cert"},
		{[]string{"--memory", "--tls-cert", "users", "--tls-key", "users"}, "--tls-cert: "},
	} {
		o := b.run("", append([]string{"serve"}, x.args...)...)
		require.Equal(t, 2, o.code, x.args)
		require.Contains(t, o.errors, x.want)
	}
}
