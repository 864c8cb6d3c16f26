//go:build unix

package file

import (
	"os"
	"syscall"
)

// nodeOf returns the file's inode number, 0 if it has none.
func nodeOf(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
