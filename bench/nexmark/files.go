package nexmark

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// ParquetGroupRows is the number of rows in a row group of WriteParquet.
const ParquetGroupRows = 1 << 17

// WriteParquet writes the bids to a new Parquet file (snappy, dictionaries, row groups of ParquetGroupRows).
func (c Config) WriteParquet(path string) (err error) {
	schema, err := c.Project()
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	properties := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy),
		parquet.WithMaxRowGroupLength(ParquetGroupRows))
	writer, err := pqarrow.NewFileWriter(schema, file, properties, pqarrow.NewArrowWriterProperties(pqarrow.WithNoMapLogicalType()))
	if err != nil {
		return errors.Join(err, file.Close())
	}
	c.BatchRows = ParquetGroupRows
	batches, err := c.Batches()
	if err != nil {
		return errors.Join(err, writer.Close())
	}
	for batch := range batches {
		err := writer.Write(batch)
		batch.Release()
		if err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", path, err), writer.Close())
		}
	}
	return writer.Close() // closes the file as well
}

// WriteNDJSON writes the bids to a new file, one JSON object a line, about 170 bytes each.
func (c Config) WriteNDJSON(path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriterSize(file, 1<<20)
	var line []byte
	for _, bid := range c.Bids() {
		line = AppendJSON(line[:0], bid)
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}

// AppendJSON appends the bid as a JSON object. No name or address of a bid needs escaping.
func AppendJSON(line []byte, bid Bid) []byte {
	line = append(line, `{"auction":`...)
	line = strconv.AppendInt(line, bid.Auction, 10)
	line = append(line, `,"bidder":`...)
	line = strconv.AppendInt(line, bid.Bidder, 10)
	line = append(line, `,"price":`...)
	line = strconv.AppendInt(line, bid.Price, 10)
	line = append(line, `,"channel":"`...)
	line = append(line, bid.Channel...)
	line = append(line, `","url":"`...)
	line = append(line, bid.URL...)
	line = append(line, `","ts":"`...)
	line = time.UnixMicro(bid.Micros).UTC().AppendFormat(line, "2006-01-02 15:04:05.000000")
	return append(line, `"}`...)
}
