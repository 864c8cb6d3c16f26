package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats/debezium"
	"github.com/streamsql/streamsql/formats/json"
	"github.com/streamsql/streamsql/formats/parquet"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

var schema = types.Schema{{Name: "n", Type: types.Int8Type}, {Name: "part", Type: types.TextType}}

const target = "out"

var ctx = context.Background()

// layout is one way to write.
type layout struct {
	name        string
	partitionBy []int
	parquet     bool
	rollSize    int64
}

var layouts = []layout{
	{name: "records", rollSize: 1 << 30}, {name: "records-rolled", rollSize: 150}, {name: "partitioned", partitionBy: []int{1}, rollSize: 100},
	{name: "parquet", parquet: true, rollSize: 1 << 30}, {name: "parquet-partitioned", parquet: true, partitionBy: []int{1}, rollSize: 1000},
}

func (l layout) sink(t require.TestingT, fsys vfs.FS) *Sink {
	cfg := Config{FS: fsys, Path: target, Schema: schema, PartitionBy: l.partitionBy, RollSize: l.rollSize, Extension: "json"}
	written := Written(schema, l.partitionBy)
	if l.parquet {
		e, err := parquet.NewEncoder(written, parquet.EncoderOptions{Compression: "none"})
		require.NoError(t, err)
		cfg.File, cfg.Extension = e, "parquet"
	} else {
		cfg.Records = json.NewEncoder(written)
	}
	return New(cfg)
}

const engine = "0123456789abcdef"

func marker(generation, epoch int) sinks.Marker {
	return sinks.Marker{Engine: engine, Generation: uint64(generation), Epoch: changelog.Epoch(epoch)}
}

// epochRows are the changes of an epoch: rows n with part n%3, in two batches.
func epochRows(epoch int) []*changelog.Batch {
	var out []*changelog.Batch
	for b := range 2 {
		ns, parts := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
		for i := range 3 {
			n := epoch*10 + b*3 + i
			ns.Append(int64(n))
			if n%3 == 2 {
				parts.AppendNull()
			} else {
				parts.Append(fmt.Sprint("p/", n%3))
			}
		}
		out = append(out, &changelog.Batch{N: 3, Cols: []arrow.Array{ns.NewArray(), parts.NewArray()}})
	}
	return out
}

func wanted(epochs int) (want []string) {
	for e := 1; e <= epochs; e++ {
		for i := range 6 {
			want = append(want, fmt.Sprint(e*10+i))
		}
	}
	return want
}

// visible reads what a plain glob sees: every file must be complete. It returns the numbers in all files, sorted.
func visible(t require.TestingT, fsys *vfs.Mem, l layout) (rows []string) {
	fsys.Hook(nil)
	var walk func(dir string)
	walk = func(dir string) {
		names, err := fsys.List(dir)
		require.NoError(t, err)
		for _, name := range names {
			full := path.Join(dir, name)
			info, err := fsys.Stat(full)
			require.NoError(t, err)
			if strings.HasPrefix(name, ".") {
				continue
			}
			if info.IsDir() {
				walk(full)
				continue
			}
			data, err := readAll(fsys, full)
			require.NoError(t, err)
			require.NotEmpty(t, data, "%s is empty", full)
			for _, n := range fileRows(t, l, full, data) {
				rows = append(rows, n)
				if len(l.partitionBy) > 0 {
					var v int
					fmt.Sscan(n, &v)
					want := target + "/part=p%2F" + fmt.Sprint(v%3)
					if v%3 == 2 {
						want = target + "/part=__HIVE_DEFAULT_PARTITION__"
					}
					require.Equal(t, want, dir)
				}
			}
		}
	}
	if _, err := fsys.Stat(target); err == nil {
		walk(target)
	}
	sort.Strings(rows)
	return rows
}

func fileRows(t require.TestingT, l layout, name string, data []byte) (rows []string) {
	if l.parquet {
		require.True(t, strings.HasSuffix(name, ".parquet"))
		f, err := parquet.New(parquet.Config{Schema: schema[:1], TimeColumn: -1}).OpenBlocks(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err, name)
		for i := range f.Blocks() {
			batches, _, err := f.DecodeBlock(i)
			require.NoError(t, err)
			for _, b := range batches {
				for row := range b.N {
					rows = append(rows, string(types.AppendText(nil, types.Int8Type, b.Cols[0], row)))
				}
			}
		}
		return rows
	}
	require.Equal(t, byte('\n'), data[len(data)-1], "%s ends in a half line", name)
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		var n int
		_, err := fmt.Sscanf(line, `{"n":%d`, &n)
		require.NoError(t, err, line)
		require.True(t, strings.HasSuffix(line, "}"), line)
		rows = append(rows, fmt.Sprint(n))
	}
	return rows
}

