package exec

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// rejectKey is what rejected rows are counted by.
type rejectKey struct {
	Reason Reason
	Source string
}

// rejected is a rejected row, as it is kept.
type rejected struct {
	ord       uint64
	reason    Reason
	code, msg string
	source    string
	counted   string // the source in the count: the scan's
	partition string
	position  string
	raw       string
	watermark changelog.Watermark
	operator  string
	weight    int64
	time      int64
	epoch     int64
}

// rejections are what one worker rejected in an epoch. All are counted; the first of them are kept.
type rejections struct {
	most   int
	rows   []rejected
	counts map[rejectKey]int64
}

// maxRaw is how much of a raw record is kept.
const maxRaw = 64 << 10

// rejecter makes Context.Reject of v on worker w.
func (r *runner) rejecter(v *vertex, w *worker) func(Rejection) error {
	return func(x Rejection) error {
		if planner.Policy(x.Policy) == planner.Fail {
			if x.Err == nil {
				return types.Errorf(types.CodeInternal, "a row was rejected as %s", x.Reason)
			}
			return x.Err
		}
		row := rejected{reason: x.Reason, ord: w.ord, watermark: changelog.MinWatermark, operator: v.label, weight: x.Weight}
		if x.Reason == ReasonLate || x.Reason == ReasonAhead {
			row.watermark = x.Watermark
		}
		if x.Err != nil {
			row.code, row.msg = string(x.Err.Code), x.Err.Error()
		}
		row.source = v.source
		full := w.rej.full(x.Policy, row.weight)
		if !full {
			var raw []byte
			if x.Batch != nil && x.Batch.Origin != nil {
				row.source, row.partition, row.position, raw = x.Batch.Origin.Describe(x.Row)
			}
			if raw == nil && x.Batch != nil {
				raw = recordText(x.Schema, x.Batch, x.Row)
			}
			row.raw = rawText(raw)
		}
		w.rej.add(row, v.source, full)
		return nil
	}
}

// full reports whether the details of another row need not be kept.
func (j *rejections) full(policy uint8, weight int64) bool {
	return planner.Policy(policy) == planner.Skip || weight > 0 && len(j.rows) >= j.most
}

func (j *rejections) add(row rejected, source string, full bool) {
	if row.weight == 0 {
		row.weight = 1
	}
	if j.counts == nil {
		j.counts = map[rejectKey]int64{}
	}
	j.counts[rejectKey{row.reason, source}] += row.weight
	row.counted = source
	if !full {
		j.rows = append(j.rows, row)
	}
}

// recordText prints the row as PostgreSQL prints a record.
func recordText(schema types.Schema, b *changelog.Batch, row int) []byte {
	out := []byte{'('}
	for i, col := range b.Cols {
		if i > 0 {
			out = append(out, ',')
		}
		if i < len(schema) && !col.IsNull(row) {
			out = types.AppendText(out, schema[i].Type, col, row)
		}
	}
	return append(out, ')')
}

// rawText makes text of a raw record: itself, or bytea's text form if it is not UTF-8.
func rawText(raw []byte) string {
	if len(raw) > maxRaw {
		raw = raw[:maxRaw]
		for len(raw) > maxRaw-utf8.UTFMax && !utf8.Valid(raw[len(raw)-1:]) {
			raw = raw[:len(raw)-1]
		}
	}
	if utf8.Valid(raw) && !slices.Contains(raw, 0) {
		return string(raw)
	}
	return `\x` + hex.EncodeToString(raw)
}

// rejectLog keeps the newest rejected rows in the system view streamsql.rejected.
type rejectLog struct {
	view   *state.View
	most   int   // rows kept
	maxAge int64 // microseconds of the clock that a row is kept; 0: no limit
	nextID int64
	counts map[rejectKey]int64
	first  map[rejectKey]rejected // the first one of each since the start
	kept   []keptRow              // oldest first
	byRow  map[rejected][]int64
	// changes of the epoch, for continuous queries over the view.
	changes []*changelog.Batch
}

type keptRow struct {
	id  int64
	row rejected
}

func newRejectLog(view *state.View, most int, maxAge int64) *rejectLog {
	return &rejectLog{view: view, most: most, maxAge: maxAge, nextID: 1, counts: map[rejectKey]int64{}, byRow: map[rejected][]int64{},
		first: map[rejectKey]rejected{}}
}

// restore reads the kept rows back from the view.
func (l *rejectLog) restore() error {
	err := l.view.Pin().Scan(viewBatch, func(b *changelog.Batch) error {
		b.Each(func(row int) {
			text := func(col int) string {
				if b.Cols[col].IsNull(row) {
					return ""
				}
				return string(types.AppendText(nil, types.TextType, b.Cols[col], row))
			}
			k := keptRow{id: int8At(b.Cols[0], row), row: rejected{
				time: micros(b.Cols[1])[row], epoch: int8At(b.Cols[2], row), reason: Reason(text(3)), code: text(4), msg: text(5), source: text(6),
				partition: text(7), position: text(8), raw: text(9), watermark: changelog.MinWatermark, operator: text(11), weight: 1,
			}}
			if !b.Cols[10].IsNull(row) {
				k.row.watermark = changelog.Watermark(micros(b.Cols[10])[row])
			}
			l.kept = append(l.kept, k)
		})
		return nil
	})
	slices.SortFunc(l.kept, func(a, b keptRow) int { return int(a.id - b.id) })
	for _, k := range l.kept {
		l.index(k)
	}
	return err
}

