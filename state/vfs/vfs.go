// Package vfs is the small file system that the log, the snapshots and the file sink stand on. OS is the real one; Mem is an
// in-memory one for tests that forgets what was not synced and fails or crashes where told.
package vfs

import (
	"io"
	"io/fs"
)

// FS is what durable code may ask of a file system. Names are paths with forward slashes.
//
// Durability: a file's contents survive a crash up to its last Sync; a name (created, renamed, linked, removed) survives
// it once SyncDir of its directory returned. Errors satisfy errors.Is with fs.ErrNotExist and fs.ErrExist as usual.
type FS interface {
	// Create makes an empty file open for writing and reading, replacing one that exists.
	Create(name string) (File, error)
	// OpenRead opens a file for reading.
	OpenRead(name string) (File, error)
	// OpenAppend opens a file, which it makes if missing, for reading and for writing at its end.
	OpenAppend(name string) (File, error)
	// Rename moves a file over another name, atomically.
	Rename(oldname, newname string) error
	// Remove deletes a file or an empty directory.
	Remove(name string) error
	// Link gives a file a second name; it fails if newname exists.
	Link(oldname, newname string) error
	// List returns the names (not paths) in a directory, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and its parents; the new names are synced.
	MkdirAll(dir string) error
	// Stat describes a file.
	Stat(name string) (fs.FileInfo, error)
	// Truncate cuts a file to size bytes.
	Truncate(name string, size int64) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file, which it makes if missing, until the result is closed or the process
	// ends. If it is taken the error is a *LockedError.
	Lock(name string) (io.Closer, error)
}

// File is an open file. It is safe to call ReadAt from several goroutines.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer
	// Sync makes the contents durable.
	Sync() error
	Stat() (fs.FileInfo, error)
}

// LockedError says that another holder has the lock.
type LockedError struct {
	Name string
	PID  int // of the holder, 0 if unknown
}

// Error names the file and the holder.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return "lock " + e.Name + ": held by another process"
	}
	return "lock " + e.Name + ": held by process " + itoa(e.PID)
}
