package parquet

import (
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/pierrec/lz4/v4"
)

// lz4Raw is the codec LZ4_RAW, which Arrow v17 knows by number only. Only reading whole pages is used.
type lz4Raw struct{}

const lz4RawCodec = compress.Compression(7)

// registerCodecs adds it to Arrow's table, which is global: once, before any file is read, and nobody else reads Parquet.
var registerCodecs = sync.OnceFunc(func() { compress.RegisterCodec(lz4RawCodec, lz4Raw{}) })

// Decode implements compress.Codec: dst has the length that the page's header says. It panics on damage, as Arrow's own codecs do.
func (lz4Raw) Decode(dst, src []byte) []byte {
	n, err := lz4.UncompressBlock(src, dst)
	if err != nil {
		panic(fmt.Errorf("lz4: %w", err))
	}
	return dst[:n]
}

// Encode implements compress.Codec.
func (lz4Raw) Encode(dst, src []byte) []byte {
	if bound := lz4.CompressBlockBound(len(src)); len(dst) < bound {
		dst = make([]byte, bound)
	}
	n, err := lz4.CompressBlock(src, dst, nil)
	if err != nil || n == 0 && len(src) > 0 { // cannot be with a destination of that size
		panic(fmt.Errorf("lz4: %d bytes of %d: %w", n, len(src), err))
	}
	return dst[:n]
}

// EncodeLevel implements compress.Codec: there are no levels.
func (c lz4Raw) EncodeLevel(dst, src []byte, _ int) []byte { return c.Encode(dst, src) }

// CompressBound implements compress.Codec.
func (lz4Raw) CompressBound(n int64) int64 { return int64(lz4.CompressBlockBound(int(n))) }

// NewReader implements compress.Codec; pages are never read as streams.
func (lz4Raw) NewReader(io.Reader) io.ReadCloser { panic("lz4: no stream") }

// NewWriter implements compress.Codec; pages are never written as streams.
func (lz4Raw) NewWriter(io.Writer) io.WriteCloser { panic("lz4: no stream") }

// NewWriterLevel implements compress.Codec; pages are never written as streams.
func (lz4Raw) NewWriterLevel(io.Writer, int) (io.WriteCloser, error) { panic("lz4: no stream") }
