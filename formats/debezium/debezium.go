// Package debezium writes changelogs as Debezium's change events, one JSON object a line:
//
//	{"before":null,"after":{"k":1,"v":"a"},"op":"c"}
//	{"before":{"k":1,"v":"a"},"after":{"k":1,"v":"b"},"op":"u"}
//	{"before":{"k":1,"v":"b"},"after":null,"op":"d"}
//
// There is no ts_ms: what is written depends on the changes alone, so that an epoch written again is the same bytes.
package debezium

import (
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Config is one encoder.
type Config struct {
	Schema types.Schema
	// Key are the columns whose values name a row. A deleted and an inserted row of one batch with equal keys become one update. Empty: there are
	// no updates, only rows deleted and created.
	Key []int
	// Source, if not empty, is the name in {"source":{"connector":"streamsql","name":...}} of every event.
	Source string
}

// Encoder implements formats.RecordEncoder. Values are as in format json.
type Encoder struct {
	cfg   Config
	names []string // what precedes each value
	tail  string   // of every event, before its op
	keys  *changelog.Encoder
}

// NewEncoder returns an encoder of batches with the columns of cfg.Schema.
func NewEncoder(cfg Config) *Encoder {
	e := &Encoder{cfg: cfg, tail: `,"op":"`}
	for i, f := range cfg.Schema {
		open := []byte{','}
		if i == 0 {
			open[0] = '{'
		}
		e.names = append(e.names, string(append(types.AppendJSONString(open, f.Name), ':')))
	}
	if cfg.Source != "" {
		e.tail = string(types.AppendJSONString([]byte(`,"source":{"connector":"streamsql","name":`), cfg.Source)) + "}" + e.tail
	}
	if len(cfg.Key) > 0 {
		ts := make([]types.Type, len(cfg.Key))
		for i, c := range cfg.Key {
			ts[i] = cfg.Schema[c].Type
		}
		e.keys = changelog.NewEncoder(ts, nil)
	}
	return e
}

// Header implements formats.RecordEncoder: there is none.
func (e *Encoder) Header() []byte { return nil }

// Encode implements formats.RecordEncoder: first the rows that are deleted for good, then the updates and the rows created, each in the batch's
// order. A weight of n counts n times; of several rows with one key the first deleted one is paired with the first inserted one, and so on.
// The batch should hold all changes of an epoch, consolidated.
func (e *Encoder) Encode(dst []byte, b *changelog.Batch) ([]byte, error) {
	if b.AppendOnly() {
		b.Each(func(row int) { dst = e.event(dst, b, -1, row, 'c') })
		return dst, nil
	}
	deleted, inserted := occurrences(b)
	before := make([]int, len(inserted)) // the deleted row that each inserted one replaces, or -1
	for i := range before {
		before[i] = -1
	}
	if e.keys != nil && len(deleted) > 0 && len(inserted) > 0 {
		deleted = e.pair(b, deleted, inserted, before)
	}
	for _, row := range deleted {
		dst = e.event(dst, b, row, -1, 'd')
	}
	for i, row := range inserted {
		if before[i] >= 0 {
			dst = e.event(dst, b, before[i], row, 'u')
		} else {
			dst = e.event(dst, b, -1, row, 'c')
		}
	}
	return dst, nil
}

// occurrences lists the rows taken back and the rows put in, each as often as it weighs.
func occurrences(b *changelog.Batch) (deleted, inserted []int) {
	b.Each(func(row int) {
		w := b.Weight(row)
		for ; w < 0; w++ {
			deleted = append(deleted, row)
		}
		for ; w > 0; w-- {
			inserted = append(inserted, row)
		}
	})
	return deleted, inserted
}

// pair fills before and returns the deleted rows that no inserted row replaces.
func (e *Encoder) pair(b *changelog.Batch, deleted, inserted, before []int) []int {
	cols := b.With(nil)
	for _, c := range e.cfg.Key {
		cols.Cols = append(cols.Cols, b.Cols[c])
	}
	e.keys.Reset(cols.Cols)
	open := map[string][]int{} // places in deleted, by key
	var key []byte
	for i, row := range deleted {
		key = e.keys.Append(key[:0], row)
		open[string(key)] = append(open[string(key)], i)
	}
	paired := make([]bool, len(deleted))
	for i, row := range inserted {
		key = e.keys.Append(key[:0], row)
		if places := open[string(key)]; len(places) > 0 {
			open[string(key)] = places[1:]
			before[i], paired[places[0]] = deleted[places[0]], true
		}
	}
	var left []int
	for i, row := range deleted {
		if !paired[i] {
			left = append(left, row)
		}
	}
	return left
}

// event appends one event; a row of -1 is null.
func (e *Encoder) event(dst []byte, b *changelog.Batch, before, after int, op byte) []byte {
	dst = e.row(append(dst, `{"before":`...), b, before)
	dst = e.row(append(dst, `,"after":`...), b, after)
	dst = append(append(dst, e.tail...), op)
	return append(dst, '"', '}', '\n')
}

func (e *Encoder) row(dst []byte, b *changelog.Batch, row int) []byte {
	if row < 0 {
		return append(dst, "null"...)
	}
	for i, f := range e.cfg.Schema {
		dst = append(dst, e.names[i]...)
		dst = types.AppendJSON(dst, f.Type, b.Cols[i], row)
	}
	if len(e.cfg.Schema) == 0 {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}