// run opens the sink, publishes the epochs above its marker one by one and finishes. It returns the first error.
func run(t require.TestingT, fsys vfs.FS, l layout, generation, epochs int) error {
	s := l.sink(t, fsys)
	defer s.Close()
	m, ok, err := s.Open(ctx, marker(generation, 0))
	if err != nil {
		return err
	}
	from := 1
	if ok {
		require.Equal(t, engine, m.Engine)
		require.LessOrEqual(t, m.Generation, uint64(generation))
		from = int(m.Epoch) + 1
	}
	for e := from; e <= epochs; e++ {
		if err := s.Publish(ctx, marker(generation, e), epochRows(e)); err != nil {
			return err
		}
	}
	return s.Finish(ctx)
}

const epochs = 4

func TestPublish(t *testing.T) {
	for _, l := range layouts {
		fsys := vfs.NewMem()
		require.NoError(t, run(t, fsys, l, 1, 2))
		require.Equal(t, wanted(2), visible(t, fsys, l), l.name)
		require.NoError(t, run(t, fsys, l, 2, epochs))
		require.Equal(t, wanted(epochs), visible(t, fsys, l), l.name)
		names, err := fsys.List(target + "/.streamsql")
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"journal", "lock"}, names)
	}
}

// Crash instead of every step of opening, publishing, rolling and finishing; then once more at every step of the recovery. Whatever was synced or
// not: each row is in the final files exactly once in the end, and every final file is complete at the crash already.
func TestCrashAtEveryStep(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			whole := vfs.NewMem()
			require.NoError(t, run(t, whole, l, 1, epochs))
			random := rand.New(rand.NewPCG(1, 2))
			for step := range whole.Steps() {
				fsys := vfs.NewMem()
				fsys.CrashAt(step)
				err := run(t, fsys, l, 1, epochs)
				require.Error(t, err, "step %d", step)
				for i, after := range []*vfs.Mem{fsys.CrashClone(), fsys.CrashCloneRand(random), fsys.CrashCloneRand(random)} {
					checkRecovery(t, after, l, fmt.Sprintf("step %d, disk %d", step, i))
				}
				if step%3 == 0 && !l.parquet || step%40 == 0 {
					crashTwice(t, fsys, l, random, step)
				}
			}
		})
	}
}

func checkRecovery(t *testing.T, fsys *vfs.Mem, l layout, what string) {
	at := visible(t, fsys, l)
	require.Equal(t, at, slices.Compact(slices.Clone(at)), "%s: a row is in two files", what)
	require.Subset(t, wanted(epochs), at)
	require.NoError(t, run(t, fsys, l, 2, epochs), what)
	require.Equal(t, wanted(epochs), visible(t, fsys, l), what)
}

// crashTwice crashes the recovery, too.
func crashTwice(t *testing.T, crashed *vfs.Mem, l layout, random *rand.Rand, step int) {
	for at := 0; ; at++ {
		fsys := crashed.CrashClone()
		fsys.CrashAt(fsys.Steps() + at)
		if err := run(t, fsys, l, 2, epochs); err == nil {
			return
		}
		for i, after := range []*vfs.Mem{fsys.CrashClone(), fsys.CrashCloneRand(random)} {
			checkRecovery(t, after, l, fmt.Sprintf("step %d, then %d, disk %d", step, at, i))
		}
	}
}

