package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/sinks/console"
	"github.com/streamsql/streamsql/types"
)

// sampleRows is how many rows are looked at before the widths of columns are fixed.
const sampleRows = 1000

// maxWidth is where live values are cut.
const maxWidth = 60

// printRows prints an answer as psql does; of a query that goes on, the changes as they come, with their signs, until it ends.
func printRows(ctx context.Context, w io.Writer, rows *streamsql.Rows) error {
	if rows.Live() {
		return printChanges(ctx, w, rows)
	}
	columns := rows.Columns()
	var sample [][]string
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = uniseg.StringWidth(c.Name)
	}
	n, begun := 0, false
	flush := func() error {
		var b strings.Builder
		if !begun {
			header(&b, columns, widths)
		}
		begun = true
		for _, cells := range sample {
			line(&b, columns, widths, cells)
		}
		sample = nil
		_, err := io.WriteString(w, b.String())
		return err
	}
	for rows.Next() {
		n++
		cells := make([]string, len(columns))
		for i := range columns {
			text, _ := rows.Text(i)
			cells[i] = oneLine(text)
			if !begun {
				widths[i] = max(widths[i], uniseg.StringWidth(cells[i]))
			}
		}
		sample = append(sample, cells)
		if len(sample) == sampleRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	unit := "rows"
	if n == 1 {
		unit = "row"
	}
	_, err := fmt.Fprintf(w, "(%d %s)\n", n, unit)
	return err
}

func oneLine(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`, "\r", `\r`, "\x1b", `\x1b`, "\x00", `\0`).Replace(text)
}

func header(b *strings.Builder, columns []streamsql.Column, widths []int) {
	for i, c := range columns {
		if i > 0 {
			b.WriteByte('|')
		}
		space := widths[i] - uniseg.StringWidth(c.Name)
		fmt.Fprintf(b, " %s%s%s ", strings.Repeat(" ", space/2), c.Name, strings.Repeat(" ", space-space/2))
	}
	b.WriteByte('\n')
	for i, w := range widths {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(strings.Repeat("-", w+2))
	}
	b.WriteByte('\n')
}

func line(b *strings.Builder, columns []streamsql.Column, widths []int, cells []string) {
	for i, c := range cells {
		if i > 0 {
			b.WriteByte('|')
		}
		pad := strings.Repeat(" ", max(0, widths[i]-uniseg.StringWidth(c)))
		switch {
		case columns[i].Type.IsNumber():
			b.WriteString(" " + pad + c + " ")
		case i == len(cells)-1:
			b.WriteString(" " + c)
		default:
			b.WriteString(" " + c + pad + " ")
		}
	}
	b.WriteByte('\n')
}

func printChanges(ctx context.Context, w io.Writer, rows *streamsql.Rows) error {
	var schema types.Schema
	for _, c := range rows.Columns() {
		schema = append(schema, types.Field{Name: c.Name, Type: c.Type})
	}
	out := console.New(w, schema, maxWidth)
	for {
		c, err := rows.Changes(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Publish(ctx, sinks.Marker{}, c.Batches); err != nil {
			return err
		}
	}
}
