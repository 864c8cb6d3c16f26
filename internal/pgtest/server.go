// Package pgtest runs a real PostgreSQL for tests: the oracle that streamsql's answers are compared with.
//
// A test asks for [Query] or [Open]. They use the server named by the environment variable
// STREAMSQL_TEST_POSTGRES when it is set (`make test` starts one for the whole run, through cmd/pgserver), and
// otherwise start a server of this test process's own. Either lives in a temporary directory, speaks over a unix
// socket in it, runs with locale C.UTF-8 and time zone UTC, and is gone when the process that started it is gone,
// however that ended.
package pgtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// EnvServer names the environment variable that holds the connection string of a server already running.
const EnvServer = "STREAMSQL_TEST_POSTGRES"

// startTimeout bounds initdb, and then the wait for the first connection. Both take about a second; a busy machine
// may need many times that.
const startTimeout = 2 * time.Minute

// Server is a running PostgreSQL that this process started.
type Server struct {
	url    string
	log    string
	alive  io.Closer // the supervisor stops the server when this end of its pipe closes
	exited chan struct{}
	once   sync.Once
}

// supervise runs PostgreSQL ("$@") and stops it when standard input ends, that is when the process holding the other
// end of the pipe closes it or dies, by whatever means. Then it removes the directory. Signals meant for the test
// (an interrupt from the terminal) do not reach it: it has a session of its own.
const supervise = `
dir=$1; shift
exec 3<&0 </dev/null
"$@" >"$dir/server.log" 2>&1 &
server=$!
(read -r _ <&3; kill -QUIT "$server") 2>/dev/null &
reader=$!
wait "$server"
kill "$reader" 2>/dev/null
[ -e "$dir/started" ] && rm -rf "$dir"
exit 0
`

// settings make the server quick and its answers reproducible. Nothing in it needs to survive a crash.
var settings = []string{
	"listen_addresses=",
	"fsync=off",
	"synchronous_commit=off",
	"full_page_writes=off",
	"autovacuum=off",
	"jit=off",
	"max_connections=100",
	"shared_buffers=64MB",
	"timezone=UTC",
	"log_timezone=UTC",
	"datestyle=ISO, MDY",
	"intervalstyle=postgres",
	"log_min_messages=fatal",
	"log_min_error_statement=panic",
}

// Start makes a new cluster in a temporary directory and starts it. It runs as the user postgres if the caller is
// root, because PostgreSQL refuses to run as root.
//
// Errors: [NotInstalledError] when there is no PostgreSQL; otherwise what initdb or the server said.
func Start(ctx context.Context) (*Server, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	attr, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "streamsql-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for PostgreSQL: %w", err)
	}
	s, err := start(ctx, bin, dir, attr)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func start(ctx context.Context, bin, dir string, attr *syscall.SysProcAttr) (*Server, error) {
	if attr.Credential != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			return nil, fmt.Errorf("give PostgreSQL its directory: %w", err)
		}
	}
	data := filepath.Join(dir, "data")
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr, initdb.Env = dir, attr, serverEnv()
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, bytes.TrimSpace(out))
	}

	args := []string{"-c", supervise, "sh", dir, filepath.Join(bin, "postgres"), "-D", data, "-k", dir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = dir, attr, serverEnv()
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	s := &Server{
		url:    fmt.Sprintf("host=%s user=postgres dbname=postgres sslmode=disable", dir),
		log:    filepath.Join(dir, "server.log"),
		alive:  alive,
		exited: make(chan struct{}),
	}
	go func() {
		defer close(s.exited)
		_ = cmd.Wait() // the supervisor's own status says nothing; the server's log does
	}()
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	// From here on the supervisor owns the directory; before, it is kept for the error message.
	if err := os.WriteFile(filepath.Join(dir, "started"), nil, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), s.Stop())
	}
	return s, nil
}

// waitReady returns when the server answers a query.
func (s *Server) waitReady(ctx context.Context) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgconn.Connect(ctx, s.url)
		if err == nil {
			_, err = conn.Exec(ctx, "SELECT 1").ReadAll()
			_ = conn.Close(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-retry.C:
		case <-s.exited:
			return fmt.Errorf("PostgreSQL ended at its start:\n%s", s.readLog())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, s.readLog())
		}
	}
}

func (s *Server) readLog() []byte {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text)
}

// URL returns the connection string, in the keyword form that pgx, psql and libpq read.
func (s *Server) URL() string { return s.url }

// Stop stops the server, removes its directory and returns when both are done. It may be called twice. A server that
// is never stopped ends with the process.
func (s *Server) Stop() error {
	var err error
	s.once.Do(func() { err = s.alive.Close() })
	<-s.exited
	return err
}

// NotInstalledError says that this machine has no PostgreSQL server.
type NotInstalledError struct {
	Looked []string // the directories searched
}

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("no PostgreSQL server found (looked for initdb and postgres in %q); .ci/setup installs one",
		e.Looked)
}

// findBinaries returns the directory with initdb and postgres of the newest version found. PATH comes last: what lies
// there may be a wrapper.
func findBinaries() (string, error) {
	var dirs []string
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	dirs = append(dirs, newestFirst(versions)...)
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, string(bytes.TrimSpace(out)))
	}
	dirs = append(dirs, "/usr/pgsql/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql/bin")
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if isExecutable(filepath.Join(dir, "initdb")) && isExecutable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", &NotInstalledError{Looked: dirs}
}

// newestFirst orders /usr/lib/postgresql/VERSION/bin by version, the largest first.
func newestFirst(dirs []string) []string {
	version := func(dir string) float64 {
		v, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(dir)), 64) // no number: sorted last
		return v
	}
	return slices.SortedFunc(slices.Values(dirs), func(a, b string) int { return cmp.Compare(version(b), version(a)) })
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// unprivileged returns how to start a process that PostgreSQL accepts: in a session of its own, and as the user
// postgres (else nobody) when this process is root.
func unprivileged() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// serverEnv is the environment of the server: none of the caller's PG... variables reach it.
func serverEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=/"}
}
