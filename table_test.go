package streamsql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// must runs statements and returns the rows of the last, sorted, with blanks between the columns.
func must(t *testing.T, s *Session, text string, args ...any) []string {
	t.Helper()
	rows, err := try(s, text, args...)
	require.NoError(t, err, text)
	return rows
}

func try(s *Session, text string, args ...any) (out []string, err error) {
	results, err := s.Exec(context.Background(), text, args...)
	for i, r := range results {
		if r.Rows == nil {
			continue
		}
		for r.Rows.Next() {
			var cells []string
			for c := range r.Rows.Columns() {
				v, ok := r.Rows.Text(c)
				if !ok {
					v = "NULL"
				}
				cells = append(cells, v)
			}
			if i == len(results)-1 {
				out = append(out, strings.Join(cells, " "))
			}
		}
		err = errors.Join(err, r.Rows.Err(), r.Rows.Close())
	}
	slices.Sort(out)
	return out, err
}

// A read that begins after a write was acknowledged sees it, in the table and through all views above, whatever session wrote.
func TestReadsSeeAcknowledgedWrites(t *testing.T) {
	db, err := Open(Options{Dir: t.TempDir(), Check: true})
	require.NoError(t, err)
	defer db.Close()
	must(t, db.NewSession(), `
		CREATE TABLE item (id INT PRIMARY KEY, grp INT, v INT);
		CREATE TABLE note (grp INT, txt TEXT);
		INSERT INTO note SELECT g, 'g' || g FROM generate_series(0, 4) AS g;
		CREATE MATERIALIZED VIEW sums AS SELECT grp, count(*) AS n, sum(v) AS v FROM item GROUP BY grp;
		CREATE MATERIALIZED VIEW named AS SELECT s.grp, txt, n, v FROM sums s JOIN note USING (grp);
		CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n, sum(v) AS v FROM named;
		CREATE VIEW plain AS SELECT n, v FROM total`)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			s := db.NewSession()
			for i := range 25 {
				id := w*1000 + i
				before, err := try(s, "SELECT n FROM plain")
				if !noError(t, err) {
					return
				}
				if _, err := try(s, fmt.Sprintf("INSERT INTO item VALUES (%d, %d, %d)", id, id%5, i)); !noError(t, err) {
					return
				}
				for _, q := range []string{
					fmt.Sprintf("SELECT count(*) FROM item WHERE id = %d AND v = %d", id, i),
					fmt.Sprintf("SELECT count(*) FROM (SELECT sum(n) AS n FROM sums) x WHERE n > %s", orZero(before)),
					fmt.Sprintf("SELECT count(*) FROM plain WHERE n > %s", orZero(before)),
				} {
					if rows, err := try(s, q); !noError(t, err) || rows[0] != "1" {
						t.Errorf("%s gave %v after its insert", q, rows)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	s := db.NewSession()
	require.Equal(t, []string{"100 1200"}, must(t, s, "SELECT * FROM total"))
	require.Equal(t, []string{"UPDATE"}, []string{tagOf(t, s, "UPDATE item SET v = v + 1 WHERE grp < 2")[:6]})
	require.Equal(t, []string{"100 1240"}, must(t, s, "SELECT * FROM plain"))
	must(t, s, "DELETE FROM note WHERE grp = 0")
	require.Equal(t, []string{"80"}, must(t, s, "SELECT n FROM plain"))
	must(t, s, "FLUSH")
}

func noError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func orZero(rows []string) string {
	if len(rows) == 0 || rows[0] == "NULL" {
		return "0"
	}
	return rows[0]
}

func tagOf(t *testing.T, s *Session, text string) string {
	r, err := s.Exec(context.Background(), text)
	require.NoError(t, err)
	return r[len(r)-1].Tag
}

// Statements that read what they change are serial: no increment is lost, no key is there twice, and money is neither made nor lost.
func TestConcurrentWriters(t *testing.T) {
	db, err := Open(Options{Dir: t.TempDir(), Check: true})
	require.NoError(t, err)
	defer db.Close()
	s := db.NewSession()
	must(t, s, `
		CREATE TABLE account (id INT PRIMARY KEY, money INT CHECK (money >= 0));
		CREATE TABLE journal (who INT, what TEXT);
		CREATE TABLE tried (id INT PRIMARY KEY, who INT);
		CREATE MATERIALIZED VIEW sum AS SELECT sum(money) AS m, count(*) AS n FROM account;
		CREATE MATERIALIZED VIEW moves AS SELECT count(*) AS n FROM journal;
		INSERT INTO account SELECT g, 100 FROM generate_series(1, 5) AS g`)
	var wg sync.WaitGroup
	var mu sync.Mutex
	moves, won := 0, 0
	for w := range 6 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			s := db.NewSession()
			defer s.Close()
			for i := range 20 {
				a, b, n := 1+rnd.IntN(5), 1+rnd.IntN(5), rnd.IntN(60)
				_, err := try(s, fmt.Sprintf(`BEGIN; UPDATE account SET money = money - %d WHERE id = %d; INSERT INTO journal VALUES (%d, 'move');
					UPDATE account SET money = money + %d WHERE id = %d`, n, a, w, n, b))
				switch {
				case err != nil && types.CodeOf(err) == types.CodeCheckViolation:
					_, err = try(s, "ROLLBACK")
				case err == nil && rnd.IntN(4) == 0:
					_, err = try(s, "ROLLBACK")
				case err == nil:
					if _, err = try(s, "COMMIT"); err == nil {
						mu.Lock()
						moves++
						mu.Unlock()
					}
				}
				if !noError(t, err) {
					return
				}
				if rows, err := try(s, "SELECT m, n FROM sum"); !noError(t, err) || rows[0] != "500 5" {
					t.Errorf("the sum is %v", rows)
					return
				}
				if _, err := try(s, fmt.Sprintf("INSERT INTO tried VALUES (%d, %d)", i, w)); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				} else if types.CodeOf(err) != types.CodeUniqueViolation {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 20, won)
	require.Equal(t, []string{fmt.Sprint(moves)}, must(t, s, "SELECT n FROM moves"))
	require.Equal(t, []string{"20 20"}, must(t, s, "SELECT count(*), count(DISTINCT id) FROM tried"))
}

// A transaction is seen by nobody before its COMMIT, all at once after it, and never if its session goes away.
func TestTransactionIsolation(t *testing.T) {
	db, err := Open(Options{Check: true})
	require.NoError(t, err)
	defer db.Close()
	a, b := db.NewSession(), db.NewSession()
	must(t, a, "CREATE TABLE t (k INT PRIMARY KEY); CREATE TABLE m (v INT); CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM t")
	require.Equal(t, byte('I'), a.Status())
	must(t, a, "BEGIN; INSERT INTO t VALUES (1), (2)")
	require.Equal(t, byte('T'), a.Status())
	require.Equal(t, []string{"2"}, must(t, a, "SELECT n FROM mv"))
	require.Equal(t, []string{"0"}, must(t, b, "SELECT n FROM mv"))
	must(t, b, "INSERT INTO m VALUES (1)") // does not wait for the lock
	require.Equal(t, []string{"1"}, must(t, a, "SELECT v FROM m"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	_, err = b.Exec(ctx, "INSERT INTO t VALUES (3)") // would have to see the keys
	cancel()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	must(t, a, "COMMIT")
	require.Equal(t, []string{"2"}, must(t, b, "SELECT n FROM mv"))

	must(t, a, "BEGIN; DELETE FROM t")
	a.Close() // as when its client vanishes
	require.Equal(t, byte('I'), a.Status())
	must(t, b, "INSERT INTO t VALUES (3)")
	require.Equal(t, []string{"3"}, must(t, b, "SELECT n FROM mv"))

	must(t, a, "BEGIN")
	_, err = try(a, "INSERT INTO t VALUES (3)")
	require.Equal(t, types.CodeUniqueViolation, types.CodeOf(err))
	require.Equal(t, byte('E'), a.Status())
	must(t, b, "INSERT INTO t VALUES (4)") // the failed transaction holds nothing
	_, err = try(a, "SELECT 1")
	require.Equal(t, types.CodeFailedTransaction, types.CodeOf(err))
	must(t, a, "ROLLBACK")
	for _, text := range []string{"CREATE TABLE x (a INT)", "DROP TABLE t", "ALTER TABLE t ADD COLUMN b INT", "CREATE INDEX ON m (v)", "SUBSCRIBE TO mv"} {
		must(t, a, "BEGIN")
		_, err = try(a, text)
		require.Equal(t, types.CodeActiveTransaction, types.CodeOf(err), text)
		must(t, a, "ROLLBACK")
	}
	_, err = try(a, "BEGIN ISOLATION LEVEL SERIALIZABLE")
	require.Equal(t, types.CodeNotSupported, types.CodeOf(err))
}

// Sessions that insert share epochs, and so syncs: many statements cost fewer epochs.
func TestInsertsShareEpochs(t *testing.T) {
	db, err := Open(Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer db.Close()
	must(t, db.NewSession(), "CREATE TABLE t (a INT)")
	before := db.Stats().Epochs
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			s := db.NewSession()
			for i := range 20 {
				_, err := try(s, fmt.Sprintf("INSERT INTO t VALUES (%d)", w*100+i))
				noError(t, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, []string{"640"}, must(t, db.NewSession(), "SELECT count(*) FROM t"))
	require.Less(t, db.Stats().Epochs-before, int64(500))
}

// Whatever step of the disk the machine stops at: rows whose statement was acknowledged are there after it, all of a transaction or nothing,
// views agree with their tables, and counters do not go back.
func TestCrashKeepsAcknowledgedRows(t *testing.T) {
	run := func(disk *vfs.Mem, c *trouble) (acked []int, err error) {
		disk.Hook(c.hook)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-c.hit:
				cancel()
			case <-done:
			}
		}()
		db, err := Open(Options{Dir: "/state", FS: disk, MemoryLimit: -1, Check: true})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, db.CloseContext(ctx)) }()
		s := db.NewSession()
		for _, text := range []string{"CREATE TABLE t (k INT PRIMARY KEY, v INT, id BIGINT GENERATED BY DEFAULT AS IDENTITY)",
			"CREATE MATERIALIZED VIEW mv AS SELECT v, count(*) AS n, sum(k) AS s FROM t GROUP BY v"} {
			if _, err := s.Exec(ctx, text); err != nil && types.CodeOf(err) != types.CodeDuplicateTable {
				return nil, err
			}
		}
		for i := range 12 {
			k := 1 + 2*i // rows k and k+1 come together, moved by three more statements
			_, err := s.Exec(ctx, fmt.Sprintf("BEGIN; INSERT INTO t (k, v) VALUES (%d, 0); INSERT INTO t (k, v) VALUES (%d, 0); UPDATE t SET v = %d WHERE k >= %d; COMMIT", k, k+1, i%3, k))
			if err != nil {
				return acked, err
			}
			acked = append(acked, k)
		}
		_, err = s.Exec(ctx, "DELETE FROM t WHERE k = 1; UPDATE t SET v = v + 10; ALTER TABLE t ADD COLUMN x TEXT DEFAULT 'new'")
		return acked, err
	}
	whole := newTrouble(0, 0, nil)
	_, err := run(vfs.NewMem(), whole)
	require.NoError(t, err)
	require.Greater(t, whole.step, 20)
	by := max(1, whole.step/25)
	for at := 1 + rand.IntN(by); at <= whole.step; at += by {
		disk := vfs.NewMem()
		c := newTrouble(at, 1, vfs.ErrCrashed)
		acked, err := run(disk, c)
		require.Error(t, err)
		disk.Hook(nil)
		disk = disk.CrashCloneRand(rand.New(rand.NewPCG(uint64(at), 3)))
		db, err := Open(Options{Dir: "/state", FS: disk, MemoryLimit: -1, Check: true})
		require.NoError(t, err)
		s := db.NewSession()
		if len(acked) > 0 {
			there := map[string]bool{}
			for _, k := range must(t, s, "SELECT k FROM t") {
				there[k] = true
			}
			for _, k := range acked {
				require.True(t, there[fmt.Sprint(k+1)], "row %d was acknowledged; crash at step %d", k+1, at)
				require.True(t, k == 1 || there[fmt.Sprint(k)], "row %d was acknowledged; crash at step %d", k, at)
			}
			require.Equal(t, []string{"0"}, must(t, s, "SELECT count(*) FROM t x WHERE k > 1 AND NOT EXISTS (SELECT 1 FROM t y WHERE y.k = x.k + 2 * (x.k % 2) - 1) AND k > 2"),
				"half of a transaction is there; crash at step %d", at)
			require.Equal(t, must(t, s, "SELECT v, count(*), sum(k) FROM t GROUP BY v"), must(t, s, "SELECT v, n, s FROM mv"), "crash at step %d", at)
			must(t, s, "INSERT INTO t (k, v) VALUES (1000, 1)")
			require.Equal(t, []string{"t"}, must(t, s, "SELECT max(id) = (SELECT id FROM t WHERE k = 1000) FROM t"))
		}
		require.NoError(t, db.Close())
	}
}

// DML of a script runs once per directory, also when the process is killed between two of its statements.
func TestScriptStatementsRunOnce(t *testing.T) {
	script := `CREATE TABLE t (k INT PRIMARY KEY, v INT);
		CREATE TABLE log (what TEXT);
		CREATE MATERIALIZED VIEW mv AS SELECT sum(v) AS v FROM t;
		INSERT INTO t VALUES (1, 1), (2, 2);
		INSERT INTO log VALUES ('twice'); INSERT INTO log VALUES ('twice');
		UPDATE t SET v = v * 10;
		BEGIN; INSERT INTO log VALUES ('tx'); UPDATE t SET v = v + 1; COMMIT;
		ALTER TABLE log ADD COLUMN n INT DEFAULT 7;
		CREATE TABLE snap AS SELECT v FROM mv;
		CREATE INDEX ON t (v);
		DELETE FROM t WHERE k = 1 AND v < 0`
	run := func(t *testing.T, disk *vfs.Mem, script string, migrate bool) error {
		db, err := Open(Options{Dir: "/state", FS: disk, MemoryLimit: -1, Check: true})
		if err != nil {
			return err
		}
		defer func() { require.NoError(t, db.Close()) }()
		return runScript(db, script, migrate)
	}
	check := func(t *testing.T, disk *vfs.Mem, about string) {
		db, err := Open(Options{Dir: "/state", FS: disk, MemoryLimit: -1, Check: true})
		require.NoError(t, err)
		defer db.Close()
		s := db.NewSession()
		require.Equal(t, []string{"1 11", "2 21"}, must(t, s, "SELECT * FROM t"), about)
		require.Equal(t, []string{"twice 7", "twice 7", "tx 7"}, must(t, s, "SELECT * FROM log"), about)
		require.Equal(t, []string{"32"}, must(t, s, "SELECT * FROM snap"), about)
	}
	disk := vfs.NewMem()
	for range 3 {
		require.NoError(t, run(t, disk, script, false))
		check(t, disk, "again")
	}
	require.NoError(t, run(t, disk, script+"; INSERT INTO snap VALUES (33)", false))
	var changed *ChangedError
	require.ErrorAs(t, run(t, disk, strings.Replace(script, "k INT PRIMARY KEY", "k BIGINT PRIMARY KEY", 1), false), &changed)

	whole := newTrouble(0, 0, nil)
	disk = vfs.NewMem()
	disk.Hook(whole.hook)
	require.NoError(t, run(t, disk, script, false))
	by := max(1, whole.step/15)
	for at := 1 + rand.IntN(by); at <= whole.step; at += by {
		disk := vfs.NewMem()
		c := newTrouble(at, 1, vfs.ErrCrashed)
		disk.Hook(c.hook)
		db, err := Open(Options{Dir: "/state", FS: disk, MemoryLimit: -1, Check: true})
		if err == nil {
			err = runScript(db, script, false)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err = errors.Join(err, db.CloseContext(ctx))
		}
		require.Error(t, err)
		disk.Hook(nil)
		disk = disk.CrashClone()
		require.NoError(t, run(t, disk, script, false), "crash at step %d", at)
		check(t, disk, fmt.Sprintf("crash at step %d", at))
	}
}

// runScript does what the command does with a script.
func runScript(db *DB, script string, migrate bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := db.NewSession()
	stmts, err := s.Parse(script)
	if err != nil {
		return err
	}
	if _, err := s.Apply(ctx, stmts, migrate); err != nil {
		return err
	}
	for _, stmt := range stmts {
		if s.OnceOnly(stmt) {
			if _, _, err := s.ExecOnce(ctx, stmt, script); err != nil {
				return err
			}
		}
	}
	return db.Wait(ctx)
}
