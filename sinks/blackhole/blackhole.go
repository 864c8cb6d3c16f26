// Package blackhole is the sink that discards everything: for benchmarks, and for queries of which only the views matter.
package blackhole

import (
	"context"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
)

// Sink implements sinks.Sink. It has no medium and so no marker.
type Sink struct{}

// Open returns no marker.
func (Sink) Open(context.Context, sinks.Marker) (sinks.Marker, bool, error) {
	return sinks.Marker{}, false, nil
}

// Publish discards the changes.
func (Sink) Publish(context.Context, sinks.Marker, []*changelog.Batch) error { return nil }

// Finish does nothing.
func (Sink) Finish(context.Context) error { return nil }

// Close does nothing.
func (Sink) Close() error { return nil }

// Unlogged implements sinks.Unlogged: there is nothing that could be lost.
func (Sink) Unlogged() {}
