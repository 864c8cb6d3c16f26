package exec

import (
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/sources"
)

// The contracts with connectors. They stand in packages of their own below exec, because connectors and engine both need the
// types and neither may import the other.
type (
	Source    = sources.Source
	Reader    = sources.Reader
	Chunk     = sources.Chunk
	Position  = sources.Position
	Decoded   = sources.Decoded
	BadRecord = sources.BadRecord
	Sink      = sinks.Sink
	Marker    = sinks.Marker
)

// Where a reader stands after Read.
const (
	ReadMore  = sources.ReadMore
	ReadAtEnd = sources.ReadAtEnd
	ReadEnded = sources.ReadEnded
)
