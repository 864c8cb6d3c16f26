package file

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"syscall"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// frame is the whole committed state of the sink. The last valid frame of the journal counts.
type frame struct {
	Engine     string   `json:"engine"`
	Sink       string   `json:"sink"` // its name: an engine may have several
	Generation uint64   `json:"generation"`
	Epoch      uint64   `json:"epoch"`
	Files      int64    `json:"files"`            // number of staged files ever made, for their names
	Staged     []staged `json:"staged,omitempty"` // rows that are committed and not visible
	Renames    []rename `json:"renames,omitempty"`
}

// staged is one file in .streamsql that rows are appended to.
type staged struct {
	Name      string `json:"name"`                // in .streamsql
	Partition string `json:"partition,omitempty"` // directory under the target
	Bytes     int64  `json:"bytes"`               // committed length
	Since     int64  `json:"since"`               // when its first row came, microseconds since 1970
}

// rename is a file that is being made visible.
type rename struct {
	From string `json:"from"` // in .streamsql
	To   string `json:"to"`   // under the target
	Drop string `json:"drop,omitempty"`
}

func (f frame) marker() sinks.Marker {
	return sinks.Marker{Engine: f.Engine, Generation: f.Generation, Epoch: changelog.Epoch(f.Epoch)}
}

// journal is a file of frames:
//
//	length uint32 | crc32c of the body uint32 | body: JSON of a frame
//
// integers little-endian. It is written anew when it has grown.
type journal struct {
	fs   vfs.FS
	dir  string
	file vfs.File
	size int64
}

const (
	journalName    = "journal"
	journalCompact = 1 << 20
	maxFrame       = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openJournal returns the last frame and whether there is one. What follows the last valid frame was never acknowledged.
func openJournal(fsys vfs.FS, dir string) (*journal, frame, bool, error) {
	j := &journal{fs: fsys, dir: dir}
	var last frame
	found := false
	name := path.Join(dir, journalName)
	data, err := readAll(fsys, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, last, false, ioError("read", name, err)
	}
	for int64(len(data)) > j.size {
		body, n := nextFrame(data[j.size:])
		if n == 0 {
			break
		}
		var f frame
		if err := json.Unmarshal(body, &f); err != nil {
			return nil, last, false, types.Errorf(types.CodeDataCorrupted, "journal %q is damaged at byte %d: %v", name, j.size, err)
		}
		last, found = f, true
		j.size += int64(n)
	}
	if !found && err == nil { // a journal appears by renaming, with its first frame whole
		return nil, last, false, types.Errorf(types.CodeDataCorrupted, "journal %q is damaged", name).
			WithHint("if the directory %q holds nothing of value, remove it and start again", path.Dir(dir))
	}
	if int64(len(data)) > j.size {
		if _, n := resync(data[j.size:]); n > 0 {
			return nil, last, false, types.Errorf(types.CodeDataCorrupted, "journal %q is damaged at byte %d, with intact frames behind it", name, j.size)
		}
		if err := fsys.Truncate(name, j.size); err != nil {
			return nil, last, false, ioError("cut", name, err)
		}
	}
	return j, last, found, nil
}

// nextFrame returns the body at the beginning of data and the frame's length, or 0 if there is no intact frame.
func nextFrame(data []byte) ([]byte, int) {
	if len(data) < 8 {
		return nil, 0
	}
	n := int(binary.LittleEndian.Uint32(data))
	if n > maxFrame || len(data) < 8+n || n == 0 {
		return nil, 0
	}
	body := data[8 : 8+n]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(data[4:]) {
		return nil, 0
	}
	return body, 8 + n
}

// resync looks for an intact frame behind a damaged place: a torn tail has none.
func resync(data []byte) (body []byte, at int) {
	for i := 1; i < len(data); i++ {
		if body, n := nextFrame(data[i:]); n > 0 && len(body) > 0 && body[0] == '{' {
			return body, i
		}
	}
	return nil, 0
}

// append writes a frame and syncs it.
func (j *journal) append(f frame) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	buf := make([]byte, 8, 8+len(body))
	binary.LittleEndian.PutUint32(buf, uint32(len(body)))
	binary.LittleEndian.PutUint32(buf[4:], crc32.Checksum(body, castagnoli))
	buf = append(buf, body...)
	if j.file == nil || j.size > journalCompact {
		return j.rewrite(buf)
	}
	if _, err := j.file.Write(buf); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.size += int64(len(buf))
	return nil
}

// rewrite replaces the journal by one frame.
func (j *journal) rewrite(buf []byte) error {
	j.close()
	tmp, name := path.Join(j.dir, journalName+".new"), path.Join(j.dir, journalName)
	f, err := j.fs.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(buf)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = j.fs.Rename(tmp, name)
	}
	if err == nil {
		err = j.fs.SyncDir(j.dir)
	}
	if err != nil {
		return err
	}
	j.size = int64(len(buf))
	j.file, err = j.fs.OpenAppend(name)
	return err
}

func (j *journal) close() {
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
}

func readAll(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func codeOf(err error) types.Code {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return types.CodeDiskFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return types.CodeInsufficientRights
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENAMETOOLONG),
		errors.Is(err, syscall.EINVAL):
		return types.CodeInvalidParameter // a path that cannot work, now or later
	}
	return types.CodeIO
}
