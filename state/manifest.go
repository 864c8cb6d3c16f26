package state

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// formatVersion is the version of the directory's form. Every release reads the forms of the two before it.
const formatVersion = 1

const manifestName = "MANIFEST"

// manifest says which files of the directory count. It is one line of JSON and one line with its CRC-32C in hex, replaced as a whole by a
// rename.
type manifest struct {
	Format     int    `json:"format"`
	Engine     string `json:"engine"`
	Generation uint64 `json:"generation"`
	NextFile   uint64 `json:"next_file"` // numbers of files are never used again
	// Log are the segments in order. Only the last is open.
	Log []segmentInfo `json:"log"`
	// Published is what sinks had published when the directory was last closed or folded.
	Published map[uint64]changelog.Epoch `json:"published,omitempty"`
}

// segmentInfo is one log file.
type segmentInfo struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes,omitempty"` // its length once closed; 0: open
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
		return nil, damaged("it is not a manifest of streamsql")
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
