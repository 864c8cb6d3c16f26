package parquet

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// wantedOf is every column of an undamaged file.
func wantedOf(t testing.TB, data []byte) types.Schema {
	s, err := Schema(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return s
}

// readDamaged decodes everything and returns the first error.
func readDamaged(data []byte, wanted types.Schema) error {
	_, err := decodeAll(data, Config{Schema: wanted, TimeColumn: -1, Prune: func(Stats) bool { return false }})
	return err
}

// readNoColumns reads only what the footer says.
func readNoColumns(data []byte) error {
	if _, err := Schema(bytes.NewReader(data), int64(len(data))); err != nil {
		return err
	}
	_, err := decodeAll(data, Config{TimeColumn: -1})
	return err
}

// damageSeeds are small files of every layout.
func damageSeeds(t testing.TB) map[string][]byte {
	all := everyType[:17]
	seeds := map[string][]byte{}
	layouts := encodings()
	for k, name := range slices.Sorted(maps.Keys(layouts)) {
		var some types.Schema // a few of the types each
		for i := k % 3; i < len(all); i += 4 {
			some = append(some, all[i])
		}
		seeds[name] = encodeWith(t, some, layouts[name], manyRows(t, some, 60))
	}
	seeds["duckdb-v1"], seeds["duckdb-v2"] = readTestdata(t, "types-v1-snappy.parquet"), readTestdata(t, "types-v2-zstd.parquet")
	return seeds
}

// Of 8,000 files with one byte changed, none panics, hangs or asks for absurd memory; the errors have a code.
func TestFlippedBytes(t *testing.T) {
	const flips = 8000
	seeds := damageSeeds(t)
	failed := 0
	for name, whole := range seeds {
		wanted := wantedOf(t, whole)
		require.NoError(t, readDamaged(whole, wanted), name)
		data := bytes.Clone(whole)
		n := flips/len(seeds) + 1
		for i := range n {
			at := (i*len(data)/n + i%7) % len(data)
			old := data[at]
			data[at] ^= []byte{0xff, 0x01, 0x80, 0x10, 0x7f}[i%5]
			if err := readDamaged(data, wanted); err != nil {
				failed++
				switch types.CodeOf(err) {
				case types.CodeDataCorrupted, types.CodeNotSupported, types.CodeUndefinedColumn, types.CodeDatatypeMismatch, types.CodeAmbiguousColumn:
				default:
					require.NoError(t, err, "%s: byte %d", name, at)
				}
			}
			if i%8 == 0 {
				_ = readNoColumns(data)
			}
			data[at] = old
		}
	}
	require.Greater(t, failed, flips/20, "damage is noticed")
}

func TestCutFiles(t *testing.T) {
	data := readTestdata(t, "types-v2-zstd.parquet")
	wanted := wantedOf(t, data)
	for n := range len(data) {
		require.Equal(t, types.CodeDataCorrupted, types.CodeOf(readDamaged(data[:n], wanted)))
	}
}

func FuzzDecode(f *testing.F) {
	seeds := damageSeeds(f)
	for _, data := range seeds {
		f.Add(data)
	}
	wanted := wantedOf(f, seeds["duckdb-v1"])
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Schema(bytes.NewReader(data), int64(len(data))); err == nil {
			_ = readDamaged(data, s)
		}
		_ = readNoColumns(data)
		_ = readDamaged(data, wanted)
	})
}

// Damaged streams of the encodings end in errors, and never in a hang.
func TestDamagedEncodings(t *testing.T) {
	h, err := newHybrid([]byte{0x00, 0x00}, 1)
	require.NoError(t, err)
	require.Error(t, h.indices(make([]uint32, 10)), "runs of length 0")
	h, err = newHybrid([]byte{0x03}, 1)
	require.NoError(t, err)
	require.Error(t, h.indices(make([]uint32, 10)), "a group without its bytes")
	_, err = newHybrid(nil, 33)
	require.Error(t, err)
	for _, data := range [][]byte{
		{}, {0x80, 0x01, 0x04, 0x05}, {0x80, 0x01, 0x04, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00}, {0x00, 0x00, 0x05, 0x00}, {0x80, 0x01, 0x04, 0x05, 0x02, 0x02, 0x7f, 0, 0, 0},
	} {
		_, _, err := decodeDelta(data, 100)
		require.ErrorIs(t, err, errDelta)
	}
}
