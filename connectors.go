package streamsql

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/formats/csv"
	"github.com/streamsql/streamsql/formats/debezium"
	"github.com/streamsql/streamsql/formats/json"
	"github.com/streamsql/streamsql/formats/parquet"
	"github.com/streamsql/streamsql/formats/raw"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/sinks/blackhole"
	"github.com/streamsql/streamsql/sinks/console"
	filesink "github.com/streamsql/streamsql/sinks/file"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/sources/datagen"
	filesource "github.com/streamsql/streamsql/sources/file"
	"github.com/streamsql/streamsql/sources/nexmark"
	"github.com/streamsql/streamsql/sources/stdin"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// surroundings are what connectors may use of the process.
type surroundings struct {
	fs     vfs.FS // of file sinks
	stdin  io.Reader
	stdout io.Writer
	logger *slog.Logger
}

// sourceRequest is what a connector is asked to open.
type sourceRequest struct {
	surroundings
	name     string
	physical types.Schema // all declared columns that the connector delivers
	wanted   types.Schema // those that the scan reads, in its order
	scan     *planner.Scan
	source   *planner.Source
	options  types.Options
	format   *format // nil: the connector takes none
}

// sinkRequest is what a connector is asked to open.
type sinkRequest struct {
	surroundings
	name        string
	schema      types.Schema
	partitionBy []int
	key         []int
	options     types.Options
	format      *format
}

// connector is one entry of the list of connectors.
type connector struct {
	spec   planner.ConnectorSpec
	source func(sourceRequest) (sources.Source, error)
	sink   func(sinkRequest) (sinks.Sink, error)
}

// format is one entry of the list of formats: records in a byte stream, or blocks of a file.
type format struct {
	spec      planner.FormatSpec
	extension string
	records   func(r sourceRequest) (formats.RecordFormat, error)
	blocks    func(r sourceRequest) (formats.BlockFormat, error)
	encoder   func(r sinkRequest, written types.Schema) (formats.RecordEncoder, error)
	file      func(r sinkRequest, written types.Schema) (formats.FileEncoder, error)
	// columns reads the schema from an example file; nil: columns must be declared.
	columns func(path string) (types.Schema, error)
}

// builtinFormats is the list of formats.
func builtinFormats() []format {
	return []format{
		{
			spec: planner.FormatSpec{Name: "json", Doc: "one JSON object a line (NDJSON)", Source: true, Sink: true,
				SourceOptions: json.SourceOptions, SinkMode: planner.Append},
			extension: "json",
			records: func(r sourceRequest) (formats.RecordFormat, error) {
				return json.New(r.wanted, json.ConfigOf(r.options)), nil
			},
			encoder: func(_ sinkRequest, written types.Schema) (formats.RecordEncoder, error) {
				return json.NewEncoder(written), nil
			},
		},
		separated("csv", "comma-separated values", ','),
		separated("tsv", "tab-separated values", '\t'),
		{
			spec: planner.FormatSpec{Name: "parquet", Doc: "Apache Parquet files", Source: true, Sink: true, SinkOptions: parquet.SinkOptions,
				SinkMode: planner.Append},
			extension: "parquet",
			blocks: func(r sourceRequest) (formats.BlockFormat, error) {
				cfg := parquet.Config{Schema: r.wanted, TimeColumn: -1}
				if at, ok := timeColumn(r.source, r.scan); ok {
					cfg.TimeColumn, cfg.Prune = at, pruner(r.scan)
				}
				return parquet.New(cfg), nil
			},
			file: func(r sinkRequest, written types.Schema) (formats.FileEncoder, error) {
				return parquet.NewEncoder(written, parquet.EncoderOptionsOf(r.options))
			},
			columns: parquetColumns,
		},
		{
			spec:      planner.FormatSpec{Name: "raw", Doc: "each line is the value of the one column", Source: true, Sink: true, SinkMode: planner.Append},
			extension: "txt",
			records: func(r sourceRequest) (formats.RecordFormat, error) {
				if _, err := raw.New(r.physical); err != nil { // also where the query reads only one of several columns
					return nil, err
				}
				return raw.New(r.wanted)
			},
			encoder: func(_ sinkRequest, written types.Schema) (formats.RecordEncoder, error) {
				return raw.NewEncoder(written)
			},
		},
		{
			spec:      planner.FormatSpec{Name: "debezium_json", Doc: "change events with before and after, one a line", Sink: true, SinkMode: planner.Changelog},
			extension: "json",
			encoder: func(r sinkRequest, written types.Schema) (formats.RecordEncoder, error) {
				cfg := debezium.Config{Schema: written, Source: r.name}
				if len(r.partitionBy) == 0 {
					cfg.Key = r.key
				}
				return debezium.NewEncoder(cfg), nil
			},
		},
	}
}

