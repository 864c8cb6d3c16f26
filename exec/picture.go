package exec

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
)

// picture makes Stats. It runs between epochs.
func (e *Engine) picture() Stats {
	s := e.stats
	s.Epoch, s.Clock = e.epoch, e.clock
	s.Memory = e.memory()
	now := e.now()
	s.Operators, s.Watermarks, s.Sinks, s.Rejected, s.Tables, s.Jobs = nil, nil, nil, nil, nil, nil
	s.RowsOut, s.Durations.PublishTotal = 0, 0
	for _, v := range e.run.g.vertices {
		if v.local {
			continue
		}
		o := OperatorStats{ID: v.key.Op, Label: v.label, RowsOut: v.stats.rows.Load(), Watermark: v.watermark, Grows: v.node.Props.Grows}
		for id := range v.jobs {
			o.Jobs = append(o.Jobs, id)
		}
		slices.Sort(o.Jobs)
		for _, in := range v.inputs {
			from := in.from
			if from.local {
				for _, x := range from.inputs {
					o.RowsIn += x.from.stats.rows.Load()
				}
				continue
			}
			o.RowsIn += from.stats.rows.Load()
		}
		if _, ok := v.root.(*sinkRoot); ok {
			s.RowsOut += o.RowsOut
		}
		byName := map[string]int{}
		for _, t := range v.tables {
			if v.dead.Load() {
				break
			}
			rows, bytes := int64(t.table.Len()), t.table.Bytes()
			o.Rows += rows
			o.Bytes += bytes
			i, ok := byName[t.name]
			if !ok {
				i = len(s.Tables)
				byName[t.name] = i
				s.Tables = append(s.Tables, TableStats{ID: t.table.Spec().ID, Name: t.name, Operator: v.label})
			}
			s.Tables[i].Rows += rows
			s.Tables[i].Bytes += bytes
		}
		s.Operators = append(s.Operators, o)
		if v.wm != nil {
			s.Watermarks = append(s.Watermarks, v.wm.picture(now)...)
		}
	}
	for _, id := range sortedJobs(e.jobs) {
		j := e.jobs[id]
		s.Jobs = append(s.Jobs, JobStats{ID: id, Name: j.name, State: j.state, Err: j.err, Since: j.since})
		if p := j.pub; p != nil {
			published, prepared, bytes, err := p.state()
			st := SinkStats{Name: p.name, Object: planner.ObjectID(p.id), Published: published, Prepared: prepared, Queued: bytes}
			if err != nil {
				st.Err = err.Error()
			}
			s.Sinks = append(s.Sinks, st)
			p.mu.Lock()
			s.Durations.PublishTotal += p.spent
			p.mu.Unlock()
		}
	}
	for k, n := range e.rejects.counts {
		s.Rejected = append(s.Rejected, RejectedStats{Reason: k.Reason, Source: k.Source, Rows: n,
			Position: e.rejects.first[k].position, Message: e.rejects.first[k].msg})
	}
	slices.SortFunc(s.Rejected, func(a, b RejectedStats) int {
		return strings.Compare(string(a.Reason)+" "+a.Source, string(b.Reason)+" "+b.Source)
	})
	return s
}

func sortedJobs(jobs map[JobID]*job) []JobID {
	var ids []JobID
	for id := range jobs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// picture says per partition where it stands and whether it holds the source back.
func (m *watermarker) picture(now int64) []PartitionStats {
	scan, ok := m.leaf.leaf.(*scanLeaf)
	if !ok {
		return nil
	}
	var out []PartitionStats
	for _, p := range scan.parts {
		s := PartitionStats{
			Source: scan.op.Name, Object: scan.op.Object, Partition: p.name, Watermark: changelog.MinWatermark, SourceWM: m.source,
			Position: p.position, Idle: !p.ended && m.idle(p, now), Ended: p.ended,
		}
		if mark := m.parts[p.name]; mark != nil {
			s.Watermark = mark.wm
			s.Holds, s.Since = mark.holds, mark.since
		}
		if s.Watermark > changelog.MinWatermark && s.Watermark < changelog.MaxWatermark {
			s.Lag = now - int64(s.Watermark)
		}
		out = append(out, s)
	}
	return out
}
