package parquet

import (
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// registerCodecs puts two codecs into Arrow's table, which is global: once, before any file is read or written, and nobody else uses Parquet.
// Arrow v17 knows LZ4_RAW by number only, and makes a zstd encoder for every page.
var registerCodecs = sync.OnceFunc(func() {
	compress.RegisterCodec(lz4RawCodec, pageCodec{encodeLZ4, decodeLZ4, lz4.CompressBlockBound})
	compress.RegisterCodec(compress.Codecs.Zstd, pageCodec{encodeZstd, decodeZstd, func(n int) int { return n + n>>8 + 64 }})
})

const lz4RawCodec = compress.Compression(7)

// pageCodec implements compress.Codec for pages. In decode, dst has the length that the page's header says. The functions panic on damage, as Arrow's
// codecs do.
type pageCodec struct {
	encode, decode func(dst, src []byte) []byte
	bound          func(n int) int
}

// Decode implements compress.Codec.
func (c pageCodec) Decode(dst, src []byte) []byte { return c.decode(dst, src) }

// Encode implements compress.Codec.
func (c pageCodec) Encode(dst, src []byte) []byte { return c.encode(dst, src) }

// EncodeLevel implements compress.Codec: levels are not used.
func (c pageCodec) EncodeLevel(dst, src []byte, _ int) []byte { return c.encode(dst, src) }

// CompressBound implements compress.Codec.
func (c pageCodec) CompressBound(n int64) int64 { return int64(c.bound(int(n))) }

// NewReader implements compress.Codec; pages are never read as streams.
func (pageCodec) NewReader(io.Reader) io.ReadCloser { panic("parquet pages are no streams") }

// NewWriter implements compress.Codec; pages are never written as streams.
func (pageCodec) NewWriter(io.Writer) io.WriteCloser { panic("parquet pages are no streams") }

// NewWriterLevel implements compress.Codec; pages are never written as streams.
func (pageCodec) NewWriterLevel(io.Writer, int) (io.WriteCloser, error) {
	panic("parquet pages are no streams")
}

func encodeLZ4(dst, src []byte) []byte {
	if bound := lz4.CompressBlockBound(len(src)); len(dst) < bound {
		dst = make([]byte, bound)
	}
	n, err := lz4.CompressBlock(src, dst, nil)
	if err != nil || n == 0 && len(src) > 0 { // cannot be with a destination of that size
		panic(fmt.Errorf("lz4: %d bytes of %d: %w", n, len(src), err))
	}
	return dst[:n]
}

func decodeLZ4(dst, src []byte) []byte {
	n, err := lz4.UncompressBlock(src, dst)
	if err != nil {
		panic(fmt.Errorf("lz4: %w", err))
	}
	return dst[:n]
}

// The encoder and decoder of zstd are for concurrent use; the decoder refuses a page that is larger than its header says.
var (
	zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		if err != nil { // the options are good
			panic(err)
		}
		return e
	})
	zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
		if err != nil { // the options are good
			panic(err)
		}
		return d
	})
)

func encodeZstd(dst, src []byte) []byte { return zstdEncoder().EncodeAll(src, dst[:0]) }

func decodeZstd(dst, src []byte) []byte {
	out, err := zstdDecoder().DecodeAll(src, dst[:0:len(dst)])
	if err != nil {
		panic(fmt.Errorf("zstd: %w", err))
	}
	return out
}