func parquetColumns(path string) (types.Schema, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return parquet.Schema(f, info.Size())
}

// separated is the format of values with a separator between them.
func separated(name, doc string, delimiter byte) format {
	return format{
		spec: planner.FormatSpec{Name: name, Doc: doc, Source: true, Sink: true, SourceOptions: csv.SourceOptions, SinkOptions: csv.SinkOptions,
			SinkMode: planner.Append},
		extension: name,
		records: func(r sourceRequest) (formats.RecordFormat, error) {
			cfg, err := csv.ConfigOf(r.options, delimiter)
			if err != nil {
				return nil, err
			}
			for _, f := range r.physical {
				cfg.Fields = append(cfg.Fields, f.Name)
			}
			return csv.New(r.wanted, cfg)
		},
		encoder: func(r sinkRequest, written types.Schema) (formats.RecordEncoder, error) {
			cfg, err := csv.ConfigOf(r.options, delimiter)
			if err != nil {
				return nil, err
			}
			return csv.NewEncoder(written, cfg)
		},
	}
}

// builtinConnectors is the list of connectors.
func builtinConnectors(formats []format) []connector {
	var sourceFormats, sinkFormats, streamFormats []string
	for _, f := range formats {
		if f.spec.Source {
			sourceFormats = append(sourceFormats, f.spec.Name)
		}
		if f.records != nil {
			streamFormats = append(streamFormats, f.spec.Name)
		}
		if f.spec.Sink {
			sinkFormats = append(sinkFormats, f.spec.Name)
		}
	}
	byExtension := func(options map[string]string) string {
		path := strings.TrimSuffix(strings.TrimSuffix(options["path"], ".gz"), ".zst")
		ext := strings.TrimPrefix(filepath.Ext(path), ".")
		switch ext {
		case "ndjson", "jsonl":
			ext = "json"
		case "pq":
			ext = "parquet"
		case "txt", "log":
			ext = "raw"
		}
		if slices.ContainsFunc(formats, func(f format) bool { return f.spec.Name == ext }) {
			return ext
		}
		return ""
	}
	return []connector{
		{
			spec: planner.ConnectorSpec{Name: "file", Doc: "one file, a glob, or a directory that is watched; as a sink, the files of a directory, exactly once",
				Source: true, SourceOptions: filesource.Options, SourceFormats: sourceFormats,
				Sink: true, SinkOptions: filesink.Options, SinkFormats: sinkFormats, SinkModes: []planner.SinkMode{planner.Append},
				DefaultFormat: byExtension,
				Schema:        fileSchema(formats, byExtension),
				Bounded:       func(o types.Options) bool { return !watched(o) },
			},
			source: openFileSource,
			sink:   openFileSink,
		},
		{
			spec: planner.ConnectorSpec{Name: "stdin", Doc: "the records of standard input", Source: true, SourceOptions: stdin.Options,
				SourceFormats: streamFormats, Bounded: func(types.Options) bool { return true }},
			source: func(r sourceRequest) (sources.Source, error) {
				records, err := r.format.records(r)
				if err != nil {
					return nil, err
				}
				return stdin.New(r.name, r.stdin, records), nil
			},
		},
		{
			spec: planner.ConnectorSpec{Name: "datagen", Doc: "rows made by a rule per column", Source: true, SourceOptions: datagen.Options,
				Bounded: func(o types.Options) bool { return o.Int("events") > 0 }},
			source: func(r sourceRequest) (sources.Source, error) {
				return datagen.New(r.name, r.options, r.physical, r.wanted)
			},
		},
		{
			spec: planner.ConnectorSpec{Name: "nexmark", Doc: "the events of the Nexmark benchmark", Source: true, SourceOptions: nexmark.Options,
				Schema: func(o map[string]string) (types.Schema, error) {
					return nexmark.Schema(strings.ToLower(o["table"])), nil
				},
				Bounded: func(o types.Options) bool { return o.Int("events") > 0 }},
			source: func(r sourceRequest) (sources.Source, error) { return nexmark.New(r.name, r.options, r.wanted) },
		},
		{
			spec: planner.ConnectorSpec{Name: "console", Doc: "a table of changes on standard output", Sink: true, SinkOptions: console.Options,
				SinkModes: []planner.SinkMode{planner.Changelog}},
			sink: func(r sinkRequest) (sinks.Sink, error) {
				return console.New(r.stdout, r.schema, int(r.options.Int("max_width"))), nil
			},
		},
		{
			spec: planner.ConnectorSpec{Name: "blackhole", Doc: "discards everything", Sink: true,
				SinkModes: []planner.SinkMode{planner.Changelog}},
			sink: func(sinkRequest) (sinks.Sink, error) { return blackhole.Sink{}, nil },
		},
	}
}