// Every step fails once with ENOSPC, and the caller tries again, as the engine does: nothing is lost, nothing is there twice.
func TestErrorAtEveryStep(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			whole := vfs.NewMem()
			require.NoError(t, run(t, whole, l, 1, epochs))
			for step := range whole.Steps() {
				fsys := vfs.NewMem()
				fsys.FailAt(step, syscall.ENOSPC)
				s := l.sink(t, fsys)
				failed := 0
				again := func(f func() error) {
					for range 3 {
						err := f()
						if err == nil {
							return
						}
						failed++
						require.Equal(t, types.CodeDiskFull, types.CodeOf(err), "step %d: %v", step, err)
					}
					t.Fatalf("step %d: it fails for ever", step)
				}
				again(func() error { _, _, err := s.Open(ctx, marker(1, 0)); return err })
				for e := 1; e <= epochs; e++ {
					again(func() error { return s.Publish(ctx, marker(1, e), epochRows(e)) })
					// What was acknowledged survives.
					after := l.sink(t, fsys.CrashClone())
					m, ok, err := after.Open(ctx, marker(2, 0))
					require.NoError(t, err)
					require.True(t, ok)
					require.EqualValues(t, e, m.Epoch, "step %d", step)
					require.NoError(t, after.Close())
				}
				again(func() error { return s.Finish(ctx) })
				require.NoError(t, s.Close())
				require.Equal(t, wanted(epochs), visible(t, fsys, l), "step %d", step)
				require.LessOrEqual(t, failed, 1)
				// What survives a crash now is the same.
				require.Equal(t, wanted(epochs), visible(t, fsys.CrashClone(), l), "step %d", step)
			}
		})
	}
}

// A disk that is full for long: errors, then all is well once there is room.
func TestDiskFull(t *testing.T) {
	l := layouts[1]
	fsys := vfs.NewMem()
	s := l.sink(t, fsys)
	_, _, err := s.Open(ctx, marker(1, 0))
	require.NoError(t, err)
	require.NoError(t, s.Publish(ctx, marker(1, 1), epochRows(1)))
	for free := range int64(20) {
		fsys.SetFree(free * 10)
		err := s.Publish(ctx, marker(1, 2), epochRows(2))
		if err == nil {
			break
		}
		require.Equal(t, types.CodeDiskFull, types.CodeOf(err))
	}
	fsys.SetFree(-1)
	require.NoError(t, s.Publish(ctx, marker(1, 2), epochRows(2)))
	require.NoError(t, s.Finish(ctx))
	require.NoError(t, s.Close())
	require.Equal(t, wanted(2), visible(t, fsys, l))
}

// While it runs, before every operation, a glob sees complete files only.
func TestVisibleAtEveryMoment(t *testing.T) {
	for _, l := range layouts {
		whole := vfs.NewMem()
		require.NoError(t, run(t, whole, l, 1, epochs))
		seen := map[string]bool{}
		for step := range whole.Steps() {
			fsys := vfs.NewMem()
			fsys.FailAt(step, io.ErrUnexpectedEOF)
			_ = run(t, fsys, l, 1, epochs)
			rows := visible(t, fsys, l)
			require.Subset(t, wanted(epochs), rows)
			require.Equal(t, rows, slices.Compact(slices.Clone(rows)))
			seen[fmt.Sprint(rows)] = true
		}
		if l.rollSize < 1<<20 {
			require.Greater(t, len(seen), 2, "%s: rolled files come one after the other", l.name)
		}
	}
}

// File systems without links are served by renaming.
func TestWithoutLinks(t *testing.T) {
	for _, l := range layouts {
		fsys := vfs.NewMem()
		fsys.Hook(func(op vfs.Op, _ string) error {
			if op == vfs.OpLink {
				return errors.ErrUnsupported
			}
			return nil
		})
		require.NoError(t, run(t, fsys, l, 1, epochs))
		require.Equal(t, wanted(epochs), visible(t, fsys, l))
	}
}

func TestSecondSinkIsRefused(t *testing.T) {
	fsys := vfs.NewMem()
	a, b := layouts[0].sink(t, fsys), layouts[0].sink(t, fsys)
	_, _, err := a.Open(ctx, marker(1, 0))
	require.NoError(t, err)
	_, _, err = b.Open(ctx, marker(1, 0))
	require.Equal(t, types.CodeObjectInUse, types.CodeOf(err))
	require.ErrorContains(t, err, "every sink needs a directory of its own")
	require.NoError(t, b.Close())
	require.NoError(t, a.Publish(ctx, marker(1, 1), epochRows(1)))
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	require.Error(t, a.Publish(ctx, marker(1, 2), epochRows(2)))
	_, ok, err := b.Open(ctx, marker(2, 0))
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, b.Finish(ctx))
	require.Equal(t, wanted(1), visible(t, fsys, layouts[0]))
	require.NoError(t, b.Close())
}

