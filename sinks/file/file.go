// Package file writes changelogs to the files of a directory, each epoch exactly once, so that a plain glob sees only complete, final and
// committed files at any moment.
//
// Rows are staged in files of the hidden directory .streamsql under the target. Publishing an epoch appends its rows to the staged files,
// syncs them, and then appends one frame to the journal there, which holds the marker and the length of every staged file: this frame
// is what publishes. Rolling makes a staged file final:
//
//	journal: "rename s to f"  ->  sync  ->  link, sync, unlink, sync  ->  journal: done
//
// Opening completes the renames of the last frame, cuts the staged files to their logged lengths and removes what the journal does not
// name. Rows become visible when their file is rolled: at roll_size, at roll_interval after its first row, and at a clean end.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"strings"
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
	{Name: "roll_interval", Kind: types.OptDuration, Default: "10 seconds", Doc: "a file is made visible this long after its first row; 0: only by its size and at the end"},
	{Name: "roll_size", Kind: types.OptBytes, Default: "128MB", Doc: "a file is made visible when it has grown to this size"},
	{Name: "partition_by", Doc: "columns, separated by commas: rows go to the directories <column>=<value>, and the columns are left out of the files"},
}

// Config is one file sink.
type Config struct {
	Name         string // the sink's name: a directory belongs to one sink
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
	found   bool  // there was a frame when the journal was read
	unclean bool  // something failed midway: the directory may be other than committed
	timer   *time.Timer
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

// Open implements sinks.Sink. It may be called again after it failed.
func (s *Sink) Open(context.Context, sinks.Marker) (m sinks.Marker, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release()
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if err := s.cfg.FS.MkdirAll(s.hidden("")); err != nil {
		return m, false, ioError("make directory", s.cfg.Path, err)
	}
	if s.lock, err = s.cfg.FS.Lock(s.hidden("lock")); err != nil {
		s.lock = nil
		var locked *vfs.LockedError
		if errors.As(err, &locked) {
			return m, false, types.Errorf(types.CodeObjectInUse, "file sink %q: %v", s.cfg.Path, err).
				WithHint("every sink needs a directory of its own")
		}
		return m, false, ioError("lock", s.hidden("lock"), err)
	}
	s.unclean = true
	if err := s.clean(); err != nil {
		return m, false, err
	}
	s.schedule(0)
	m = s.state.marker()
	if s.found && s.state.Sink != s.cfg.Name {
		m.Engine += " for its sink " + s.state.Sink // not this sink's marker
	}
	return m, s.found, nil
}

// Publish implements sinks.Sink. Publishing the last epoch once more, after an error that came when it was committed already, adds nothing.
func (s *Sink) Publish(_ context.Context, m sinks.Marker, changes []*changelog.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return types.Errorf(types.CodeInternal, "file sink %q is not open", s.cfg.Path)
	}
	if err := s.clean(); err != nil {
		return err
	}
	if at := s.state.marker(); at.Engine != m.Engine || at.Generation != m.Generation || at.Epoch < m.Epoch {
		s.unclean = true
		next, err := s.stage(changes)
		if err != nil {
			return err
		}
		next.Engine, next.Sink, next.Generation, next.Epoch = m.Engine, s.cfg.Name, m.Generation, uint64(m.Epoch)
		if err := s.commit(next); err != nil {
			return err
		}
		s.unclean = false
	}
	if err := s.roll(func(f staged) bool { return f.Bytes >= s.cfg.RollSize }); err != nil {
		return err
	}
	s.schedule(0)
	return nil
}

// Finish implements sinks.Sink: all committed rows become visible.
func (s *Sink) Finish(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return nil
	}
	if err := s.clean(); err != nil {
		return err
	}
	return s.roll(func(staged) bool { return true })
}

// Close implements sinks.Sink. Staged rows stay staged.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release()
}

// release gives the directory free.
func (s *Sink) release() error {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.journal != nil {
		s.journal.close()
		s.journal = nil
	}
	if s.lock == nil {
		return nil
	}
	lock := s.lock
	s.lock = nil
	return lock.Close()
}

// Reset implements sinks.Resetter: it removes the files that this sink, or another of the same format, has made in the directory and in those of
// its partitions, what is staged, and last the journal. Other files stay.
func (s *Sink) Reset(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return types.Errorf(types.CodeInternal, "file sink %q is not open", s.cfg.Path)
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	if err := s.removeFinal(s.cfg.Path, s.cfg.PartitionBy); err != nil {
		return err
	}
	fsys := s.cfg.FS
	if err := fsys.Remove(s.hidden(journalName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ioError("remove", s.hidden(journalName), err)
	}
	if err := fsys.SyncDir(s.hidden("")); err != nil {
		return ioError("sync", s.hidden(""), err)
	}
	s.unclean = true
	return s.clean()
}

func (s *Sink) removeFinal(dir string, partitionBy []int) error {
	names, err := s.cfg.FS.List(dir)
	if err != nil {
		return ioError("list", dir, err)
	}
	for _, name := range names {
		full := path.Join(dir, name)
		switch {
		case len(partitionBy) > 0 && strings.HasPrefix(name, string(escape(nil, s.cfg.Schema[partitionBy[0]].Name))+"="):
			if err := s.removeFinal(full, partitionBy[1:]); err != nil {
				return err
			}
		case len(partitionBy) == 0 && finalPattern.MatchString(name) && strings.HasSuffix(name, "."+s.cfg.Extension):
			if err := s.cfg.FS.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return ioError("remove", full, err)
			}
		}
	}
	if err := s.cfg.FS.SyncDir(dir); err != nil {
		return ioError("sync", dir, err)
	}
	return nil
}

// finalPattern is the form of finalName.
var finalPattern = regexp.MustCompile(`^part-.{1,8}-\d{6,}\.`)

// retryRoll is how soon rolling by time is tried again after it failed.
const retryRoll = time.Second

// schedule rolls by time when the oldest staged file is due, but not before atLeast has passed.
func (s *Sink) schedule(atLeast time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.state.Staged) == 0 || s.lock == nil || s.cfg.RollInterval <= 0 {
		return
	}
	oldest := s.state.Staged[0].Since
	for _, f := range s.state.Staged {
		oldest = min(oldest, f.Since)
	}
	due := time.Until(time.UnixMicro(oldest).Add(s.cfg.RollInterval))
	s.timer = time.AfterFunc(max(due, atLeast), s.rollDue)
}

func (s *Sink) rollDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return
	}
	now := time.Now()
	err := s.clean()
	if err == nil {
		err = s.roll(func(f staged) bool { return !now.Before(time.UnixMicro(f.Since).Add(s.cfg.RollInterval)) })
	}
	if err != nil {
		s.cfg.Logger.Error("file sink cannot make files visible, will try again", "path", s.cfg.Path, "err", err)
		s.schedule(retryRoll)
		return
	}
	s.schedule(0)
}

func ioError(op, name string, err error) *types.Error {
	if e, ok := err.(*types.Error); ok {
		return e
	}
	return types.Errorf(codeOf(err), "%s", fmt.Sprintf("%s %q: %v", op, name, err))
}
