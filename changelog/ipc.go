package changelog

import "github.com/streamsql/streamsql/types"

// AppendIPC appends the selected rows of the batches as one Arrow IPC stream; weights, if any batch has them, are one more
// column named _weight.
func AppendIPC(dst []byte, schema types.Schema, batches []*Batch) ([]byte, error) {
	panic("unfinished")
}

// ReadIPC reads what AppendIPC wrote. The caller has checked the bytes' checksum; still, damaged input is an error, never a panic.
func ReadIPC(data []byte, schema types.Schema) ([]*Batch, error) { panic("unfinished") }
