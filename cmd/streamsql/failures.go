package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/streamsql/streamsql"
)

// queryFailed is the engine's log message of a query that failed, with the attributes query and err.
const queryFailed = "a query failed"

// failures prints what the engine logs of failed queries as an error of the command, at once, since other queries may go on for long, and
// once. It is safe for concurrent use.
type failures struct {
	slog.Handler
	w io.Writer

	mu    *sync.Mutex
	shown map[string]bool // by name
}

func newFailures(h slog.Handler, w io.Writer) *failures {
	return &failures{Handler: h, w: w, mu: &sync.Mutex{}, shown: map[string]bool{}}
}

// Handle implements slog.Handler.
func (f *failures) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != queryFailed {
		return f.Handler.Handle(ctx, r)
	}
	var name, err string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "query":
			name = a.Value.String()
		case "err":
			err = fmt.Sprint(a.Value.Any())
		}
		return true
	})
	f.show(name, err)
	return nil
}

func (f *failures) show(name, err string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown[name] = true
	fmt.Fprintf(f.w, "streamsql: query %q failed: %s\n", name, err)
}

// WithAttrs implements slog.Handler.
func (f *failures) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &failures{Handler: f.Handler.WithAttrs(attrs), w: f.w, mu: f.mu, shown: f.shown}
}

// WithGroup implements slog.Handler.
func (f *failures) WithGroup(name string) slog.Handler {
	return &failures{Handler: f.Handler.WithGroup(name), w: f.w, mu: f.mu, shown: f.shown}
}

// rest prints the failures of queries that were not printed yet, and reports whether any query failed.
func (f *failures) rest(jobs []streamsql.JobStats) bool {
	failed := false
	for _, j := range jobs {
		if j.State != streamsql.JobFailed {
			continue
		}
		failed = true
		f.mu.Lock()
		shown := f.shown[j.Name]
		f.mu.Unlock()
		if !shown {
			f.show(j.Name, fmt.Sprint(j.Err))
		}
	}
	return failed
}
