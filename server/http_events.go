package server

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/streamsql/streamsql"
)

// writeEvents sends the changes of a query as server-sent events:
//
//	event: columns   data: [{"name": ..., "type": ...}, ...]   once, first
//	event: changes   data: {"epoch": n, "changes": [[weight, [value, ...]], ...]}   per epoch; its id is the epoch
//	event: end       data: {}   the input has ended
//	event: error     data: {"code": ..., "message": ...}
//
// A comment goes over it while nothing happens, so that both sides notice when the other has gone.
func writeEvents(ctx context.Context, out *output, rows *streamsql.Rows, heartbeat time.Duration) error {
	h := out.w.Header()
	h.Set("Content-Type", asEvents)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	columns := rows.Columns()
	out.buf = append(out.buf, "event: columns\ndata: "...)
	out.buf = append(appendColumns(out.buf, columns), "\n\n"...)
	if err := out.flush(); err != nil {
		return err
	}
	type next struct {
		changes streamsql.Changes
		err     error
	}
	ctx, cancel := context.WithCancel(ctx)
	given := make(chan next)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var n next
			n.changes, n.err = rows.Changes(ctx)
			select {
			case given <- n:
			case <-ctx.Done():
				return
			}
			if n.err != nil {
				return
			}
		}
	}()
	defer func() { // rows are closed by the caller: not before the goroutine has left them
		cancel()
		<-ended
	}()
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			out.buf = append(out.buf, ":\n\n"...)
		case n := <-given:
			switch {
			case n.err == io.EOF:
				out.buf = append(out.buf, "event: end\ndata: {}\n\n"...)
				return out.flush()
			case n.err != nil:
				body, _ := json.Marshal(errorOf(n.err, "")) // strings and numbers
				out.buf = append(append(append(out.buf, "event: error\ndata: "...), body...), "\n\n"...)
				return out.flush()
			}
			if err := appendChanges(out, columns, n.changes); err != nil {
				return err
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
}

func appendChanges(out *output, columns []streamsql.Column, changes streamsql.Changes) error {
	epoch := uint64(changes.Epoch)
	out.buf = strconv.AppendUint(append(out.buf, "event: changes\nid: "...), epoch, 10)
	out.buf = strconv.AppendUint(append(out.buf, "\ndata: {\"epoch\":"...), epoch, 10)
	out.buf = append(out.buf, `,"changes":[`...)
	first := true
	var failed error
	for _, b := range changes.Batches {
		b.Each(func(row int) {
			if failed != nil {
				return
			}
			if !first {
				out.buf = append(out.buf, ',')
			}
			first = false
			out.buf = strconv.AppendInt(append(out.buf, '['), b.Weight(row), 10)
			out.buf = append(appendRow(append(out.buf, ','), columns, b, row), ']')
			failed = out.sendFull()
		})
	}
	out.buf = append(out.buf, "]}\n\n"...)
	return failed
}
