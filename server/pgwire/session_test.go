package pgwire

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	wait  = 20 * time.Second
	pause = 5 * time.Millisecond
)

func readAll(t *testing.T, nc net.Conn) string {
	t.Helper()
	require.NoError(t, nc.SetReadDeadline(time.Now().Add(wait)))
	b, _ := io.ReadAll(nc) // also what ends with a reset
	return string(b)
}

// raw is a connection below any driver.
type raw struct {
	net.Conn
	*pgproto3.Frontend
}

func (s *started) raw(t *testing.T) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(wait)))
	r := &raw{nc, pgproto3.NewFrontend(nc, nc)}
	r.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "raw", "database": "db"}})
	require.NoError(t, r.Flush())
	r.until(t, "Z")
	return r
}

// until reads messages up to one of a kind and returns the kinds, one letter each.
func (r *raw) until(t *testing.T, kind string) string {
	t.Helper()
	kinds := ""
	for {
		m, err := r.Receive()
		require.NoError(t, err, "after %s", kinds)
		b, err := m.Encode(nil)
		require.NoError(t, err)
		if strings.ContainsRune("SN", rune(b[0])) {
			continue // parameters and notices come when they like
		}
		kinds += string(b[:1])
		if string(b[:1]) == kind {
			return kinds
		}
	}
}

func (s *started) exec(t *testing.T, text string) {
	t.Helper()
	r, err := s.db.Exec(context.Background(), text)
	require.NoError(t, err)
	for _, x := range r {
		if x.Rows != nil {
			require.NoError(t, x.Rows.Close())
		}
	}
}

const goesOn = "CREATE TABLE t (k INT PRIMARY KEY, v INT); CREATE MATERIALIZED VIEW m AS SELECT v, count(*) AS n FROM t GROUP BY v"

func TestSubscribe(t *testing.T) {
	s := start(t, Options{})
	s.exec(t, goesOn+"; INSERT INTO t VALUES (1, 5)")
	jobs := len(s.db.Stats().Jobs)
	c := s.plain(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rows := c.Exec(ctx, "SUBSCRIBE m")
	require.True(t, rows.NextResult())
	r := rows.ResultReader()
	var names []string
	for _, f := range r.FieldDescriptions() {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"epoch", "weight", "v", "n"}, names)
	next := func() string {
		require.True(t, r.NextRow())
		v := r.Values()
		return fmt.Sprintf("%s %s %s", v[1], v[2], v[3])
	}
	require.Equal(t, "1 5 1", next())
	s.exec(t, "UPDATE t SET v = 6")
	require.ElementsMatch(t, []string{"-1 5 1", "1 6 1"}, []string{next(), next()})

	require.NoError(t, c.CancelRequest(context.Background()))
	for r.NextRow() {
		_ = r.Values()
	}
	_, err := r.Close()
	e := sqlState(t, err)
	require.Equal(t, "57014", e.Code)
	require.NoError(t, ignoring(rows.Close(), "57014"))
	_, err = c.Exec(context.Background(), "SELECT 1").ReadAll()
	require.NoError(t, err, "the connection goes on")
	require.Eventually(t, func() bool { return len(s.db.Stats().Jobs) == jobs }, wait, pause, "the query has ended")
}

func ignoring(err error, code string) error {
	if e, ok := err.(*pgconn.PgError); ok && e.Code == code {
		return nil
	}
	return err
}

// TestVanishedClient: a client that goes while its query runs does not leave it behind.
func TestVanishedClient(t *testing.T) {
	s := start(t, Options{})
	s.exec(t, goesOn)
	jobs := len(s.db.Stats().Jobs)
	r := s.raw(t)
	r.Send(&pgproto3.Query{String: "SUBSCRIBE m"})
	require.NoError(t, r.Flush())
	r.until(t, "T")
	require.Equal(t, 1, s.Connections())
	require.NoError(t, r.Close())
	require.Eventually(t, func() bool { s.cancelVanished(); return s.Connections() == 0 && len(s.db.Stats().Jobs) == jobs }, wait, pause)
}

