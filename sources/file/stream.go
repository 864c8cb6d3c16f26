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
		if _, err := io.CopyN(io.Discard, s.r, offset); err != nil {
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
		return nil, types.Errorf(types.CodeDataCorrupted, "file %q has %d bytes, but %d were read from it before", path, info.Size(), offset).
			WithHint("files may grow or be added, but not be cut or replaced")
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		s.Close()
		return nil, ioError("seek in", path, err)
	}
	return s, nil
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