func TestDamagedJournal(t *testing.T) {
	l := layouts[1]
	journalPath := path.Join(target, ".streamsql", journalName)
	fresh := func() (*vfs.Mem, []byte) {
		fsys := vfs.NewMem()
		s := l.sink(t, fsys)
		_, _, err := s.Open(ctx, marker(1, 0))
		require.NoError(t, err)
		for e := 1; e <= 3; e++ {
			require.NoError(t, s.Publish(ctx, marker(1, e), epochRows(e)))
		}
		require.NoError(t, s.Close())
		data, err := readAll(fsys, journalPath)
		require.NoError(t, err)
		return fsys, data
	}
	put := func(fsys *vfs.Mem, data []byte) {
		f, err := fsys.Create(journalPath)
		require.NoError(t, err)
		_, err = f.Write(data)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	_, data := fresh()
	last := 0
	for at := 0; at < len(data); {
		_, n := nextFrame(data[at:])
		require.Positive(t, n)
		last, at = at, at+n
	}
	// A torn last frame was never acknowledged: a crash leaves such, and the one before counts, if its files are there.
	for cut := last + 1; cut < len(data); cut += 7 {
		fsys, _ := fresh()
		put(fsys, data[:cut])
		require.NoError(t, run(t, fsys, l, 2, 3))
	}
	// Damage before an intact frame is no torn tail.
	fsys, _ := fresh()
	_, first := nextFrame(data)
	for _, at := range []int{0, 5, 10, first, first + 10} {
		bad := bytes.Clone(data)
		bad[at] ^= 0x20
		put(fsys, bad)
		_, _, err := l.sink(t, fsys).Open(ctx, marker(2, 0))
		require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
		if at >= first {
			require.ErrorContains(t, err, "with intact frames behind it")
		}
	}
	// Neither is anything else, nor a first frame that is cut: an error, not an empty sink.
	for _, other := range []string{"this was never a journal, and it is longer than eight bytes", "", "short", string(data[:first-1])} {
		fsys, _ := fresh()
		put(fsys, []byte(other))
		_, _, err := l.sink(t, fsys).Open(ctx, marker(2, 0))
		require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err), other)
	}
	// A committed row that is gone is found.
	fsys, _ = fresh()
	names, err := fsys.List(target + "/.streamsql")
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, ".staged") {
			require.NoError(t, fsys.Truncate(path.Join(target, ".streamsql", name), 3))
		}
	}
	_, _, err = l.sink(t, fsys).Open(ctx, marker(2, 0))
	require.ErrorContains(t, err, "is missing or shorter than its")
}

// The marker of another engine is handed to the caller, who decides; its rows stay.
func TestForeignDirectory(t *testing.T) {
	l := layouts[0]
	fsys := vfs.NewMem()
	require.NoError(t, run(t, fsys, l, 1, 2))
	s := l.sink(t, fsys)
	m, ok, err := s.Open(ctx, sinks.Marker{Engine: "other", Generation: 1})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, marker(1, 2), m)
	// "append": its own epochs count from here.
	require.NoError(t, s.Publish(ctx, sinks.Marker{Engine: "other", Generation: 1, Epoch: 1}, epochRows(3)))
	require.NoError(t, s.Finish(ctx))
	require.NoError(t, s.Close())
	require.Equal(t, wanted(3), visible(t, fsys, l))
}

func TestReset(t *testing.T) {
	for _, l := range layouts {
		fsys := vfs.NewMem()
		require.NoError(t, run(t, fsys, l, 1, 3))
		f, err := fsys.Create(target + "/notes.txt")
		require.NoError(t, err)
		_, err = f.Write([]byte("mine"))
		require.NoError(t, err)
		s := l.sink(t, fsys)
		_, _, err = s.Open(ctx, marker(2, 0))
		require.NoError(t, err)
		require.NoError(t, s.Publish(ctx, marker(2, 4), epochRows(4)))
		require.NoError(t, s.Reset(ctx))
		for e := 1; e <= 2; e++ {
			require.NoError(t, s.Publish(ctx, marker(2, e), epochRows(e)))
		}
		require.NoError(t, s.Finish(ctx))
		require.NoError(t, s.Close())
		_, err = fsys.Stat(target + "/notes.txt")
		require.NoError(t, err, "what is not ours stays")
		require.NoError(t, fsys.Remove(target+"/notes.txt"))
		require.Equal(t, wanted(2), visible(t, fsys, l), l.name)
	}
}