func TestShutdown(t *testing.T) {
	s := start(t, Options{})
	s.exec(t, goesOn)
	idle, busy, open := s.raw(t), s.raw(t), s.raw(t)
	busy.Send(&pgproto3.Query{String: "SUBSCRIBE m"})
	require.NoError(t, busy.Flush())
	busy.until(t, "T")
	open.Send(&pgproto3.Query{String: "BEGIN; INSERT INTO t VALUES (1, 1)"})
	require.NoError(t, open.Flush())
	open.until(t, "Z")
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	s.Shutdown(ctx)
	require.NoError(t, ctx.Err(), "nobody had to be cut off")
	for _, c := range []*raw{idle, busy, open} {
		m, err := c.Receive()
		require.NoError(t, err)
		e, ok := m.(*pgproto3.ErrorResponse)
		require.True(t, ok, "%T", m)
		require.Equal(t, "57P01", e.Code)
		require.Equal(t, "FATAL", e.Severity)
	}
	_, err := net.Dial("tcp", s.addr)
	require.Error(t, err)
	rows, err := s.db.Query(context.Background(), "SELECT count(*) FROM t")
	require.NoError(t, err)
	require.True(t, rows.Next())
	require.Equal(t, int64(0), rows.Value(0), "the open transaction is rolled back")
}

func TestTooManyConnections(t *testing.T) {
	s := start(t, Options{MaxConnections: 2})
	s.raw(t)
	last := s.raw(t)
	_, err := pgx.Connect(context.Background(), s.dsn(""))
	require.Equal(t, "53300", sqlState(t, err).Code)
	require.NoError(t, last.Close())
	require.Eventually(t, func() bool { return s.Connections() == 1 }, wait, pause)
	s.raw(t)
}

// TestPipelines: statements up to Sync are one transaction; after an error all is skipped up to it.
func TestPipelines(t *testing.T) {
	s := start(t, Options{})
	s.exec(t, goesOn)
	r := s.raw(t)
	insert := func(k int) {
		r.Send(&pgproto3.Parse{Query: fmt.Sprintf("INSERT INTO t VALUES (%d, 0)", k)})
		r.Send(&pgproto3.Bind{})
		r.Send(&pgproto3.Execute{})
	}
	insert(1)
	insert(2)
	insert(1) // twice
	insert(3)
	r.Send(&pgproto3.Sync{})
	require.NoError(t, r.Flush())
	require.Equal(t, "12C12C12EZ", r.until(t, "Z"))
	insert(4)
	insert(5)
	r.Send(&pgproto3.Sync{})
	require.NoError(t, r.Flush())
	require.Equal(t, "12C12CZ", r.until(t, "Z"))
	r.Send(&pgproto3.Parse{Query: "SELECT k FROM t ORDER BY k"})
	r.Send(&pgproto3.Bind{DestinationPortal: "p"})
	r.Send(&pgproto3.Describe{ObjectType: 'P', Name: "p"})
	r.Send(&pgproto3.Execute{Portal: "p", MaxRows: 1})
	r.Send(&pgproto3.Execute{Portal: "p", MaxRows: 5})
	r.Send(&pgproto3.Execute{Portal: "p"})
	r.Send(&pgproto3.Close{ObjectType: 'P', Name: "p"})
	r.Send(&pgproto3.Execute{Portal: "p"})
	r.Send(&pgproto3.Sync{})
	require.NoError(t, r.Flush())
	require.Equal(t, "12TDsDCC3EZ", r.until(t, "Z"))
	// Empty statements, and Flush without Sync.
	r.Send(&pgproto3.Parse{})
	r.Send(&pgproto3.Bind{})
	r.Send(&pgproto3.Describe{ObjectType: 'S'})
	r.Send(&pgproto3.Execute{})
	r.Send(&pgproto3.Flush{})
	require.NoError(t, r.Flush())
	require.Equal(t, "12tnI", r.until(t, "I"))
	r.Send(&pgproto3.Query{String: ";"})
	require.NoError(t, r.Flush())
	require.Equal(t, "IZ", r.until(t, "Z"))
}

