package deptest

// Floors is the house from the ground up. A package is judged by the first floor that names it.
var Floors = []Floor{
	{
		Packages: []string{"types"},
		Why:      "types is the vocabulary of all others and imports none of them",
	},
	{
		Packages: []string{"changelog/..."},
		May:      []string{"types"},
		Why:      "changelog is a leaf: everything that moves rows imports it",
	},
	{
		Packages: []string{"expr/..."},
		May:      []string{"types", "changelog/..."},
		Why:      "expr is a leaf below planner and exec, which share its function table and kernels",
	},
	{
		Packages: []string{"sql/mysql"},
		May:      []string{"sql", "types"},
		Why:      "a front end turns text into our tree and knows nothing behind it",
	},
	{
		Packages: []string{"sql"},
		May:      []string{"types"},
		Why:      "sql knows text and trees, and nothing of catalogs, plans or batches",
	},
	{
		Packages: []string{"planner/..."},
		May:      []string{"sql", "expr/...", "types", "changelog/..."},
		Why:      "the planner is a pure function of text and catalog: no execution, no state, no connectors",
	},
	{
		Packages: []string{"state/vfs"},
		Why:      "the file system is below everything that keeps files",
	},
	{
		Packages: []string{"state/..."},
		May:      []string{"types", "changelog/..."},
		Why:      "state knows bytes, keys and Arrow; it would make sense without SQL",
	},
	{
		Packages: []string{"formats/..."},
		May:      []string{"types", "changelog/..."},
		Why:      "formats turn bytes into Arrow and back; they would make sense without SQL",
	},
	{
		Packages: []string{"sources/..."},
		May:      []string{"types", "changelog/...", "formats/...", "state/vfs"},
		Why:      "sources know bytes, positions and Arrow; they would make sense without SQL",
	},
	{
		Packages: []string{"sinks/..."},
		May:      []string{"types", "changelog/...", "formats/...", "state/vfs"},
		Why:      "sinks know bytes, markers and Arrow; they would make sense without SQL",
	},
	{
		Packages: []string{"exec/..."},
		May:      []string{"planner/...", "expr/...", "state/...", "sources", "sinks", "types", "changelog/..."},
		Why:      "exec runs plans over batches: it sees no syntax tree, and of connectors their contract alone",
	},
	{
		Packages: []string{"."},
		May: []string{"sql/...", "planner/...", "expr/...", "exec/...", "state/...", "formats/...", "sources/...",
			"sinks/...", "types", "changelog/..."},
		Why: "the root package wires what is below it; servers and commands use it, never the other way",
	},
	{
		Packages: []string{"server/..."},
		May:      []string{".", "sql/...", "types", "changelog/...", "formats/..."},
		Why:      "servers speak for the root package and reach past it for vocabulary only",
	},
	{
		Packages: []string{"cmd/..."},
		May: []string{".", "server/...", "sql/...", "planner/...", "expr/...", "exec/...", "state/...", "formats/...",
			"sources/...", "sinks/...", "types", "changelog/...", "internal/slt", "internal/collector"},
		Why: "commands are the top; only tests need test support",
	},
	{
		Packages: []string{"examples/..."},
		May:      []string{".", "types", "changelog/..."},
		Why:      "an example shows what a user can import",
	},
	{
		Packages: []string{"internal/slt"},
		May:      []string{".", "sql", "types", "changelog/...", "formats/...", "sources"},
		Why:      "the script runner is a user of the engine; streamsql test and our own tests share it",
	},
	{
		Packages: []string{"internal/..."},
		Why:      "internal is support for tests and builds; it leans on nothing that it tests",
	},
}

// Guards keeps each risky or heavy dependency in the one place that knows its traps.
var Guards = []Guard{
	{
		Path: "github.com/xwb1989/sqlparser",
		Only: []string{"sql/mysql"},
		Why:  "sqlparser misreads in silence; its guards are in sql/mysql",
	},
	{
		Path: "github.com/apache/arrow/go/v17/parquet",
		Only: []string{"formats/parquet/..."},
		Why:  "the Parquet reader crashes on damaged files; its guards are in formats/parquet",
	},
	{
		Path: "github.com/apache/arrow/go/v17/arrow/flight",
		Only: []string{"server/flight/..."},
		Why:  "Flight brings gRPC into every program that embeds the engine",
	},
	{
		Path:  "github.com/apache/arrow/go/v17/arrow/compute",
		Tests: true,
		Why:   "Arrow's kernels crash on some input and are slow on small batches; ours are in expr",
	},
	{
		Path: "github.com/segmentio/kafka-go",
		Only: []string{"sources/kafka/...", "sinks/kafka/..."},
		Why:  "kafka-go's Reader and Writer lose the guarantees; its low-level path is used in one place",
	},
	{
		Path:  "github.com/jackc/pgx/v5",
		Only:  []string{"server/pgwire", "internal/pgtest/...", "sources/postgres/...", "sinks/postgres/..."},
		Tests: true,
		Why:   "of pgx the server needs the messages of the protocol alone; connecting to PostgreSQL belongs to connectors and tests",
	},
	{
		Path:  "github.com/twmb/franz-go",
		Tests: true,
		Why:   "kfake is a broker for tests and must not reach the product",
	},
	{
		Path: "github.com/spf13",
		Only: []string{"cmd/..."},
		Why:  "flags belong to commands; a library takes options",
	},
	{
		Path: "github.com/reeflective/readline",
		Only: []string{"cmd/..."},
		Why:  "only the shell edits lines",
	},
	{
		Path:  "github.com/stretchr/testify",
		Tests: true,
		Why:   "assertions belong to tests",
	},
	{
		Path:  "testing",
		Only:  []string{"internal/pgtest", "expr/...", "exec/...", "state/..."},
		Tests: true,
		Why:   "importing testing adds its flags to the program; test support lives in packages that say so",
	},
}
