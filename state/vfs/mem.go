package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrCrashed is what every operation returns once a Mem has crashed: the machine is off.
var ErrCrashed = errors.New("the file system has crashed")

// Mem is a file system in memory that keeps apart what is seen and what would survive a crash: of a file, its contents up to the last
// Sync; of a directory, the names up to its last SyncDir. It counts the steps that change something and fails or crashes where told.
// It is safe for use by several goroutines.
//
//	m := vfs.NewMem()
//	... run the workload once; n := m.Steps() ...
//	for i := range n { m := vfs.NewMem(); m.CrashAt(i); run; recovered := m.CrashClone(); ... }
//
// Relative and absolute names are different; "." and "/" always exist.
type Mem struct {
	mu      sync.Mutex
	names   map[string]*memNode
	durable map[string]*memNode
	pending map[string][]nameChange // by directory, since its last SyncDir
	locks   map[string]bool

	steps   int
	failAt  int // the step that fails; -1: none
	failErr error
	crashed bool
	hook    func(op Op, name string) error

	bounded bool
	free    int64
}

// Op is a kind of operation, as a Hook sees it.
type Op uint8

// The operations. From OpCreate on they change something and are counted as steps.
const (
	OpOpen Op = iota
	OpRead
	OpList
	OpStat
	OpLock
	OpCreate
	OpWrite
	OpSync
	OpRename
	OpRemove
	OpLink
	OpMkdir
	OpTruncate
	OpSyncDir
)

// String names the operation in lower case.
func (o Op) String() string {
	return [...]string{"open", "read", "list", "stat", "lock", "create", "write", "sync", "rename", "remove", "link", "mkdir", "truncate", "syncdir"}[o]
}

type memNode struct {
	dir     bool
	data    []byte
	synced  []byte
	dirty   int // data and synced are equal before this offset; -1: they are equal
	modTime time.Time
}

// nameChange sets a name to a node, or removes it, and takes its old name away.
type nameChange struct {
	name string
	node *memNode
	old  string
}

// NewMem makes an empty file system.
func NewMem() *Mem {
	m := &Mem{names: map[string]*memNode{}, durable: map[string]*memNode{}, pending: map[string][]nameChange{}, locks: map[string]bool{}, failAt: -1}
	for _, root := range []string{".", "/"} {
		n := &memNode{dir: true, dirty: -1}
		m.names[root], m.durable[root] = n, n
	}
	return m
}

// Steps returns how many operations that change something were asked for so far.
func (m *Mem) Steps() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps
}

// CrashAt makes the file system crash instead of doing the step with this number, counted from 0 as Steps does.
func (m *Mem) CrashAt(step int) { m.FailAt(step, ErrCrashed) }

// FailAt makes the step with this number do nothing and return err; later ones work again. A write that fails has written half.
func (m *Mem) FailAt(step int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failAt, m.failErr = step, err
}

