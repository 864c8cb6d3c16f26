package mysql

import (
	"go/build"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOnlyThisPackageImportsSqlparser keeps sqlparser behind the guards of this package.
func TestOnlyThisPackageImportsSqlparser(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	seen := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // another test may be writing below
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		if ok, err := build.Default.MatchFile(filepath.Dir(path), name); err != nil || !ok {
			return nil // not built, like the list that pins modules
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return nil
		}
		for _, i := range f.Imports {
			if !strings.Contains(i.Path.Value, "xwb1989/sqlparser") {
				continue
			}
			seen++
			rel, _ := filepath.Rel(root, filepath.Dir(path))
			require.Equal(t, filepath.Join("sql", "mysql"), rel, "%s imports sqlparser", path)
		}
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, seen, "the scan found no import at all")
}
