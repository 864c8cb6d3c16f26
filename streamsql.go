// Package streamsql is a streaming database in one package: continuous SQL queries over sources, kept up to date incrementally, with state
// that survives a crash and sinks that get every change exactly once.
//
//	db, err := streamsql.Open(streamsql.Options{Dir: "state"})
//	_, err = db.Exec(ctx, `CREATE SOURCE bids (auction BIGINT, price BIGINT, ts TIMESTAMP,
//	                           WATERMARK FOR ts AS ts - INTERVAL '4 seconds')
//	                       WITH (connector = 'file', path = 'bids.ndjson', format = 'json')`)
//	rows, err := db.Query(ctx, "SELECT auction, max(price) FROM bids GROUP BY auction")
//
// A DB is one data directory with one catalog, one log and one sequence of epochs. It is safe for concurrent use; nothing in the package is
// global.
package streamsql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// Options say how to open a DB. The zero value keeps everything in memory.
type Options struct {
	// Dir is the data directory; "": nothing is kept.
	Dir string
	// Workers is how many workers run a query; 0: one per processor.
	Workers int
	// MemoryLimit bounds state, read-ahead and outboxes in bytes; 0: half of the machine's memory; negative: no limit.
	MemoryLimit int64
	// Logger gets what happens beside queries; nil: nobody.
	Logger *slog.Logger
	// Stdin is what the connector stdin reads, Stdout what the console writes to; nil: the process's own.
	Stdin  io.Reader
	Stdout io.Writer
	// Clock is processing time; nil: the machine's. Who moves it by hand calls DB.Wake afterwards.
	Clock func() time.Time
	// Functions, Sources and Sinks are the user's own, by name.
	Functions []Function
	Sources   map[string]SourceFactory
	Sinks     map[string]SinkFactory
	// Trigger is the least time from one epoch's begin to the next's; 0: an epoch begins as soon as there is something to do.
	Trigger time.Duration
	// EpochRows and ReadBytes bound what an epoch and a read take in; 0: the defaults. Small ones are for tests: results do not depend
	// on them.
	EpochRows int
	ReadBytes int
	// Check verifies between operators that no row is taken back that was never there, and more. It is slow: for tests.
	Check bool

	// FS is the file system of the state and of file sinks; nil: the operating system's. Others are for tests.
	FS vfs.FS
}

func (o *Options) withDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MemoryLimit == 0 {
		o.MemoryLimit = machineMemory() / 2
	}
	o.MemoryLimit = max(o.MemoryLimit, 0)
	if o.FS == nil {
		o.FS = vfs.OS
	}
}

// SourceFactory opens a Go source: options are those of CREATE SOURCE, wanted the columns that a query reads, of their declared types.
// See package sources for what a source must guarantee.
type SourceFactory func(options map[string]string, wanted types.Schema) (sources.Source, error)

// SinkFactory opens a Go sink for rows of a schema. See package sinks for what a sink must guarantee.
type SinkFactory func(options map[string]string, schema types.Schema) (sinks.Sink, error)

// DB is an open database.
type DB struct {
	opts       Options
	store      *state.Store
	engine     *exec.Engine
	registry   *expr.Registry
	connectors *connectorList
	around     surroundings

	writer   writeLock
	blind    sync.RWMutex                       // held by statements that write a table without the lock, and by what changes the table's constraints
	counting sync.Mutex                         // guards counters
	counters map[planner.ObjectID]map[int]int64 // last values of identity columns, of tables that were asked for

	ddl     sync.Mutex // one change of the catalog at a time
	mu      sync.Mutex // guards what follows
	catalog *planner.Catalog
	jobs    map[exec.JobID]jobInfo
	closed  bool

	sessions map[*Session]bool // of clients that are connected, guarded by mu
	systemMu sync.Mutex
	system   *systemView // of the functions of pg_catalog, guarded by systemMu

	session *Session // of DB.Exec and DB.Query
}

type jobInfo struct {
	name string
}

// Open opens or makes a data directory and lets its queries go on where they were.
//
// Errors: 55006 if another process has the directory; a *state.CorruptionError if it is damaged or not ours; errors of I/O.
func Open(opts Options) (*DB, error) {
	opts.withDefaults()
	db := &DB{opts: opts, jobs: map[exec.JobID]jobInfo{}, writer: newWriteLock(),
		counters: map[planner.ObjectID]map[int]int64{},
		around:   surroundings{fs: opts.FS, stdin: opts.Stdin, stdout: opts.Stdout, logger: opts.Logger}}
	db.connectors = newConnectorList(opts.Sources, opts.Sinks)
	var err error
	if db.registry, err = newRegistry(db, opts.Functions); err != nil {
		return nil, err
	}
	if db.store, err = state.Open(opts.FS, opts.Dir, state.Options{Logger: opts.Logger}); err != nil {
		return nil, err
	}
	if err := db.start(); err != nil {
		return nil, errors.Join(err, db.store.Close())
	}
	db.session = db.NewSession()
	return db, nil
}