// Rows become visible roll_interval after the first of them, also when nothing more comes, and after an error in the background.
func TestRollByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := layouts[0]
		fsys := vfs.NewMem()
		s := l.sink(t, fsys)
		s.cfg.RollInterval = 10 * time.Second
		_, _, err := s.Open(ctx, marker(1, 0))
		require.NoError(t, err)
		require.NoError(t, s.Publish(ctx, marker(1, 1), epochRows(1)))
		time.Sleep(9 * time.Second)
		require.NoError(t, s.Publish(ctx, marker(1, 2), epochRows(2)))
		synctest.Wait()
		require.Empty(t, visible(t, fsys, l))
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, wanted(2), visible(t, fsys, l))

		require.NoError(t, s.Publish(ctx, marker(1, 3), epochRows(3)))
		fsys.FailAt(fsys.Steps()+1, syscall.ENOSPC)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		time.Sleep(2 * retryRoll)
		synctest.Wait()
		require.Equal(t, wanted(3), visible(t, fsys, l))

		require.NoError(t, s.Publish(ctx, marker(1, 4), epochRows(4)))
		require.NoError(t, s.Close())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, wanted(3), visible(t, fsys, l), "a closed sink does nothing")
		// Opened again, what is overdue is made visible at once.
		s = l.sink(t, fsys)
		s.cfg.RollInterval = 10 * time.Second
		_, _, err = s.Open(ctx, marker(2, 4))
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Equal(t, wanted(4), visible(t, fsys, l))
		require.NoError(t, s.Close())
	})
}

func TestChangelogFormat(t *testing.T) {
	fsys := vfs.NewMem()
	s := New(Config{FS: fsys, Path: target, Schema: schema, RollSize: 1 << 20, Extension: "json", Records: debezium.NewEncoder(debezium.Config{Schema: schema, Key: []int{0}})})
	_, _, err := s.Open(ctx, marker(1, 0))
	require.NoError(t, err)
	b := epochRows(1)[0]
	require.NoError(t, s.Publish(ctx, marker(1, 1), []*changelog.Batch{b}))
	require.NoError(t, s.Publish(ctx, marker(1, 2), []*changelog.Batch{{N: 3, Cols: b.Cols, Sel: []uint32{1}, Weights: []int64{0, -1, 0}}}))
	require.NoError(t, s.Finish(ctx))
	require.NoError(t, s.Close())
	data, err := readAll(fsys, target+"/part-01234567-000001.json")
	require.NoError(t, err)
	require.Equal(t, `{"before":null,"after":{"n":10,"part":"p/1"},"op":"c"}
{"before":null,"after":{"n":11,"part":null},"op":"c"}
{"before":null,"after":{"n":12,"part":"p/0"},"op":"c"}
{"before":{"n":11,"part":null},"after":null,"op":"d"}
`, string(data))
}

// What the format cannot express is an error before anything is staged for good.
func TestRefusedRows(t *testing.T) {
	for _, l := range layouts {
		fsys := vfs.NewMem()
		s := l.sink(t, fsys)
		_, _, err := s.Open(ctx, marker(1, 0))
		require.NoError(t, err)
		require.NoError(t, s.Publish(ctx, marker(1, 1), epochRows(1)))
		b := epochRows(2)[0]
		if !l.parquet { // whole files are encoded when they are rolled
			require.Error(t, s.Publish(ctx, marker(1, 2), []*changelog.Batch{{N: 3, Cols: b.Cols, Weights: []int64{1, -1, 1}}}))
		}
		long := array.NewStringBuilder(memory.DefaultAllocator)
		long.Append(strings.Repeat("x", 300))
		err = s.Publish(ctx, marker(1, 2), []*changelog.Batch{{N: 1, Cols: []arrow.Array{array.NewSlice(b.Cols[0], 0, 1), long.NewArray()}}})
		if len(l.partitionBy) > 0 {
			require.ErrorContains(t, err, "a directory name of 305 bytes by partition_by is longer than 255")
			require.NoError(t, s.Publish(ctx, marker(1, 2), epochRows(2)))
			require.NoError(t, s.Finish(ctx))
			require.Equal(t, wanted(2), visible(t, fsys, l))
		}
		require.NoError(t, s.Close())
	}
}

func TestNames(t *testing.T) {
	require.Equal(t, `a%2Fb%3Dc%25 d.e%0A`, string(escape(nil, "a/b=c% d.e\n")))
	require.Equal(t, types.Schema{schema[0]}, Written(schema, []int{1}))
}
