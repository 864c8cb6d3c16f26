// Package file writes changelogs to the files of a directory, each epoch exactly once, so that a plain glob sees only complete, final and
// committed files at any moment.
//
// Rows are staged in files of the hidden directory .streamsql under the target. Publishing an epoch appends its rows to the staged files,
// syncs them, and then appends one frame to the journal there, which holds the marker and the length of every staged file: this frame
// is what publishes. Rolling makes a staged file final:
//
//	journal: "rename s to f"  ->  sync  ->  rename, sync directories  ->  journal: done
//
// Opening completes the renames of the last frame, cuts the staged files to their logged lengths and removes what the journal does not
// name. Rows become visible when their file is rolled: at roll_size, at roll_interval after its first row, and at a clean end.
package file

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path"
	"sync"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// Options are the connector's options. FORMAT's options are the format's own.
var Options = []types.OptionSpec{
	{Name: "path", Required: true, Doc: "the directory that the files are written to; it is made if it does not exist"},
	{Name: "roll_interval", Kind: types.OptDuration, Default: "10 seconds", Doc: "a file is made visible this long after its first row"},
	{Name: "roll_size", Kind: types.OptBytes, Default: "128MB", Doc: "a file is made visible when it has grown to this size"},
	{Name: "partition_by", Doc: "columns, separated by commas: rows go to the directories <column>=<value>, and the columns are left out of the files"},
}

// Config is one file sink.
type Config struct {
	FS           vfs.FS
	Path         string
	Schema       types.Schema // of the changes
	PartitionBy  []int        // columns of Schema; left out of the files
	RollInterval time.Duration
	RollSize     int64
	Extension    string // of the final files, such as "json"
	// Exactly one of the two makes an encoder for batches of the columns that are not PartitionBy.
	Records formats.RecordEncoder // formats that can be appended to
	File    formats.FileEncoder   // formats that are whole files
	Logger  *slog.Logger          // nil: silent
}

// Sink implements sinks.Sink. Its methods are called from one goroutine; rolling by time runs beside them.
type Sink struct {
	cfg     Config
	columns []int // of Schema, those that are written
	written types.Schema
	encoder formats.RecordEncoder

	mu      sync.Mutex
	lock    io.Closer
	journal *journal
	state   frame // as it is committed in the journal
	unclean bool  // a publish failed midway: the staged files may be longer than committed
	err     error // of rolling in the background
	timer   *time.Timer
	closed  bool
}

// New checks the configuration; nothing is touched before Open.
func New(cfg Config) *Sink {
	s := &Sink{cfg: cfg}
	partition := map[int]bool{}
	for _, c := range cfg.PartitionBy {
		partition[c] = true
	}
	for i, f := range cfg.Schema {
		if !partition[i] {
			s.columns = append(s.columns, i)
			s.written = append(s.written, f)
		}
	}
	if cfg.Records != nil {
		s.encoder = cfg.Records
	}
	if s.cfg.Logger == nil {
		s.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}

// Written returns the columns that are written to files, in order: all but the partition columns.
func Written(schema types.Schema, partitionBy []int) types.Schema {
	return New(Config{Schema: schema, PartitionBy: partitionBy}).written
}

func (s *Sink) hidden(name string) string { return path.Join(s.cfg.Path, ".streamsql", name) }

// Open implements sinks.Sink.
func (s *Sink) Open(context.Context, sinks.Marker) (sinks.Marker, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cfg.FS.MkdirAll(s.hidden("")); err != nil {
		return sinks.Marker{}, false, ioError("make directory", s.cfg.Path, err)
	}
	lock, err := s.cfg.FS.Lock(s.hidden("lock"))
	if err != nil {
		return sinks.Marker{}, false, types.Errorf(types.CodeObjectInUse, "file sink %q: %v", s.cfg.Path, err)
	}
	s.lock = lock
	var found bool
	s.journal, s.state, found, err = openJournal(s.cfg.FS, s.hidden(""))
	if err != nil {
		return sinks.Marker{}, false, err
	}
	if err := s.recover(); err != nil {
		return sinks.Marker{}, false, err
	}
	s.schedule()
	return s.state.marker(), found, nil
}

// Publish implements sinks.Sink.
func (s *Sink) Publish(_ context.Context, m sinks.Marker, changes []*changelog.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		err := s.err
		s.err = nil
		return err
	}
	if s.unclean {
		if err := s.recover(); err != nil {
			return err
		}
	}
	s.unclean = true
	next, err := s.stage(changes)
	if err != nil {
		return err
	}
	next.Engine, next.Generation, next.Epoch = m.Engine, m.Generation, uint64(m.Epoch)
	if err := s.commit(next); err != nil {
		return err
	}
	s.unclean = false
	if err := s.roll(func(f staged) bool { return f.Bytes >= s.cfg.RollSize }); err != nil {
		return err
	}
	s.schedule()
	return nil
}

// Finish implements sinks.Sink: all committed rows become visible.
func (s *Sink) Finish(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.unclean {
		if err := s.recover(); err != nil {
			return err
		}
	}
	return s.roll(func(staged) bool { return true })
}

// Close implements sinks.Sink. Staged rows stay staged.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.journal != nil {
		s.journal.close()
	}
	if s.lock != nil {
		return s.lock.Close()
	}
	return nil
}

// schedule rolls by time when the oldest staged file is due.
func (s *Sink) schedule() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.state.Staged) == 0 || s.closed || s.cfg.RollInterval <= 0 {
		return
	}
	oldest := s.state.Staged[0].Since
	for _, f := range s.state.Staged {
		oldest = min(oldest, f.Since)
	}
	s.timer = time.AfterFunc(time.Until(time.UnixMicro(oldest).Add(s.cfg.RollInterval)), s.rollDue)
}

func (s *Sink) rollDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.unclean {
		return
	}
	now := time.Now()
	err := s.roll(func(f staged) bool { return !now.Before(time.UnixMicro(f.Since).Add(s.cfg.RollInterval)) })
	if err != nil {
		s.err = err
		s.cfg.Logger.Error("file sink cannot make files visible", "path", s.cfg.Path, "err", err)
		return
	}
	s.schedule()
}

func ioError(op, name string, err error) *types.Error {
	if e, ok := err.(*types.Error); ok {
		return e
	}
	return types.Errorf(codeOf(err), "%s", fmt.Sprintf("%s %q: %v", op, name, err))
}
