// Package file reads one file, the files of a glob, or a directory, once or watched for new files and appended records; plain,
// gzip or zstd.
//
// All files of a source are one ordered partition. Not watched, files are read in the order of their names and the partition
// ends behind the last. Watched, files are read as they are found (by name within one look), and plain files are read on
// as they grow; a record counts once it is terminated. A watched file that was cut or replaced is read from its beginning, one that was renamed
// is read on.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// Config is one file source.
type Config struct {
	Name        string       // the source's name, for rejected rows
	Path        string       // a file, a directory, or a glob with *, ?, [..], {..} and **
	Watch       bool         // go on when the present end is reached
	Compression string       // auto (by the ending .gz, .zst), none, gzip, zstd
	Logger      *slog.Logger // told of files that were replaced or renamed; nil: silent
	// Exactly one of the two is set.
	Records formats.RecordFormat // formats that are records in a byte stream
	Blocks  formats.BlockFormat  // formats that need random access (Parquet)
}

// Options are the connector's options. FORMAT's options are the format's own.
var Options = []types.OptionSpec{
	{Name: "path", Required: true, Doc: "a file, a directory (its files but hidden ones), or a glob with *, ?, [..], {..} and **"},
	{Name: "watch", Kind: types.OptBool, Doc: "keep reading new files and appended records; by default true for a directory, else false"},
	{Name: "compression", Kind: types.OptEnum, Enum: []string{"auto", "none", "gzip", "zstd"}, Default: "auto",
		Doc: "auto goes by the ending .gz or .zst"},
}

// WatchByDefault reports whether a path is watched when the option is not given: a directory is.
func WatchByDefault(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Source implements sources.Source.
type Source struct {
	cfg      Config
	log      *slog.Logger
	decoders sync.Pool
}

// New returns the source; nothing is opened yet.
func New(cfg Config) *Source {
	s := &Source{cfg: cfg, log: cfg.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Records != nil {
		s.decoders.New = func() any { return cfg.Records.NewDecoder() }
	}
	return s
}

// Partitions returns the single partition, after looking that there is something to read.
func (s *Source) Partitions(context.Context) ([]string, error) {
	if _, err := s.list(); err != nil {
		return nil, err
	}
	return []string{s.cfg.Path}, nil
}

// OpenPartition starts behind from.
func (s *Source) OpenPartition(_ context.Context, partition string, from sources.Position) (sources.Reader, error) {
	pos, err := decodePosition(from)
	if err != nil {
		return nil, err
	}
	files, err := s.list()
	if err != nil {
		return nil, err
	}
	r := &reader{src: s, partition: partition, queue: files}
	if s.cfg.Watch {
		pos = pos.bySeen(files)
		if r.watch, err = newWatcher(s.watchedDirs()); err != nil {
			return nil, err
		}
	}
	r.pos = newPlace(pos, s.cfg.Watch || pos.Seen != nil)
	if s.cfg.Watch {
		r.followRenamed(files)
	}
	return r, nil
}

// Close does nothing: readers own the open files.
func (s *Source) Close() error { return nil }

// list returns the files that match now, sorted by name.
func (s *Source) list() ([]string, error) {
	path := s.cfg.Path
	if path == "" {
		return nil, types.Errorf(types.CodeInvalidParameter, "the path of a file source is empty")
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, ioError("read directory", path, err)
		}
		var files []string
		for _, e := range entries {
			if hidden(e.Name()) {
				continue
			}
			full := filepath.Join(path, e.Name())
			regular := e.Type().IsRegular()
			if !regular {
				info, err := os.Stat(full) // it may be a link to one
				regular = err == nil && info.Mode().IsRegular()
			}
			if regular {
				files = append(files, full)
			}
		}
		return files, checkNames(files)
	case err == nil:
		return []string{path}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, ioError("open", path, err)
	}
	if !strings.ContainsAny(path, "*?[{") {
		if s.cfg.Watch {
			if _, err := os.Stat(filepath.Dir(path)); err != nil {
				return nil, ioError("watch", filepath.Dir(path), err)
			}
			return nil, nil
		}
		return nil, ioError("open", path, err)
	}
	files, err := doublestar.FilepathGlob(path, doublestar.WithFilesOnly(), doublestar.WithNoHidden())
	if err != nil {
		return nil, types.Errorf(types.CodeInvalidParameter, "path %q is not a glob: %v", path, err)
	}
	if len(files) == 0 && !s.cfg.Watch {
		return nil, types.Errorf(types.CodeUndefinedFile, "no file matches %q", path).
			WithHint("set watch = true to wait for files")
	}
	sort.Strings(files)
	return files, checkNames(files)
}

// checkNames refuses names that a stored position could not hold.
func checkNames(files []string) error {
	for _, f := range files {
		if !utf8.ValidString(f) {
			return types.Errorf(types.CodeInvalidEncoding, "file name %q is not UTF-8", f)
		}
	}
	return nil
}

// hidden files are being written or are none of the user's data. Wildcards of globs match none that begin with a dot either.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") }

// watchedDirs are the directories whose events may mean new data.
func (s *Source) watchedDirs() []string {
	if info, err := os.Stat(s.cfg.Path); err == nil && info.IsDir() {
		return []string{s.cfg.Path}
	}
	base, _ := doublestar.SplitPattern(filepath.ToSlash(s.cfg.Path))
	return []string{filepath.FromSlash(base)}
}

// ioError names the operation and the file in the words of the system, with PostgreSQL's code.
func ioError(op, path string, err error) *types.Error {
	code := types.CodeIO
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return types.Errorf(types.CodeUndefinedFile, "%s %q: no such file or directory", op, path)
	case errors.Is(err, fs.ErrPermission):
		code = types.CodeInsufficientRights
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return types.Errorf(code, "%s", fmt.Sprintf("%s %q: %v", op, path, err))
}

// First returns the first file that a path stands for, or "" if there is none yet.
func First(path string) (string, error) {
	files, err := New(Config{Path: path, Watch: true}).list()
	if err != nil || len(files) == 0 {
		return "", err
	}
	return files[0], nil
}