// Hook is asked before every operation; an error of it is the operation's. Nil takes it away. It must not call the file system.
func (m *Mem) Hook(hook func(op Op, name string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

// SetFree lets n more bytes be written, then writes fail with ENOSPC; a negative n takes the limit away. Removing and truncating frees nothing.
func (m *Mem) SetFree(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bounded, m.free = n >= 0, n
}

// Crashed reports whether the file system has crashed.
func (m *Mem) Crashed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crashed
}

// CrashClone returns what survives a crash at this moment: exactly what was synced. The original goes on unharmed; locks are free.
func (m *Mem) CrashClone() *Mem { return m.clone(nil) }

// CrashCloneRand is CrashClone where parts of what was not synced survive too: of each directory's changes some first ones, of each
// file any sectors of 512 bytes, up to some length, with zeros where the others were.
func (m *Mem) CrashCloneRand(r *rand.Rand) *Mem { return m.clone(r) }

func (m *Mem) clone(r *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	survivors := map[string]*memNode{}
	for name, n := range m.durable {
		survivors[name] = n
	}
	if r != nil {
		dirs := make([]string, 0, len(m.pending))
		for dir := range m.pending {
			dirs = append(dirs, dir)
		}
		slices.Sort(dirs)
		for _, dir := range dirs {
			changes := m.pending[dir]
			for _, ch := range changes[:r.IntN(len(changes)+1)] {
				setName(survivors, ch)
			}
		}
	}
	names := make([]string, 0, len(survivors))
	for name := range survivors {
		names = append(names, name)
	}
	slices.Sort(names)
	made := map[*memNode]*memNode{}
	for _, name := range names {
		n := survivors[name]
		if made[n] == nil {
			data := slices.Clone(n.synced)
			if r != nil && n.dirty >= 0 {
				data = n.torn(r)
			}
			made[n] = &memNode{dir: n.dir, data: data, synced: slices.Clone(data), dirty: -1, modTime: n.modTime}
		}
		c.names[name], c.durable[name] = made[n], made[n]
	}
	return c
}

// torn is a file's contents where only some of the writes since the last Sync got through.
func (n *memNode) torn(r *rand.Rand) []byte {
	const sector = 512
	size := n.dirty + r.IntN(max(len(n.data), len(n.synced))-n.dirty+1)
	out := make([]byte, size)
	copy(out, n.synced)
	for at := n.dirty; at < size; {
		end := min(at-at%sector+sector, size)
		if r.IntN(4) > 0 && at < len(n.data) {
			copy(out[at:end], n.data[at:])
		}
		at = end
	}
	return out
}

func setName(names map[string]*memNode, ch nameChange) {
	delete(names, ch.old)
	if ch.node == nil {
		delete(names, ch.name)
	} else {
		names[ch.name] = ch.node
	}
}

// begin counts an operation and says what is wrong with it. m.mu is held.
func (m *Mem) begin(op Op, name string) error {
	if m.crashed {
		return &fs.PathError{Op: op.String(), Path: name, Err: ErrCrashed}
	}
	if m.hook != nil {
		if err := m.hook(op, name); err != nil {
			m.crashed = errors.Is(err, ErrCrashed)
			return &fs.PathError{Op: op.String(), Path: name, Err: err}
		}
	}
	if op < OpCreate {
		return nil
	}
	step := m.steps
	m.steps++
	if step == m.failAt {
		m.crashed = errors.Is(m.failErr, ErrCrashed)
		return &fs.PathError{Op: op.String(), Path: name, Err: m.failErr}
	}
	return nil
}

// change gives a name another node, or none. m.mu is held.
func (m *Mem) change(name string, node *memNode) {
	m.apply(path.Dir(name), nameChange{name: name, node: node})
}

func (m *Mem) apply(dir string, ch nameChange) {
	setName(m.names, ch)
	m.pending[dir] = append(m.pending[dir], ch)
}

// lookup finds a node. m.mu is held.
func (m *Mem) lookup(op Op, name string) (*memNode, error) {
	if n := m.names[name]; n != nil {
		return n, nil
	}
	return nil, &fs.PathError{Op: op.String(), Path: name, Err: fs.ErrNotExist}
}

func (m *Mem) parent(op Op, name string) error {
	if n := m.names[path.Dir(name)]; n == nil || !n.dir {
		return &fs.PathError{Op: op.String(), Path: name, Err: fs.ErrNotExist}
	}
	return nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	return m.open(OpCreate, path.Clean(name), true, true)
}

// OpenRead implements FS.
func (m *Mem) OpenRead(name string) (File, error) {
	return m.open(OpOpen, path.Clean(name), false, false)
}

// OpenAppend implements FS.
func (m *Mem) OpenAppend(name string) (File, error) {
	return m.open(OpCreate, path.Clean(name), true, false)
}

func (m *Mem) open(op Op, name string, write, empty bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(op, name); err != nil {
		return nil, err
	}
	n := m.names[name]
	switch {
	case n != nil && n.dir:
		return nil, &fs.PathError{Op: op.String(), Path: name, Err: syscall.EISDIR}
	case n == nil && !write:
		return nil, &fs.PathError{Op: op.String(), Path: name, Err: fs.ErrNotExist}
	case n == nil:
		if err := m.parent(op, name); err != nil {
			return nil, err
		}
		n = &memNode{dirty: -1, modTime: time.Unix(0, 0)}
		m.change(name, n)
	case empty:
		n.cut(0)
	}
	return &memFile{m: m, n: n, name: name, write: write}, nil
}

func (n *memNode) cut(size int) {
	if size < len(n.data) {
		n.data = n.data[:size:size]
	} else {
		n.data = append(n.data, make([]byte, size-len(n.data))...)
	}
	n.touch(size)
}

func (n *memNode) touch(from int) {
	if from = min(from, len(n.synced)); n.dirty < 0 || from < n.dirty {
		n.dirty = from
	}
}

// Rename implements FS.
func (m *Mem) Rename(oldname, newname string) error {
	oldname, newname = path.Clean(oldname), path.Clean(newname)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpRename, oldname); err != nil {
		return err
	}
	n, err := m.lookup(OpRename, oldname)
	if err != nil {
		return err
	}
	if err := m.parent(OpRename, newname); err != nil {
		return err
	}
	if to := m.names[newname]; n.dir || to != nil && to.dir {
		return &fs.PathError{Op: "rename", Path: oldname, Err: errors.ErrUnsupported}
	}
	if n == m.names[newname] {
		return nil
	}
	if path.Dir(oldname) != path.Dir(newname) {
		m.change(newname, n)
		m.change(oldname, nil)
		return nil
	}
	m.apply(path.Dir(newname), nameChange{name: newname, node: n, old: oldname}) // never both names, nor none
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpRemove, name); err != nil {
		return err
	}
	n, err := m.lookup(OpRemove, name)
	if err != nil {
		return err
	}
	if n.dir && (len(m.list(name)) > 0 || path.Dir(name) == name) {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	m.change(name, nil)
	return nil
}

