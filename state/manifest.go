package state

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"syscall"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// formatVersion is the version of the directory's form. Every release reads the forms of the two before it.
const formatVersion = 1

const (
	manifestName = "MANIFEST"
	lockName     = "lock"
)

// manifest says which files of the directory count. It is one line of JSON and one line with its CRC-32C in hex, replaced as a whole by a
// rename. Once written it is not changed.
//
// The state is Base plus the frames of Log. All frames of a segment are newer than Base.
type manifest struct {
	Format     int    `json:"format"`
	Engine     string `json:"engine"`
	Generation uint64 `json:"generation"`
	NextFile   uint64 `json:"next_file"` // numbers of files are never used again
	// Log are the segments in order. Only the last may be open.
	Log []segmentInfo `json:"log"`
	// Kept are files in the log's form with what outlives folded segments: outboxes and rejected rows.
	Kept []keptInfo `json:"kept,omitempty"`
	// Base is what the log was folded into; nil: nothing was.
	Base *snapshot `json:"base,omitempty"`
	// Versions are those that were folded, oldest first.
	Versions []*snapshot `json:"versions,omitempty"`
	// Runs are all that Base and Versions name.
	Runs []runInfo `json:"runs,omitempty"`
	// Published is what sinks had published when the manifest was written.
	Published map[uint64]changelog.Epoch `json:"published,omitempty"`
}

// segmentInfo is one log file.
type segmentInfo struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes,omitempty"` // its length once closed; 0: open
}

// keptInfo is one file of what outlives segments. What it holds of epochs after Upto does not count: it was rolled back.
type keptInfo struct {
	File  string          `json:"file"`
	Bytes int64           `json:"bytes"`
	Upto  changelog.Epoch `json:"upto"`
}

// snapshot is all state at the end of an epoch.
type snapshot struct {
	Epoch changelog.Epoch `json:"epoch"`
	Clock int64           `json:"clock"`
	// Head is a file in the log's form: a frame with the newest catalog body, if there is any, and one of the epoch with its meta.
	Head      string `json:"head"`
	HeadBytes int64  `json:"head_bytes"`
	// Tables are the files of each table's runs, oldest first.
	Tables map[TableID][]uint64 `json:"tables,omitempty"`
}

// files returns the names of all files that the manifest names.
func (m *manifest) files() map[string]bool {
	names := map[string]bool{}
	for _, s := range m.Log {
		names[s.File] = true
	}
	for _, k := range m.Kept {
		names[k.File] = true
	}
	for i := range m.Runs {
		names[m.Runs[i].name()] = true
	}
	for _, v := range m.snapshots() {
		names[v.Head] = true
	}
	return names
}

// snapshots returns Versions and Base.
func (m *manifest) snapshots() []*snapshot {
	out := slices.Clone(m.Versions)
	if m.Base != nil {
		out = append(out, m.Base)
	}
	return out
}

// run returns a run by its file.
func (m *manifest) run(file uint64) *runInfo {
	i, ok := slices.BinarySearchFunc(m.Runs, file, func(r runInfo, file uint64) int { return cmp.Compare(r.File, file) })
	if !ok {
		return nil
	}
	return &m.Runs[i]
}

// setRuns makes Runs those of all that are named by Base and Versions.
func (m *manifest) setRuns(all []runInfo) {
	named := map[uint64]bool{}
	for _, v := range m.snapshots() {
		for _, runs := range v.Tables {
			for _, file := range runs {
				named[file] = true
			}
		}
	}
	m.Runs = nil
	for _, r := range all {
		if named[r.File] {
			m.Runs = append(m.Runs, r)
		}
	}
	slices.SortFunc(m.Runs, func(a, b runInfo) int { return cmp.Compare(a.File, b.File) })
}

// check finds manifests that were never written by us, so that nobody else has to.
func (m *manifest) check() error {
	if len(m.Engine) != 32 {
		return fmt.Errorf("the engine's id is %q", m.Engine)
	}
	for i := range m.Runs {
		if err := m.Runs[i].check(); err != nil {
			return err
		}
		if i > 0 && m.Runs[i-1].File >= m.Runs[i].File {
			return fmt.Errorf("run %d follows run %d", m.Runs[i].File, m.Runs[i-1].File)
		}
	}
	last := changelog.Epoch(0)
	for _, v := range m.snapshots() {
		if v == nil || v.Epoch < last {
			return errors.New("versions are out of order")
		}
		last = v.Epoch
		for table, runs := range v.Tables {
			for _, file := range runs {
				if m.run(file) == nil {
					return fmt.Errorf("table %d is in run %d, which is not listed", table, file)
				}
			}
		}
	}
	for name := range m.files() {
		if name == "" || name != path.Base(name) || name == manifestName || name == lockName {
			return fmt.Errorf("a file is called %q", name)
		}
	}
	return nil
}

const wayOutManifest = "restore the directory from a savepoint, or remove it to start from nothing"

// readManifest returns nil without an error if there is none.
func readManifest(fsys vfs.FS, dir string) (*manifest, error) {
	name := path.Join(dir, manifestName)
	data, err := readFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeManifest(name, data)
}

func decodeManifest(name string, data []byte) (*manifest, error) {
	damaged := func(format string, args ...any) error {
		return &CorruptionError{File: name, Reason: fmt.Sprintf(format, args...), WayOut: wayOutManifest}
	}
	line, sum, ok := bytes.Cut(data, []byte("\n"))
	if !ok || len(sum) != 9 || sum[8] != '\n' {
		return nil, &CorruptionError{File: name, Reason: "it is not a manifest of streamsql", WayOut: "choose another directory"}
	}
	want, err := hex.DecodeString(string(sum[:8]))
	if err != nil || !bytes.Equal(want, sumBytes(line)) {
		return nil, damaged("it does not match its checksum")
	}
	var m manifest
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, damaged("%v", err)
	}
	if m.Format != formatVersion {
		return nil, &CorruptionError{File: name, Reason: fmt.Sprintf("it has the form %d, this program reads %d", m.Format, formatVersion),
			WayOut: "open it with the release that wrote it"}
	}
	if err := m.check(); err != nil {
		return nil, damaged("%v", err)
	}
	return &m, nil
}

func sumBytes(b []byte) []byte {
	c := checksum(b)
	return []byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}
}

// write makes m the manifest of dir.
func (m *manifest) write(fsys vfs.FS, dir string) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	data := append(line, '\n')
	data = append(append(data, hex.EncodeToString(sumBytes(line))...), '\n')
	tmp := path.Join(dir, manifestName+".new")
	if err := writeFile(fsys, tmp, data); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, path.Join(dir, manifestName)); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// writeFile makes a file with synced contents; its name is not synced.
func writeFile(fsys vfs.FS, name string, data []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// cannotLink reports whether a hard link failed because there cannot be one.
func cannotLink(err error) bool {
	for _, e := range []error{syscall.EXDEV, syscall.EPERM, syscall.EMLINK, syscall.ENOSYS, errors.ErrUnsupported} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// copySynced copies contents, makes them durable and closes dst.
func copySynced(dst vfs.File, src io.Reader) error {
	_, err := io.Copy(dst, src)
	if err == nil {
		err = dst.Sync()
	}
	return errors.Join(err, dst.Close())
}
