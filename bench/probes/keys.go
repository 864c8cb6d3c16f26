package probes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// writeKeys makes the directory dir with one Parquet file of rows keys.
func writeKeys(dir string, rows, keys int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeKeyFile(dir, "a.parquet", rows, keys)
}

// writeKeyFile writes a Parquet file with one column, k: rows keys of the given number of different ones, each as often
// as the others, in an order without order.
func writeKeyFile(dir, name string, rows, keys int) error {
	const batch = 1 << 16
	numbers := make([]int64, rows)
	for i := range numbers {
		numbers[i] = int64(i % keys)
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(rows, func(i, j int) { numbers[i], numbers[j] = numbers[j], numbers[i] })

	// Written beside and renamed, so that a watcher of the directory never sees half a file.
	path := filepath.Join(dir, name)
	file, err := os.Create(filepath.Join(dir, "."+name))
	if err != nil {
		return err
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int64}}, nil)
	writer, err := pqarrow.NewFileWriter(schema, file, parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(false),
		parquet.WithMaxRowGroupLength(1<<17)), pqarrow.DefaultWriterProps())
	if err != nil {
		return errors.Join(err, file.Close())
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	for len(numbers) > 0 {
		n := min(batch, len(numbers))
		builder.Field(0).(*array.Int64Builder).AppendValues(numbers[:n], nil)
		numbers = numbers[n:]
		record := builder.NewRecord()
		err := writer.WriteBuffered(record)
		record.Release()
		if err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", path, err), writer.Close())
		}
	}
	if err := writer.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