// Link implements FS.
func (m *Mem) Link(oldname, newname string) error {
	oldname, newname = path.Clean(oldname), path.Clean(newname)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpLink, newname); err != nil {
		return err
	}
	n, err := m.lookup(OpLink, oldname)
	if err != nil {
		return err
	}
	if err := m.parent(OpLink, newname); err != nil {
		return err
	}
	if m.names[newname] != nil {
		return &fs.PathError{Op: "link", Path: newname, Err: fs.ErrExist}
	}
	m.change(newname, n)
	return nil
}

// list returns the names in a directory. m.mu is held.
func (m *Mem) list(dir string) []string {
	var out []string
	for name := range m.names {
		if path.Dir(name) == dir && name != dir {
			out = append(out, path.Base(name))
		}
	}
	slices.Sort(out)
	return out
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	dir = path.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpList, dir); err != nil {
		return nil, err
	}
	n, err := m.lookup(OpList, dir)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: syscall.ENOTDIR}
	}
	return m.list(dir), nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	dir = path.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.names[dir]; n != nil && n.dir && !m.crashed {
		return nil
	}
	if err := m.begin(OpMkdir, dir); err != nil {
		return err
	}
	var missing []string
	for d := dir; m.names[d] == nil; d = path.Dir(d) {
		missing = append(missing, d)
	}
	top := dir
	if len(missing) > 0 {
		top = path.Dir(missing[len(missing)-1])
	}
	if !m.names[top].dir {
		return &fs.PathError{Op: "mkdir", Path: top, Err: syscall.ENOTDIR}
	}
	for _, d := range slices.Backward(missing) {
		n := &memNode{dir: true, dirty: -1}
		m.names[d], m.durable[d] = n, n
	}
	return nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpStat, name); err != nil {
		return nil, err
	}
	n, err := m.lookup(OpStat, name)
	if err != nil {
		return nil, err
	}
	return n.info(name), nil
}