// start brings the catalog and the engine up from the store.
func (db *DB) start() error {
	db.catalog = planner.NewCatalog()
	for entry, err := range db.store.Catalog() {
		if err != nil {
			return err
		}
		if db.catalog, err = planner.DecodeCatalog(entry.Body); err != nil {
			return fmt.Errorf("catalog of epoch %d: %w", entry.Epoch, err)
		}
	}
	engine, err := exec.Open(db.config(db.store, time.UTC))
	if err != nil {
		return err
	}
	db.engine = engine
	var specs []exec.JobSpec
	for _, o := range db.catalog.Objects() {
		if spec, ok := jobOf(o); ok {
			spec.Restore = true
			specs = append(specs, spec)
			db.jobs[spec.ID] = jobInfo{name: o.Name}
		}
	}
	if len(specs) > 0 {
		indexes := changedIndexes(planner.NewCatalog(), db.catalog)
		if err := engine.Alter(context.Background(), exec.Alteration{Add: specs, Indexes: indexes}); err != nil {
			return errors.Join(err, engine.Stop(context.Background()))
		}
	}
	engine.Start()
	return nil
}

// config is how engines of this DB are opened; store is nil for a private one in memory. zone is that of texts of timestamptz.
func (db *DB) config(store *state.Store, zone *time.Location) exec.Config {
	clock := db.opts.Clock
	return exec.Config{
		Env:   &exec.Env{Functions: db.registry, Zone: zone},
		Store: store, Workers: db.opts.Workers, MemoryLimit: db.opts.MemoryLimit, Logger: db.opts.Logger,
		Clock:      func() int64 { return clock().UnixMicro() },
		OpenSource: db.openSource, OpenSink: db.openSink,
		Trigger: db.opts.Trigger, EpochRows: db.opts.EpochRows, ReadBytes: db.opts.ReadBytes, Check: db.opts.Check,
	}
}

// jobOf returns the job that keeps an object up to date.
func jobOf(o *planner.Object) (exec.JobSpec, bool) {
	spec := exec.JobSpec{ID: exec.JobID(o.ID), Name: o.Name, Paused: o.Paused}
	switch {
	case o.Kept() != nil:
		spec.Root = o.Kept()
	case o.Sink != nil && o.Sink.Plan.Root != nil:
		spec.Root = o.Sink.Plan.Root
		if way := strings.ToLower(o.Sink.Options["on_marker"]); way != "error" {
			spec.OnMarker = way
		}
	default:
		return spec, false
	}
	return spec, true
}

func (db *DB) openSource(_ context.Context, scan *planner.Scan) (exec.Source, error) {
	db.mu.Lock()
	o := db.catalog.Object(scan.Object)
	db.mu.Unlock()
	if o == nil || o.Source == nil {
		return nil, types.Errorf(types.CodeUndefinedTable, "source %q does not exist any more", scan.Name)
	}
	c, f, options, err := db.connectors.resolve(o.Source.External, planner.AsSource)
	if err != nil {
		return nil, err
	}
	r := sourceRequest{surroundings: db.around, name: o.Name, physical: o.Source.Physical, scan: scan, source: o.Source, options: options, format: f}
	for _, i := range scan.Columns {
		r.wanted = append(r.wanted, o.Source.Physical[i])
	}
	return c.source(r)
}

func (db *DB) openSink(_ context.Context, sink *planner.Sink) (exec.Sink, error) {
	db.mu.Lock()
	o := db.catalog.Object(sink.Object)
	db.mu.Unlock()
	if o == nil || o.Sink == nil {
		return nil, types.Errorf(types.CodeUndefinedTable, "sink %q does not exist any more", sink.Name)
	}
	c, f, options, err := db.connectors.resolve(o.Sink.External, planner.AsSink)
	if err != nil {
		return nil, err
	}
	r := sinkRequest{surroundings: db.around, name: o.Name, schema: o.Sink.Schema, key: sink.Key, options: options, format: f}
	if keys := o.Sink.Plan.Root.Props.Keys; len(r.key) == 0 && len(keys) > 0 { // what names a row in a changelog format
		r.key = keys[0]
	}
	if r.partitionBy, err = partitionColumns(o.Sink, options); err != nil {
		return nil, err
	}
	return c.sink(r)
}

// Wake makes queries look at the clock again, for who moves Options.Clock by hand.
func (db *DB) Wake() { db.engine.Wake() }

// Wait returns when every continuous query has ended because its input has, and everything is published; at once if there are none. It returns the
// first error of a query.
func (db *DB) Wait(ctx context.Context) error { return db.engine.Wait(ctx) }

// WaitIdle returns when every source was found, after the call, to stand at its end, and everything read is processed and published. It returns
// the first error of a query.
func (db *DB) WaitIdle(ctx context.Context) error { return db.engine.RunUntilIdle(ctx) }

// Stats returns a picture of what runs.
func (db *DB) Stats() exec.Stats { return db.engine.Stats() }

// Done is closed when the engine has ended, by Close or by an error, which Err returns.
func (db *DB) Done() <-chan struct{} { return db.engine.Done() }

// Err returns the error that ended the engine.
func (db *DB) Err() error { return db.engine.Err() }

// Close ends at the end of the epoch that runs: what is prepared is published, files of file sinks become visible. Closing twice is fine.
func (db *DB) Close() error { return db.CloseContext(context.Background()) }

// CloseContext is Close that waits for sinks only until ctx ends. What they have not published then stays in the log for the next Open.
func (db *DB) CloseContext(ctx context.Context) error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	db.mu.Unlock()
	if closed {
		return nil
	}
	return errors.Join(db.engine.Stop(ctx), db.store.Close())
}

// Version returns the version of the module as the build knows it, or "devel".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