func int8At(a arrow.Array, row int) int64 { return a.(*array.Int64).Value(row) }

// identity is what a row is found by when it is taken back.
func (r rejected) identity() rejected {
	r.ord, r.watermark, r.weight, r.time, r.epoch, r.msg, r.counted = 0, 0, 0, 0, 0, "", ""
	return r
}

func (l *rejectLog) index(k keptRow) {
	key := k.row.identity()
	l.byRow[key] = append(l.byRow[key], k.id)
}

// commit takes the rejections of an epoch in, and lets go what is too old or too much.
func (l *rejectLog) commit(workers []*worker, epoch changelog.Epoch, clock int64) error {
	var rows []rejected
	for _, w := range workers {
		rows = append(rows, w.rej.rows...)
		for k, n := range w.rej.counts {
			l.counts[k] += n
		}
		w.rej.rows, w.rej.counts = nil, nil
	}
	sortByOrd(rows, func(r rejected) uint64 { return r.ord })
	var gone, added []keptRow
	dropped := map[int64]bool{}
	for _, r := range rows {
		if key := (rejectKey{r.reason, r.counted}); r.weight > 0 {
			if _, ok := l.first[key]; !ok {
				l.first[key] = rejected{position: r.position, msg: r.msg}
			}
		}
		r.time, r.epoch = clock, int64(epoch)
		if r.weight < 0 {
			key := r.identity()
			if ids := l.byRow[key]; len(ids) > 0 {
				dropped[ids[len(ids)-1]] = true
				l.byRow[key] = ids[:len(ids)-1]
			}
			continue
		}
		for range max(r.weight, 1) {
			k := keptRow{id: l.nextID, row: r}
			l.nextID++
			added = append(added, k)
			l.index(k)
		}
	}
	all := append(l.kept, added...)
	keepFrom := max(0, len(all)-len(dropped)-l.most)
	kept := all[:0:0]
	old := len(l.kept)
	live := 0
	var insert []keptRow
	for i, k := range all {
		switch {
		case dropped[k.id]:
		case live < keepFrom || l.maxAge > 0 && clock-k.row.time > l.maxAge:
			live++
			l.unindex(k)
			dropped[k.id] = true
		default:
			live++
			kept = append(kept, k)
			if i >= old {
				insert = append(insert, k)
			}
			continue
		}
		if i < old {
			gone = append(gone, k)
		}
	}
	l.kept = kept
	l.changes = nil
	if len(gone)+len(insert) == 0 {
		return nil
	}
	b, err := rejectBatch(gone, insert)
	if err != nil {
		return err
	}
	l.changes = []*changelog.Batch{b}
	return l.view.Update(b)
}

func (l *rejectLog) unindex(k keptRow) {
	key := k.row.identity()
	ids := slices.DeleteFunc(l.byRow[key], func(id int64) bool { return id == k.id })
	if len(ids) == 0 {
		delete(l.byRow, key)
		return
	}
	l.byRow[key] = ids
}

// rejectBatch builds rows of planner.RejectedSchema.
func rejectBatch(gone, added []keptRow) (*changelog.Batch, error) {
	schema := planner.RejectedSchema()
	b := &changelog.Batch{N: len(gone) + len(added)}
	builders := make([]array.Builder, len(schema))
	for i, f := range schema {
		builders[i] = types.NewBuilder(f.Type)
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	for i, k := range slices.Concat(gone, added) {
		r := k.row
		var wm any
		if r.watermark > changelog.MinWatermark {
			wm = int64(r.watermark)
		}
		row := []any{k.id, r.time, r.epoch, string(r.reason), text(r.code), text(r.msg), text(r.source), text(r.partition),
			text(r.position), r.raw, wm, text(r.operator)}
		for c, v := range row {
			if err := types.AppendValue(builders[c], schema[c].Type, v); err != nil {
				return nil, fmt.Errorf("column %s of a rejected row: %w", schema[c].Name, err)
			}
		}
		w := int64(1)
		if i < len(gone) {
			w = -1
		}
		b.Weights = append(b.Weights, w)
	}
	if len(gone) == 0 {
		b.Weights = nil
	}
	for _, bu := range builders {
		b.Cols = append(b.Cols, bu.NewArray())
	}
	return b, nil
}

func sortByOrd[T any](s []T, ord func(T) uint64) {
	slices.SortStableFunc(s, func(a, b T) int {
		x, y := ord(a), ord(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

func timeText(us int64) string { return string(types.AppendTimestamp(nil, us)) }

func durationText(us int64) string { return (time.Duration(us) * time.Microsecond).String() }