// Truncate implements FS.
func (m *Mem) Truncate(name string, size int64) error {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpTruncate, name); err != nil {
		return err
	}
	n, err := m.lookup(OpTruncate, name)
	if err != nil {
		return err
	}
	if n.dir || size < 0 {
		return &fs.PathError{Op: "truncate", Path: name, Err: fs.ErrInvalid}
	}
	n.cut(int(size))
	return nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	dir = path.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpSyncDir, dir); err != nil {
		return err
	}
	if _, err := m.lookup(OpSyncDir, dir); err != nil {
		return err
	}
	for _, ch := range m.pending[dir] {
		setName(m.durable, ch)
	}
	delete(m.pending, dir)
	return nil
}

// Lock implements FS. The holder is this process.
func (m *Mem) Lock(name string) (io.Closer, error) {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(OpLock, name); err != nil {
		return nil, err
	}
	if m.locks[name] {
		return nil, &LockedError{Name: name, PID: os.Getpid()}
	}
	if err := m.parent(OpLock, name); err != nil {
		return nil, err
	}
	if m.names[name] == nil {
		m.change(name, &memNode{dirty: -1})
	}
	m.locks[name] = true
	return &memLock{m: m, name: name}, nil
}

type memLock struct {
	m    *Mem
	name string
	once sync.Once
}

// Close gives the lock free.
func (l *memLock) Close() error {
	l.once.Do(func() {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		delete(l.m.locks, l.name)
	})
	return nil
}

// memFile is an open file.
type memFile struct {
	m     *Mem
	n     *memNode
	name  string
	write bool

	// Guarded by m.mu.
	pos    int // of Read; writes go to the end, as everywhere in this package
	closed bool
}

func (f *memFile) begin(op Op) error {
	if f.closed {
		return &fs.PathError{Op: op.String(), Path: f.name, Err: fs.ErrClosed}
	}
	return f.m.begin(op, f.name)
}

// Read implements io.Reader.
func (f *memFile) Read(b []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.begin(OpRead); err != nil {
		return 0, err
	}
	if f.pos >= len(f.n.data) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[f.pos:])
	f.pos += n
	return n, nil
}

// ReadAt implements io.ReaderAt.
func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.begin(OpRead); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements io.Writer: it appends.
func (f *memFile) Write(b []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	n := len(b)
	err := f.begin(OpWrite)
	switch {
	case f.closed || f.m.crashed:
		return 0, err
	case !f.write:
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	case err != nil:
		n /= 2
	case f.m.bounded && int64(n) > f.m.free:
		n, err = int(f.m.free), &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	if f.m.bounded {
		f.m.free -= int64(n)
	}
	f.n.touch(len(f.n.data))
	f.n.data = append(f.n.data, b[:n]...)
	return n, err
}

// Sync implements File.
func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.begin(OpSync); err != nil {
		return err
	}
	if n := f.n; n.dirty >= 0 {
		n.synced = append(n.synced[:n.dirty], n.data[n.dirty:]...)
		n.dirty = -1
	}
	return nil
}

// Stat implements File.
func (f *memFile) Stat() (fs.FileInfo, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.begin(OpStat); err != nil {
		return nil, err
	}
	return f.n.info(f.name), nil
}

// Close implements io.Closer.
func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	return nil
}

type memInfo struct {
	name string
	size int64
	dir  bool
	time time.Time
}

func (n *memNode) info(name string) fs.FileInfo {
	return memInfo{name: name[strings.LastIndexByte(name, '/')+1:], size: int64(len(n.data)), dir: n.dir, time: n.modTime}
}

// Name implements fs.FileInfo.
func (i memInfo) Name() string { return i.name }

// Size implements fs.FileInfo.
func (i memInfo) Size() int64 { return i.size }

// Mode implements fs.FileInfo.
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// ModTime implements fs.FileInfo: a file's time is that of its making, 1970.
func (i memInfo) ModTime() time.Time { return i.time }

// IsDir implements fs.FileInfo.
func (i memInfo) IsDir() bool { return i.dir }

// Sys implements fs.FileInfo.
func (i memInfo) Sys() any { return nil }
