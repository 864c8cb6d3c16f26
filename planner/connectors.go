package planner

import (
	"sort"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// Connectors is what the planner asks about connectors and formats; the root package answers from its list.
type Connectors interface {
	// Connector returns the description of the connector of that name (lower case), or nil.
	Connector(name string) *ConnectorSpec
	// Format returns the description of the format of that name (lower case), or nil.
	Format(name string) *FormatSpec
	// Names returns the names of all connectors and of all formats, sorted.
	Names() (connectors, formats []string)
}

// ConnectorSpec describes a connector. It is plain data but for the functions, which must be pure.
type ConnectorSpec struct {
	Name string
	Doc  string // one sentence
	// Source and Sink say as what the connector can be used, with the options of each use (beside those of the format and
	// those of the engine, see EngineSourceOptions).
	Source, Sink  bool
	SourceOptions []types.OptionSpec
	SinkOptions   []types.OptionSpec
	// SourceFormats and SinkFormats are the formats that can be used; empty: the connector takes none.
	SourceFormats, SinkFormats []string
	// DefaultFormat finds the format where none is named (by a file's extension, for example); nil or "": one must be named.
	DefaultFormat func(options map[string]string) string
	// Schema returns the columns of a source that are not declared (a generator's, a Parquet file's); nil: columns must be
	// declared. It returns nil columns where the options do not tell them.
	Schema func(options map[string]string) (types.Schema, error)
	// Metadata are the columns that INCLUDE and METADATA can name (partition, offset, file ...).
	Metadata types.Schema
	// Bounded reports whether a source with these options ends by itself; nil: never.
	Bounded func(options types.Options) bool
	// SinkModes are what the sink accepts where the format does not decide, the default first.
	SinkModes []SinkMode
	// Check validates options that depend on each other; nil: nothing to check.
	Check func(use Use, options types.Options) error
}

// Use says as what a connector or format is used.
type Use uint8

// The uses.
const (
	AsSource Use = iota
	AsSink
)

// String returns "source" or "sink".
func (u Use) String() string {
	if u == AsSink {
		return "sink"
	}
	return "source"
}

// FormatSpec describes a format.
type FormatSpec struct {
	Name          string
	Doc           string // one sentence
	Source, Sink  bool
	SourceOptions []types.OptionSpec
	SinkOptions   []types.OptionSpec
	// SinkMode is what a sink in this format can express: Append for plain records, Changelog for Debezium.
	SinkMode SinkMode
}

// External is a resolved connection to the outside: which connector and format, with checked options.
type External struct {
	Connector string
	Format    string // "" if the connector takes none
	// Options are the options of connector, format and engine as they were given, checked. Keys are lower case.
	Options map[string]string
}

// Option specs of the engine that every source takes, beside those of its connector and format.
var sourceEngineOptions = []types.OptionSpec{
	{Name: "connector", Required: true, Doc: "which connector reads the source"},
	{Name: "format", Doc: "the format of the records"},
	{Name: "on_error", Kind: types.OptEnum, Enum: []string{"dead_letter", "fail", "skip"}, Default: "dead_letter", Doc: "what happens with a row that cannot be decoded or whose expressions fail"},
	{Name: "on_late", Kind: types.OptEnum, Enum: []string{"dead_letter", "fail", "skip"}, Default: "dead_letter", Doc: "what happens with a row behind the watermark whose window is closed"},
	{Name: "idle_timeout", Kind: types.OptDuration, Default: "0", Doc: "after how long at its end a quiet partition no longer holds the watermark; 0: never"},
	{Name: "max_ahead", Kind: types.OptDuration, Default: "1 day", Doc: "how far ahead of the clock an event time may be before the row is rejected; 0: no limit"},
	{Name: "allowed_lateness", Kind: types.OptDuration, Default: "0", Doc: "how long after its end a window still takes rows"},
	{Name: "rate_limit", Kind: types.OptInt, Default: "0", Doc: "the most rows read per second; 0: no limit"},
}

// Option specs of the engine that every sink takes.
var sinkEngineOptions = []types.OptionSpec{
	{Name: "connector", Required: true, Doc: "which connector writes the sink"},
	{Name: "format", Doc: "the format of the records"},
	{Name: "type", Kind: types.OptEnum, Enum: []string{"append-only", "upsert", "changelog"}, Doc: "what the sink is given, where it takes more than one"},
	{Name: "on_marker", Kind: types.OptEnum, Enum: []string{"error", "append", "reset"}, Default: "error", Doc: "what happens when the target holds the marker of another state directory, or a lost one: 'append' goes on behind what is there, 'reset' empties the target first"},
	{Name: "primary_key", Doc: "the key columns of an upsert sink, with commas between"},
}

// EngineSourceOptions returns the options that every source takes, whatever its connector.
func EngineSourceOptions() []types.OptionSpec {
	return append([]types.OptionSpec(nil), sourceEngineOptions...)
}

// EngineSinkOptions returns the options that every sink takes, whatever its connector.
func EngineSinkOptions() []types.OptionSpec {
	return append(append([]types.OptionSpec(nil), sinkEngineOptions...), queryOptions...)
}

// resolved is an External with what the connector says about it.
type resolved struct {
	External
	connector *ConnectorSpec
	format    *FormatSpec // nil if the connector takes none
	options   types.Options
}

// resolveExternal checks connector, format and options of a source or sink.
//
// Errors: CodeUndefinedObject for unknown connectors and formats, CodeInvalidParameter for options, each with the nearest
// known name.
func resolveExternal(conns Connectors, use Use, given map[string]string) (*resolved, error) {
	if conns == nil {
		return nil, types.Errorf(types.CodeUndefinedObject, "there are no connectors")
	}
	names, formatNames := namesFor(conns, use)
	name := strings.ToLower(given["connector"])
	if name == "" {
		return nil, types.Errorf(types.CodeInvalidParameter, "a %s needs the option \"connector\"", use).
			WithHint("there is: %s", strings.Join(names, ", "))
	}
	c := conns.Connector(name)
	if c == nil {
		return nil, unknownName("connector", name, names)
	}
	if use == AsSource && !c.Source || use == AsSink && !c.Sink {
		return nil, types.Errorf(types.CodeWrongObjectType, "connector %q cannot be used as a %s", name, use)
	}
	r := &resolved{External: External{Connector: name, Options: given}, connector: c}
	formats, specs := c.SourceFormats, append(append([]types.OptionSpec(nil), sourceEngineOptions...), c.SourceOptions...)
	if use == AsSink {
		formats = c.SinkFormats
		specs = append(append(append([]types.OptionSpec(nil), sinkEngineOptions...), queryOptions...), c.SinkOptions...)
	}
	format := strings.ToLower(given["format"])
	switch {
	case len(formats) == 0 && format != "":
		return nil, types.Errorf(types.CodeInvalidParameter, "connector %q takes no format", name)
	case len(formats) > 0:
		if format == "" && c.DefaultFormat != nil {
			format = c.DefaultFormat(given)
		}
		if format == "" {
			if err := misspelled(conns, use, formats, specs, given, "connector \""+name+"\" as a "+use.String()); err != nil {
				return nil, err
			}
			return nil, types.Errorf(types.CodeInvalidParameter, "connector %q needs a format", name).
				WithHint("write FORMAT or the option format = one of %s", strings.Join(formats, ", "))
		}
		f := conns.Format(format)
		if f == nil {
			return nil, unknownName("format", format, formatNames)
		}
		if !containsString(formats, f.Name) || use == AsSource && !f.Source || use == AsSink && !f.Sink {
			return nil, types.Errorf(types.CodeInvalidParameter, "connector %q as a %s does not take the format %q", name, use, format).
				WithHint("it takes: %s", strings.Join(formats, ", "))
		}
		r.Format, r.format = f.Name, f
		if use == AsSource {
			specs = append(specs, f.SourceOptions...)
		} else {
			specs = append(specs, f.SinkOptions...)
		}
	}
	var err error
	if r.options, err = types.ParseOptions("connector \""+name+"\" as a "+use.String(), specs, given); err != nil {
		return nil, err
	}
	if c.Check != nil {
		if err := c.Check(use, r.options); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// namesFor returns the names of the connectors and formats that have a use, sorted.
func namesFor(conns Connectors, use Use) (connectors, formats []string) {
	allConnectors, allFormats := conns.Names()
	for _, name := range allConnectors {
		if c := conns.Connector(name); c != nil && (use == AsSource && c.Source || use == AsSink && c.Sink) {
			connectors = append(connectors, name)
		}
	}
	for _, name := range allFormats {
		if f := conns.Format(name); f != nil && (use == AsSource && f.Source || use == AsSink && f.Sink) {
			formats = append(formats, name)
		}
	}
	return connectors, formats
}

// misspelled returns an error for the first option, by name, that none of the formats has nor the connector, where no format is known: the
// one that was meant may be "format". Wrong values are found when the format is known.
func misspelled(conns Connectors, use Use, formats []string, specs []types.OptionSpec, given map[string]string, what string) error {
	known := append([]types.OptionSpec(nil), specs...)
	for _, name := range formats {
		f := conns.Format(name)
		switch {
		case f == nil:
		case use == AsSource:
			known = append(known, f.SourceOptions...)
		default:
			known = append(known, f.SinkOptions...)
		}
	}
	return types.UnknownOption(what, known, given)
}

func unknownName(what, name string, known []string) error {
	err := types.Errorf(types.CodeUndefinedObject, "%s %q does not exist", what, name)
	if near := types.Nearest(name, known); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	known = append([]string(nil), known...)
	sort.Strings(known)
	return err.WithHint("there is: %s", strings.Join(known, ", "))
}

func containsString(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
