// Package server shows a database to the outside: metrics and health.
package server

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/changelog"
)

// Metrics returns a registry of its own with the figures of a database, taken anew at each scrape.
func Metrics(db *streamsql.DB) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(&collector{db: db}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("streamsql_"+name, help, labels, nil)
}

var (
	rowsIn      = desc("rows_read_total", "Rows read from sources, rejected ones included.")
	bytesIn     = desc("bytes_read_total", "Bytes read from sources.")
	rowsOut     = desc("rows_delivered_total", "Rows given to sinks.")
	epoch       = desc("epoch", "Last prepared epoch.")
	epochs      = desc("epochs_total", "Epochs run since the start.")
	runSeconds  = desc("epoch_run_seconds_total", "Time spent in running epochs.")
	prepSeconds = desc("epoch_prepare_seconds_total", "Time spent in preparing epochs, the sync included.")
	pubSeconds  = desc("publish_seconds_total", "Time spent in publishing to sinks.")
	memory      = desc("memory_bytes", "Memory held, by use.", "use")
	watermark   = desc("watermark_seconds", "Event time of a partition's watermark, in seconds since 1970.", "source", "partition")
	lag         = desc("watermark_lag_seconds", "Processing time less the watermark of a partition.", "source", "partition")
	rejected    = desc("rejected_rows_total", "Rows left out.", "source", "reason")
	opRows      = desc("operator_rows_total", "Rows put out by an operator.", "operator", "id")
	opState     = desc("operator_state_bytes", "State of an operator.", "operator", "id")
	opKeys      = desc("operator_state_rows", "Rows of an operator's state.", "operator", "id")
	sinkQueued  = desc("sink_outbox_bytes", "Prepared and not yet published.", "sink")
	jobUp       = desc("job_up", "1 if the job runs, has ended or is paused, 0 if it failed.", "job")
)

type collector struct{ db *streamsql.DB }

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{rowsIn, bytesIn, rowsOut, epoch, epochs, runSeconds, prepSeconds, pubSeconds, memory, watermark, lag,
		rejected, opRows, opState, opKeys, sinkQueued, jobUp} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.db.Stats()
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter(rowsIn, float64(s.RowsIn))
	counter(bytesIn, float64(s.BytesIn))
	counter(rowsOut, float64(s.RowsOut))
	gauge(epoch, float64(s.Epoch))
	counter(epochs, float64(s.Epochs))
	counter(runSeconds, s.Durations.RunTotal.Seconds())
	counter(prepSeconds, s.Durations.PrepareTotal.Seconds())
	counter(pubSeconds, s.Durations.PublishTotal.Seconds())
	gauge(memory, float64(s.Memory.State), "state")
	gauge(memory, float64(s.Memory.Queued), "queued")
	gauge(memory, float64(s.Memory.Outbox), "outbox")
	for _, w := range s.Watermarks {
		if w.Watermark != changelog.MinWatermark && w.Watermark != changelog.MaxWatermark {
			gauge(watermark, float64(w.Watermark)/1e6, w.Source, w.Partition)
			gauge(lag, float64(w.Lag)/1e6, w.Source, w.Partition)
		}
	}
	for _, r := range s.Rejected {
		counter(rejected, float64(r.Rows), r.Source, string(r.Reason))
	}
	seen := map[string]bool{}
	for _, o := range s.Operators {
		id := fmt.Sprintf("%x", uint64(o.ID))
		if seen[o.Label+id] {
			continue // the same operator of another job
		}
		seen[o.Label+id] = true
		counter(opRows, float64(o.RowsOut), o.Label, id)
		gauge(opState, float64(o.Bytes), o.Label, id)
		gauge(opKeys, float64(o.Rows), o.Label, id)
	}
	for _, k := range s.Sinks {
		gauge(sinkQueued, float64(k.Queued), k.Name)
	}
	for _, j := range s.Jobs {
		up := 1.0
		if j.State == streamsql.JobFailed {
			up = 0
		}
		gauge(jobUp, up, j.Name)
	}
}

// Health answers 200 while the engine runs and no job has failed, else 503 with the reason.
func Health(db *streamsql.DB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		select {
		case <-db.Done():
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, "the engine has ended: %v\n", db.Err())
			return
		default:
		}
		for _, j := range db.Stats().Jobs {
			if j.State == streamsql.JobFailed {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintf(w, "%s failed: %v\n", j.Name, j.Err)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
}
