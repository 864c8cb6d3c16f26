package file

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"strings"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/streamsql/streamsql/types"
)

// stream is one open file as decompressed bytes.
type stream struct {
	file       *os.File
	r          io.Reader
	compressed bool
	before     []byte // what stands before the offset it was opened at, at most markWindow bytes
	close      func()
}

// openStream opens path and skips to offset of the decompressed bytes.
func openStream(path, compression string, offset int64) (*stream, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, ioError("open", path, err)
	}
	s := &stream{file: f, r: f, close: func() {}}
	switch kind(path, compression) {
	case "gzip":
		zr, err := kgzip.NewReader(bufio.NewReaderSize(f, 1<<18))
		if err != nil {
			f.Close()
			return nil, damaged(path, err)
		}
		s.r, s.compressed, s.close = zr, true, func() { zr.Close() }
	case "zstd":
		zr, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			f.Close()
			return nil, damaged(path, err)
		}
		s.r, s.compressed, s.close = zr, true, zr.Close
	}
	if offset == 0 {
		return s, nil
	}
	if s.compressed {
		s.before = make([]byte, min(offset, markWindow))
		_, err := io.CopyN(io.Discard, s.r, offset-int64(len(s.before)))
		if err == nil {
			_, err = io.ReadFull(s.r, s.before)
		}
		if err != nil {
			s.Close()
			return nil, damaged(path, err)
		}
		return s, nil
	}
	info, err := f.Stat()
	if err != nil {
		s.Close()
		return nil, ioError("stat", path, err)
	}
	if info.Size() < offset {
		s.Close()
		return nil, &replacedError{types.Errorf(types.CodeDataCorrupted, "file %q has %d bytes, but %d were read from it before", path, info.Size(), offset).
			WithHint("files that are not watched may grow or be added, but not be cut or replaced")}
	}
	if s.before, err = readBefore(f, offset); err != nil {
		s.Close()
		return nil, ioError("read", path, err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		s.Close()
		return nil, ioError("seek in", path, err)
	}
	return s, nil
}

// replacedError says that a file is not the one that was read.
type replacedError struct{ err *types.Error }

func (e *replacedError) Error() string { return e.err.Error() }

func (e *replacedError) Unwrap() error { return e.err }

// replaced is the error for a file of at least the size that was read, but with another text.
func replaced(path string, offset int64) error {
	return &replacedError{types.Errorf(types.CodeDataCorrupted, "file %q is another than the one of which %d bytes were read before", path, offset).
		WithHint("files that are not watched may grow or be added, but not be cut or replaced")}
}

func (s *stream) Close() error {
	s.close()
	return s.file.Close()
}

func kind(path, compression string) string {
	if compression != "auto" && compression != "" {
		return compression
	}
	switch {
	case strings.HasSuffix(path, ".gz"):
		return "gzip"
	case strings.HasSuffix(path, ".zst"):
		return "zstd"
	}
	return "none"
}

func damaged(path string, err error) *types.Error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return types.Errorf(types.CodeDataCorrupted, "compressed file %q ends too early", path)
	}
	if err == gzip.ErrHeader || err == kgzip.ErrHeader {
		return types.Errorf(types.CodeDataCorrupted, "file %q is not gzip", path).WithHint("set compression = 'none' if it is plain")
	}
	return types.Errorf(types.CodeDataCorrupted, "compressed file %q is damaged: %v", path, err)
}