func TestStatementTimeoutAndSettings(t *testing.T) {
	s := start(t, Options{})
	s.exec(t, goesOn)
	c := s.connect(t, "application_name=x&options=-c%20statement_timeout%3D50ms%20-c%20TimeZone%3DEurope/Berlin")
	ctx := context.Background()
	var zone, name string
	require.NoError(t, c.QueryRow(ctx, "SELECT current_setting('timezone'), current_setting('application_name')").Scan(&zone, &name))
	require.Equal(t, "Europe/Berlin", zone)
	require.Equal(t, "x", name)
	_, err := c.Exec(ctx, "SUBSCRIBE m", pgx.QueryExecModeSimpleProtocol)
	e := sqlState(t, err)
	require.Equal(t, "57014", e.Code)
	require.Contains(t, e.Message, "statement timeout")
	for more, code := range map[string]string{"options=-c%20nonsense%3D1": "42704", "datestyle=German": "22023", "options=-x": "42601", "replication=database": "0A000"} {
		_, err := pgx.Connect(ctx, s.dsn(more))
		require.Equal(t, code, sqlState(t, err).Code, more)
	}
}

// TestSessionsSQL: prepared statements, cursors, DISCARD, and what a session knows of itself.
func TestSessionsSQL(t *testing.T) {
	s := start(t, Options{Version: "test"})
	s.exec(t, goesOn+"; INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)")
	c := s.plain(t)
	for _, x := range []struct{ text, want string }{
		{"PREPARE p(int) AS SELECT v FROM t WHERE k = $1", "PREPARE"},
		{"EXECUTE p(1 + 1)", "20 SELECT 1"},
		{"EXECUTE p", "42601"},
		{"EXECUTE p('x')", "22P02"},
		{"PREPARE p AS SELECT 1", "42P05"},
		{"SELECT name, parameter_types, from_sql FROM pg_prepared_statements", "p|{integer}|t SELECT 1"},
		{"DEALLOCATE p", "DEALLOCATE"},
		{"EXECUTE p(1)", "26000"},
		{"BEGIN", "BEGIN"},
		{"DECLARE c CURSOR FOR SELECT k FROM t ORDER BY k", "DECLARE CURSOR"},
		{"FETCH 2 FROM c", "1 2 FETCH 2"},
		{"FETCH BACKWARD 1 FROM c", "55000"},
		{"FETCH 1 FROM c", "25P02"},
		{"ROLLBACK", "ROLLBACK"},
		{"FETCH 1 FROM c", "34000"},
		{"DECLARE h CURSOR WITH HOLD FOR SELECT k FROM t ORDER BY k", "DECLARE CURSOR"},
		{"MOVE 1 IN h", "MOVE 1"},
		{"FETCH ALL FROM h", "2 3 FETCH 2"},
		{"CLOSE h", "CLOSE CURSOR"},
		{"DECLARE live CURSOR FOR SUBSCRIBE m", "DECLARE CURSOR"},
		{"FETCH ALL FROM live", "live FETCH 3"},
		{"DISCARD ALL", "DISCARD ALL"},
		{"FETCH ALL FROM live", "34000"},
		{"SELECT current_user, current_database(), current_schema, version()", "tester|db|public|PostgreSQL 15.0 (streamsql test) SELECT 1"},
		{"SELECT pg_backend_pid() = " + fmt.Sprint(c.PID()), "t SELECT 1"},
		{"SELECT usename, state, query FROM pg_stat_activity", "tester|active|SELECT usename, state, query FROM pg_stat_activity SELECT 1"},
		{"CREATE VIEW who AS SELECT current_user", "0A000"},
		{"CREATE MATERIALIZED VIEW cat AS SELECT count(*) FROM pg_class", "0A000"},
		{"SUBSCRIBE pg_class", "0A000"},
		{"SHOW server_version_num", "150000 SHOW"},
		{"SET client_encoding = 'LATIN1'", "22023"},
		{"SET standard_conforming_strings = off", "22023"},
		{"SELECT 't'::regclass::oid = (SELECT oid FROM pg_class WHERE relname = 't'), 't'::regclass, 'int4'::regtype, 23::regtype", "t|t|integer|integer SELECT 1"},
		{"SELECT 'nope'::regclass", "42P01"},
		{"SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'", "t SELECT 1"},
	} {
		results, err := c.Exec(context.Background(), x.text).ReadAll()
		if err != nil {
			require.Equal(t, x.want, sqlState(t, err).Code, "%s: %v", x.text, err)
			continue
		}
		var words []string
		if len(results[0].FieldDescriptions) > 0 && results[0].FieldDescriptions[0].Name == "epoch" {
			words = []string{"live"} // its epochs are not known here
			results[0].Rows = nil
		}
		for _, row := range results[0].Rows {
			var cells []string
			for _, v := range row {
				cells = append(cells, string(v))
			}
			words = append(words, strings.Join(cells, "|"))
		}
		require.Equal(t, x.want, strings.Join(append(words, results[0].CommandTag.String()), " "), x.text)
	}
}

