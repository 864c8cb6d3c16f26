//go:build !unix

package file

import "os"

// nodeOf returns 0: files have no numbers here.
func nodeOf(os.FileInfo) uint64 { return 0 }
