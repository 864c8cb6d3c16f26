// Package deptest guards the direction of imports: the house has floors, and nothing on a lower one looks up.
//
// The rules are the tables in rules.go, each with its reason; the test beside them reads the import clauses of every
// package of the module, without compiling anything.
package deptest

import (
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Import is one import clause.
type Import struct {
	Package string // the importing package, relative to the module's root; "." is the root package
	File    string // relative to the module's root
	Line    int
	Path    string // what is imported; a package of the module by its path relative to the root
	Inside  bool   // Path is a package of the module
	Test    bool   // the file is a _test.go file
}

func (i Import) String() string {
	return fmt.Sprintf("%s:%d: %s imports %s", i.File, i.Line, i.Package, i.Path)
}

// Module reads the imports of all packages of the module at root, named modulePath. Folders named testdata, hidden
// folders, modules inside and files that the build leaves out (tags, other systems) are passed over.
func Module(root, modulePath string) ([]Import, error) {
	var imports []Import
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file == root {
				return nil
			}
			if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		if match, err := build.Default.MatchFile(filepath.Dir(file), name); err != nil || !match {
			return err
		}
		found, err := fileImports(root, modulePath, file)
		imports = append(imports, found...)
		return err
	})
	return imports, err
}

func fileImports(root, modulePath, file string) ([]Import, error) {
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	relative, err := filepath.Rel(root, file)
	if err != nil {
		return nil, err
	}
	relative = filepath.ToSlash(relative)
	var imports []Import
	for _, spec := range parsed.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		i := Import{
			Package: path.Dir(relative),
			File:    relative,
			Line:    positions.Position(spec.Pos()).Line,
			Path:    target,
			Test:    strings.HasSuffix(relative, "_test.go"),
		}
		if target == modulePath {
			i.Path, i.Inside = ".", true
		} else if inside, ok := strings.CutPrefix(target, modulePath+"/"); ok {
			i.Path, i.Inside = inside, true
		}
		imports = append(imports, i)
	}
	return imports, nil
}

// Floor says what the packages of one floor may import of the module.
type Floor struct {
	Packages []string // patterns
	May      []string // patterns; a floor's packages may always import each other
	Why      string
}

// Guard says who may import a package from outside.
type Guard struct {
	Path   string   // the import path and all below it
	Except []string // import paths below it that anyone may use
	Only   []string // patterns of packages that may; none means nobody
	Tests  bool     // test files of any package may too
	Why    string
}

// Check returns one line for each import that breaks a rule, and for each package that no floor names.
//
// Tests are free of the floors (a planner's test reads SQL text), but not of the guards.
func Check(imports []Import, floors []Floor, guards []Guard) []string {
	var broken []string
	unknown := map[string]bool{}
	for _, i := range imports {
		at := slices.IndexFunc(floors, func(f Floor) bool { return matchAny(f.Packages, i.Package) })
		switch {
		case at < 0 && !unknown[i.Package]:
			unknown[i.Package] = true
			broken = append(broken, fmt.Sprintf("%s: package %s stands on no floor; name it in internal/deptest/rules.go",
				i.File, i.Package))
		case at >= 0 && i.Inside && !i.Test && !matchAny(floors[at].Packages, i.Path) && !matchAny(floors[at].May, i.Path):
			broken = append(broken, fmt.Sprintf("%v: %s", i, floors[at].Why))
		}
		for _, g := range guards {
			if !i.Inside && below(i.Path, g.Path) &&
				!slices.ContainsFunc(g.Except, func(p string) bool { return below(i.Path, p) }) &&
				!matchAny(g.Only, i.Package) && !(g.Tests && i.Test) {
				broken = append(broken, fmt.Sprintf("%v: %s", i, g.Why))
			}
		}
	}
	return broken
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, name) })
}

// match reports whether a package is named by a pattern: its path, or a path and /... for it and all below it.
func match(pattern, name string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return below(name, folder)
	}
	return name == pattern
}

func below(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}