// TestIdleConnections opens very many and leaves them alone.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand connections")
	}
	deadline := time.Now().Add(time.Minute)
	n := 10_000
	var files unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &files))
	if most := (int(files.Cur) - 500) / 2; most < n { // both ends are here
		t.Logf("%d connections, as there may be %d files", most, files.Cur)
		n = most
	}
	s := start(t, Options{MaxConnections: n + 1})
	conns := make([]net.Conn, n)
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	})
	before := runtime.NumGoroutine()
	memory := inUse()
	packet := startupPacket("user", "idle")
	var group sync.WaitGroup
	errs := make(chan error, 100)
	for g := range 100 {
		group.Go(func() {
			for i := g; i < n; i += 100 {
				c, err := net.Dial("tcp", s.addr)
				if err == nil {
					conns[i] = c
					_ = c.SetDeadline(deadline)
					if _, err = c.Write(packet); err == nil {
						err = readReady(c)
					}
				}
				if err != nil {
					errs <- fmt.Errorf("connection %d: %w", i, err)
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, n, s.Connections())
	require.LessOrEqual(t, runtime.NumGoroutine()-before, n+50, "one goroutine each")
	require.Less(t, (inUse()-memory)/int64(n), int64(32<<10), "bytes of heap and stack per idle connection")
	// Others are served meanwhile.
	_, err := s.plain(t).Exec(context.Background(), "SELECT 1").ReadAll()
	require.NoError(t, err)
	for _, c := range conns {
		c.Close()
	}
	require.Eventually(t, func() bool { return s.Connections() <= 1 }, wait, pause)
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func startupPacket(params ...string) []byte {
	body := binary.BigEndian.AppendUint32(nil, 3<<16)
	for _, p := range params {
		body = append(append(body, p...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// readReady reads up to ReadyForQuery.
func readReady(c net.Conn) error {
	var head [5]byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return err
		}
		switch head[0] {
		case 'Z':
			return nil
		case 'E':
			return fmt.Errorf("refused")
		}
	}
}

// TestZones: drivers set their machine's time zone. Tables and queries that do not depend on it can be made all the same.
func TestZones(t *testing.T) {
	s := start(t, Options{})
	c := s.connect(t, "TimeZone=Europe/Berlin")
	ctx := context.Background()
	_, err := c.Exec(ctx, "CREATE TABLE t (at TIMESTAMPTZ, n INT)")
	require.NoError(t, err)
	_, err = c.Exec(ctx, "CREATE MATERIALIZED VIEW sums AS SELECT at, sum(n) AS n FROM t GROUP BY at")
	require.NoError(t, err)
	_, err = c.Exec(ctx, "CREATE MATERIALIZED VIEW days AS SELECT at::date AS day, sum(n) AS n FROM t GROUP BY at::date")
	require.Equal(t, "0A000", sqlState(t, err).Code)
	utc := s.connect(t, "TimeZone=Etc/UTC")
	_, err = utc.Exec(ctx, "CREATE MATERIALIZED VIEW days AS SELECT at::date AS day, sum(n) AS n FROM t GROUP BY at::date")
	require.NoError(t, err)
}

// TestDeclaredTypes: a client is told the types of parameters that it declared, also those that are others here.
func TestDeclaredTypes(t *testing.T) {
	c := start(t, Options{}).plain(t)
	d, err := c.Prepare(context.Background(), "s", "SELECT upper($1), $2::int8, $3 + 1", []uint32{oidVarchar, 26, 0})
	require.NoError(t, err)
	require.Equal(t, []uint32{oidVarchar, 26, 23}, d.ParamOIDs)
}
