package probes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/measure"
	"github.com/streamsql/streamsql/state/vfs"
)

func latency(ctx context.Context, env harness.Env) ([]harness.Figure, error) {
	return watchedFile(ctx, env, 0)
}

func slowSyncLatency(ctx context.Context, env harness.Env) ([]harness.Figure, error) {
	return watchedFile(ctx, env, 3*time.Millisecond)
}

// groups is how many groups the events of the latency probes fall into.
const groups = 1000

// watchedFile appends events to a file, ten every millisecond, and takes for each event the time from just before the write that holds it to the
// arrival, at a subscriber, of the prepared change of its group that counts it. slow is added to every sync of the log.
func watchedFile(ctx context.Context, env harness.Env, slow time.Duration) (figures []harness.Figure, err error) {
	const each, pause = 10, time.Millisecond
	events := 200_000
	if env.Quick {
		events = 10_000
	}
	const warmUp = 5000 // their latencies are not counted

	path := filepath.Join(env.Dir, "events.ndjson")
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	synced := &slowFS{FS: vfs.OS, slow: slow}
	db, err := streamsql.Open(streamsql.Options{Dir: filepath.Join(env.Dir, "state"), FS: synced})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec(ctx, `CREATE SOURCE events (id BIGINT NOT NULL, grp BIGINT NOT NULL, word TEXT)
			WITH (connector = 'file', path = '`+path+`', format = 'json', watch = true);
		CREATE MATERIALIZED VIEW counts AS SELECT grp, count(*) AS n FROM events GROUP BY grp`); err != nil {
		return nil, err
	}
	sub, err := db.Subscribe(ctx, "SELECT grp, n FROM counts")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sub.Close()) }()

	written := make([]atomic.Int64, events) // nanoseconds since start, plus 1
	start := time.Now()
	failed := make(chan error, 1)
	go func() {
		var lines []byte
		for first := 0; first < events; first += each {
			time.Sleep(time.Until(start.Add(time.Duration(first/each) * pause)))
			lines = lines[:0]
			for id := first; id < first+each; id++ {
				lines = append(lines, `{"id":`...)
				lines = strconv.AppendInt(lines, int64(id), 10)
				lines = append(lines, `,"grp":`...)
				lines = strconv.AppendInt(lines, int64(id%groups), 10)
				lines = append(lines, `,"word":"something more, as events have it"}`+"\n"...)
			}
			now := int64(time.Since(start)) + 1
			for id := first; id < first+each; id++ {
				written[id].Store(now)
			}
			if _, err := file.Write(lines); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()

	took := make([]time.Duration, 0, events)
	var counted [groups]int
	var arrivals []time.Duration
	for seen := 0; seen < events; {
		c, err := sub.Next(ctx)
		if err != nil {
			return nil, err
		}
		now := time.Since(start)
		arrivals = append(arrivals, now)
		for _, b := range c.Batches {
			group, n := b.Cols[0].(*array.Int64), b.Cols[1].(*array.Int64)
			b.Each(func(row int) {
				if b.Weight(row) < 0 {
					return
				}
				g := int(group.Value(row))
				for ; counted[g] < int(n.Value(row)); counted[g]++ {
					id := counted[g]*groups + g
					at := written[id].Load()
					if at == 0 && err == nil {
						err = fmt.Errorf("event %d is counted before it was written", id)
					}
					if seen++; id >= warmUp {
						took = append(took, now-time.Duration(at-1))
					}
				}
			})
		}
		if err != nil {
			return nil, err
		}
	}
	rate := float64(events) / time.Since(start).Seconds()
	if err := <-failed; err != nil {
		return nil, err
	}
	slices.Sort(took)
	syncs, err := measure.Sync(env.Dir, 4096, 300)
	if err != nil {
		return nil, err
	}
	figures = []harness.Figure{
		{Name: "p50", Value: milliseconds(measure.Quantile(took, 0.5))},
		{Name: "p99", Value: milliseconds(measure.Quantile(took, 0.99))},
		{Name: "slowest", Value: milliseconds(took[len(took)-1])},
		{Name: "at", Value: fmt.Sprintf("%.0f events/s", rate)},
		{Name: "events in a result", Value: fmt.Sprintf("%.0f", float64(events)/float64(len(arrivals)))},
		{Name: "syncs an epoch", Value: fmt.Sprintf("%.2f", float64(synced.done.Load())/float64(max(db.Stats().Epochs, 1)))},
		{Name: "sync of 4 kB: median", Value: milliseconds(measure.Quantile(syncs, 0.5))},
		{Name: "p99", Value: milliseconds(measure.Quantile(syncs, 0.99))},
	}
	return figures, nil
}

// slowFS is a file system whose syncs take longer.
type slowFS struct {
	vfs.FS
	slow time.Duration
	done atomic.Int64 // syncs
}

// Create makes a file with slow syncs.
func (s *slowFS) Create(name string) (vfs.File, error) { return s.file(s.FS.Create(name)) }

// OpenAppend opens a file with slow syncs.
func (s *slowFS) OpenAppend(name string) (vfs.File, error) { return s.file(s.FS.OpenAppend(name)) }

func (s *slowFS) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &slowFile{File: f, fs: s}, nil
}

type slowFile struct {
	vfs.File
	fs *slowFS
}

// Sync makes the contents durable, later.
func (f *slowFile) Sync() error {
	f.fs.done.Add(1)
	if f.fs.slow > 0 {
		time.Sleep(f.fs.slow)
	}
	return f.File.Sync()
}
