package deptest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/deptest"
)

const modulePath = "github.com/streamsql/streamsql"

func TestImportsPointOneWay(t *testing.T) {
	imports, err := deptest.Module(filepath.Join("..", ".."), modulePath)
	require.NoError(t, err)
	require.NotEmpty(t, imports)
	for _, broken := range deptest.Check(imports, deptest.Floors, deptest.Guards) {
		t.Error(broken)
	}
}

// Each rule fires on an import that breaks it, and not on its near miss.
func TestRulesFire(t *testing.T) {
	arrow := "github.com/apache/arrow/go/v17/"
	for _, c := range []struct {
		file, imports string
		broken        string // part of the message; empty: allowed
	}{
		{"sql/parser.go", modulePath + "/types", ""},
		{"sql/parser.go", modulePath + "/planner", "sql knows text"},
		{"sql/mysql/read.go", modulePath + "/sql", ""},
		{"sql/parser.go", modulePath + "/sql/mysql", "sql knows text"},
		{"types/type.go", modulePath + "/changelog", "vocabulary"},
		{"changelog/batch.go", modulePath + "/types", ""},
		{"changelog/batch.go", modulePath + "/expr", "changelog is a leaf"},
		{"expr/call.go", modulePath + "/planner", "expr is a leaf"},
		{"planner/bind.go", modulePath + "/expr", ""},
		{"planner/bind.go", modulePath + "/exec", "pure function"},
		{"planner/bind_test.go", modulePath + "/exec", ""},
		{"exec/agg.go", modulePath + "/planner/physical", ""},
		{"exec/agg.go", modulePath + "/sql", "no syntax tree"},
		{"exec/agg.go", modulePath + "/sources/file", "contract alone"},
		{"exec/agg.go", modulePath, "contract alone"},
		{"exec/agg.go", modulePath + "/sources", ""},
		{"state/hash.go", modulePath + "/exec", "without SQL"},
		{"formats/json/decode.go", modulePath + "/sql", "without SQL"},
		{"sources/file/read.go", modulePath + "/formats/json", ""},
		{"sources/file/read.go", modulePath + "/planner", "without SQL"},
		{"sinks/file/write.go", modulePath + "/exec", "without SQL"},
		{"sinks/file/write.go", modulePath + "/state/vfs", ""},
		{"sinks/file/write.go", modulePath + "/state", "without SQL"},
		{"state/vfs/os.go", modulePath + "/state", "below everything"},
		{"engine.go", modulePath + "/exec", ""},
		{"engine.go", modulePath + "/server", "wires"},
		{"cmd/streamsql/main.go", modulePath, ""},
		{"cmd/streamsql/main.go", modulePath + "/internal/pgtest", "only tests"},
		{"cmd/streamsql/main_test.go", modulePath + "/internal/pgtest", ""},
		{"common/x.go", "fmt", "stands on no floor"},

		{"sql/mysql/read.go", "github.com/xwb1989/sqlparser", ""},
		{"sql/parser_test.go", "github.com/xwb1989/sqlparser", "misreads in silence"},
		{"formats/parquet/read.go", arrow + "parquet/file", ""},
		{"sources/file/read.go", arrow + "parquet/file", "crashes"},
		{"exec/agg.go", arrow + "arrow/array", ""},
		{"exec/agg.go", arrow + "arrow/compute", "kernels crash"},
		{"expr/cast_test.go", arrow + "arrow/compute", ""},
		{"sources/kafka/fetch.go", "github.com/segmentio/kafka-go/protocol", ""},
		{"sources/file/read.go", "github.com/segmentio/kafka-go", "lose the guarantees"},
		{"sinks/kafka/write.go", "github.com/twmb/franz-go/pkg/kfake", "for tests"},
		{"sinks/kafka/write_test.go", "github.com/twmb/franz-go/pkg/kfake", ""},
		{"engine.go", "github.com/spf13/cobra", "flags belong"},
		{"cmd/streamsql/main.go", "github.com/spf13/cobra", ""},
		{"engine.go", "github.com/reeflective/readline", "edits lines"},
	} {
		root := t.TempDir()
		file := filepath.Join(root, filepath.FromSlash(c.file))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte("package p\n\nimport _ \""+c.imports+"\"\n"), 0o600))
		imports, err := deptest.Module(root, modulePath)
		require.NoError(t, err)
		broken := deptest.Check(imports, deptest.Floors, deptest.Guards)
		if c.broken == "" {
			require.Empty(t, broken, "%s imports %s", c.file, c.imports)
			continue
		}
		require.Len(t, broken, 1, "%s imports %s", c.file, c.imports)
		require.Contains(t, broken[0], c.broken)
		require.True(t, strings.HasPrefix(broken[0], c.file+":"), broken[0])
	}
}

func TestModulePassesOverWhatIsNotItsOwn(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":            "module m\n",
		"a.go":              "package p\n\nimport _ \"fmt\"\n",
		"tagged.go":         "//go:build never\n\npackage p\n\nimport _ \"a\"\n",
		"testdata/a.go":     "package p\n\nimport _ \"b\"\n",
		".hidden/a.go":      "package p\n\nimport _ \"c\"\n",
		"nested/go.mod":     "module n\n",
		"nested/a.go":       "package p\n\nimport _ \"d\"\n",
		"inner/a.go":        "package p\n\nimport _ \"m/other\"\n",
		"inner/x_test.go":   "package p\n\nimport _ \"m\"\n",
		"inner/readme.text": "import",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	imports, err := deptest.Module(root, "m")
	require.NoError(t, err)
	require.Equal(t, []deptest.Import{
		{Package: ".", File: "a.go", Line: 3, Path: "fmt"},
		{Package: "inner", File: "inner/a.go", Line: 3, Path: "other", Inside: true},
		{Package: "inner", File: "inner/x_test.go", Line: 3, Path: ".", Inside: true, Test: true},
	}, imports)
}
