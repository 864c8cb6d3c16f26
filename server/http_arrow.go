package server

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// writeArrow sends an answer as an Arrow IPC stream. Numerics without a precision are texts, as Arrow has no type for them; every field's
// metadata names its SQL type. Of an answer that goes on, the columns epoch and weight stand first, and every epoch's changes are sent at once.
func writeArrow(ctx context.Context, out *output, rows *streamsql.Rows) error {
	columns, live := rows.Columns(), rows.Live()
	var fields []arrow.Field
	if live {
		fields = append(fields, arrow.Field{Name: "epoch", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "weight", Type: arrow.PrimitiveTypes.Int64})
	}
	for _, c := range columns {
		t := c.Type.Arrow()
		if asText(c.Type) {
			t = arrow.BinaryTypes.String
		}
		if c.Type.Kind == types.Unknown {
			t = arrow.BinaryTypes.String
		}
		fields = append(fields, arrow.Field{Name: c.Name, Type: t, Nullable: true,
			Metadata: arrow.NewMetadata([]string{"streamsql.type"}, []string{c.Type.String()})})
	}
	schema := arrow.NewSchema(fields, nil)
	out.w.Header().Set("Content-Type", asArrow)
	w := ipc.NewWriter(out, ipc.WithSchema(schema))
	for {
		changes, err := rows.Changes(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err // the stream has no end mark, which tells the client
		}
		for _, b := range changes.Batches {
			rec := record(schema, columns, live, changes.Epoch, b)
			if err := w.Write(rec); err != nil {
				return err
			}
		}
		if live {
			if err := out.flush(); err != nil {
				return err
			}
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.send()
}

// asText reports whether a type's storage means nothing outside of the engine.
func asText(t types.Type) bool {
	return t.Kind == types.Numeric && !t.IsDecimal128() || t.Kind == types.Array && t.Elem == types.Numeric
}

// record makes the Arrow record of one batch: the selected rows, each as often as it is in the answer.
func record(schema *arrow.Schema, columns []streamsql.Column, live bool, epoch changelog.Epoch, b *changelog.Batch) arrow.Record {
	var rows []uint32
	var epochs, weights *array.Int64Builder
	var cols []arrow.Array
	if live {
		epochs, weights = types.NewBuilder(types.Int8Type).(*array.Int64Builder), types.NewBuilder(types.Int8Type).(*array.Int64Builder)
	}
	b.Each(func(row int) {
		if live {
			rows = append(rows, uint32(row))
			epochs.Append(int64(epoch))
			weights.Append(b.Weight(row))
			return
		}
		for range b.Weight(row) {
			rows = append(rows, uint32(row))
		}
	})
	if live {
		cols = append(cols, epochs.NewArray(), weights.NewArray())
	}
	taken := changelog.Take(b, rows)
	for i, c := range columns {
		col := taken.Cols[i]
		if asText(c.Type) || c.Type.Kind == types.Unknown {
			text := types.NewBuilder(types.TextType).(*array.StringBuilder)
			var buf []byte
			for row := range taken.N {
				if col.IsNull(row) {
					text.AppendNull()
					continue
				}
				buf = types.AppendText(buf[:0], c.Type, col, row)
				text.Append(string(buf))
			}
			col = text.NewArray()
		}
		cols = append(cols, col)
	}
	return array.NewRecord(schema, cols, int64(len(rows)))
}