func watched(o types.Options) bool {
	if o.Has("watch") {
		return o.Bool("watch")
	}
	return filesource.WatchByDefault(o.String("path"))
}

// fileSchema reads undeclared columns from the first file, where the format carries them.
func fileSchema(formats []format, byExtension func(map[string]string) string) func(map[string]string) (types.Schema, error) {
	return func(o map[string]string) (types.Schema, error) {
		name := strings.ToLower(o["format"])
		if name == "" {
			name = byExtension(o)
		}
		for _, f := range formats {
			if f.spec.Name != name || f.columns == nil {
				continue
			}
			path, err := filesource.First(o["path"])
			if err != nil || path == "" {
				return nil, err
			}
			return f.columns(path)
		}
		return nil, nil
	}
}

func openFileSource(r sourceRequest) (sources.Source, error) {
	cfg := filesource.Config{Name: r.name, Path: r.options.String("path"), Watch: watched(r.options), Compression: r.options.String("compression")}
	var err error
	if r.format.blocks != nil {
		cfg.Blocks, err = r.format.blocks(r)
	} else {
		cfg.Records, err = r.format.records(r)
	}
	if err != nil {
		return nil, err
	}
	cfg.Logger = r.logger
	return filesource.New(cfg), nil
}

func openFileSink(r sinkRequest) (sinks.Sink, error) {
	cfg := filesink.Config{Name: r.name, FS: r.fs, Path: r.options.String("path"), Schema: r.schema, PartitionBy: r.partitionBy,
		RollInterval: r.options.Duration("roll_interval"), RollSize: r.options.Bytes("roll_size"), Extension: r.format.extension, Logger: r.logger}
	written := filesink.Written(r.schema, r.partitionBy)
	if r.format.file != nil {
		file, err := r.format.file(r, written)
		if err != nil {
			return nil, err
		}
		cfg.File = file
	} else {
		encoder, err := r.format.encoder(r, written)
		if err != nil {
			return nil, err
		}
		cfg.Records = encoder
	}
	return filesink.New(cfg), nil
}

// connectorList is what an engine knows of connectors: the built-in ones and the user's. It answers the planner.
type connectorList struct {
	connectors []connector
	formats    []format
}

// newConnectorList returns the built-in connectors and the user's, whose options are not checked.
func newConnectorList(userSources map[string]SourceFactory, userSinks map[string]SinkFactory) *connectorList {
	l := &connectorList{formats: builtinFormats()}
	l.connectors = builtinConnectors(l.formats)
	for name, open := range userSources {
		c := l.user(name)
		c.spec.Source, c.spec.SourceOptions = true, anyOption
		c.source = func(r sourceRequest) (sources.Source, error) {
			return open(userOptions(r.options, planner.EngineSourceOptions()), r.wanted)
		}
	}
	for name, open := range userSinks {
		c := l.user(name)
		c.spec.Sink, c.spec.SinkOptions = true, anyOption
		c.spec.SinkModes = []planner.SinkMode{planner.Changelog, planner.Append, planner.Upsert}
		c.sink = func(r sinkRequest) (sinks.Sink, error) {
			return open(userOptions(r.options, planner.EngineSinkOptions()), r.schema)
		}
	}
	return l
}

var anyOption = []types.OptionSpec{{Name: "*", Doc: "given to the Go connector as it is"}}

func (l *connectorList) user(name string) *connector {
	name = strings.ToLower(name)
	if c := l.connector(name); c != nil {
		return c
	}
	l.connectors = append(l.connectors, connector{spec: planner.ConnectorSpec{Name: name, Doc: "registered by the program"}})
	return &l.connectors[len(l.connectors)-1]
}

// userOptions are the options that are not the engine's.
func userOptions(o types.Options, engine []types.OptionSpec) map[string]string {
	m := o.WithPrefix("")
	for _, spec := range engine {
		delete(m, spec.Name)
	}
	return m
}

// partitionColumns finds the columns of partition_by or PARTITIONED BY.
func partitionColumns(d *planner.SinkDef, o types.Options) ([]int, error) {
	names := d.PartitionBy
	if text := o.String("partition_by"); text != "" {
		names = strings.Split(text, ",")
	}
	var cols []int
	for _, name := range names {
		name = strings.TrimSpace(name)
		i := d.Schema.Index(name)
		if i < 0 {
			err := types.Errorf(types.CodeUndefinedColumn, "partition_by names the column %q, which the sink does not have", name)
			var known []string
			for _, f := range d.Schema {
				known = append(known, f.Name)
			}
			if near := types.Nearest(name, known); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return nil, err
		}
		if slices.Contains(cols, i) {
			return nil, types.Errorf(types.CodeDuplicateColumn, "partition_by names the column %q twice", name)
		}
		cols = append(cols, i)
	}
	if len(cols) > 0 && len(cols) == len(d.Schema) {
		return nil, types.Errorf(types.CodeInvalidParameter, "partition_by names all columns, and no column is left for the files")
	}
	return cols, nil
}

// checkSink finds what can be known to be wrong with a sink before it is opened.
//
// Errors: those of its partition columns; CodeObjectInUse if another sink writes to the same directory, or below or above it.
func (l *connectorList) checkSink(c *planner.Catalog, o *planner.Object) error {
	if o.Sink == nil || o.Sink.Plan.Root == nil {
		return nil
	}
	_, _, options, err := l.resolve(o.Sink.External, planner.AsSink)
	if err != nil {
		return err
	}
	if _, err := partitionColumns(o.Sink, options); err != nil || o.Sink.Connector != "file" {
		return err
	}
	mine, err := filepath.Abs(options.String("path"))
	if err != nil {
		return err
	}
	for _, other := range c.Objects() {
		if other.ID == o.ID || other.Sink == nil || other.Sink.Plan.Root == nil || other.Sink.Connector != "file" {
			continue
		}
		theirs, err := filepath.Abs(other.Sink.Options["path"])
		if err == nil && (strings.HasPrefix(mine+"/", theirs+"/") || strings.HasPrefix(theirs+"/", mine+"/")) {
			return types.Errorf(types.CodeObjectInUse, "the sink %q writes to %q", other.Name, other.Sink.Options["path"]).
				WithHint("every sink needs a directory of its own")
		}
	}
	return nil
}

// Connector implements planner.Connectors.
func (l *connectorList) Connector(name string) *planner.ConnectorSpec {
	if c := l.connector(name); c != nil {
		return &c.spec
	}
	return nil
}

// Format implements planner.Connectors.
func (l *connectorList) Format(name string) *planner.FormatSpec {
	if f := l.format(name); f != nil {
		return &f.spec
	}
	return nil
}

// Names implements planner.Connectors.
func (l *connectorList) Names() (connectors, formats []string) {
	for _, c := range l.connectors {
		connectors = append(connectors, c.spec.Name)
	}
	for _, f := range l.formats {
		formats = append(formats, f.spec.Name)
	}
	slices.Sort(connectors)
	slices.Sort(formats)
	return connectors, formats
}

func (l *connectorList) connector(name string) *connector {
	for i := range l.connectors {
		if l.connectors[i].spec.Name == name {
			return &l.connectors[i]
		}
	}
	return nil
}

func (l *connectorList) format(name string) *format {
	for i := range l.formats {
		if l.formats[i].spec.Name == name {
			return &l.formats[i]
		}
	}
	return nil
}

// resolve finds connector and format of a planned source or sink, with its options, which the planner has checked.
func (l *connectorList) resolve(x planner.External, use planner.Use) (*connector, *format, types.Options, error) {
	c := l.connector(x.Connector)
	if c == nil {
		return nil, nil, types.Options{}, types.Errorf(types.CodeUndefinedObject, "connector %q does not exist", x.Connector).
			WithHint("it was there when the object was made; register it before opening the directory")
	}
	specs := append(planner.EngineSourceOptions(), c.spec.SourceOptions...)
	if use == planner.AsSink {
		specs = append(planner.EngineSinkOptions(), c.spec.SinkOptions...)
	}
	var f *format
	if x.Format != "" {
		if f = l.format(x.Format); f == nil {
			return nil, nil, types.Options{}, types.Errorf(types.CodeUndefinedObject, "format %q does not exist", x.Format)
		}
		if use == planner.AsSource {
			specs = append(specs, f.spec.SourceOptions...)
		} else {
			specs = append(specs, f.spec.SinkOptions...)
		}
	}
	o, err := types.ParseOptions("connector \""+x.Connector+"\"", specs, x.Options)
	return c, f, o, err
}
