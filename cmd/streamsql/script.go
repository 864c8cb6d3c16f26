package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// script is one or more files, parsed as one.
type script struct {
	files []scriptFile
}

type scriptFile struct {
	name  string
	text  string // with its variables expanded
	stmts []sql.Statement
}

// readScripts reads and parses files; "-" is standard input. All syntax errors of all files are printed.
func readScripts(names []string, dialect string, w io.Writer) (*script, error) {
	s := &script{}
	bad := 0
	for _, name := range names {
		var data []byte
		var err error
		if name == "-" {
			data, err = io.ReadAll(os.Stdin)
		} else {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			var pe *os.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, fail(w, fmt.Sprintf("streamsql: read %q: %v", name, err))
		}
		f := scriptFile{name: name, text: string(data)}
		expanded, err := streamsql.ExpandVariables(f.text, os.LookupEnv)
		if err != nil {
			fmt.Fprint(w, drawn(err, f.name, f.text))
			bad++
			continue
		}
		f.text = expanded
		var errs []*types.Error
		if f.stmts, errs = parseAll(f.text, dialect); len(errs) > 0 {
			for _, e := range errs {
				fmt.Fprint(w, drawn(e, f.name, f.text))
			}
			bad += len(errs)
			continue
		}
		s.files = append(s.files, f)
	}
	if bad > 0 {
		return nil, &shownError{code: 1}
	}
	return s, nil
}

func (s *script) statements() []sql.Statement {
	var all []sql.Statement
	for _, f := range s.files {
		all = append(all, f.stmts...)
	}
	return all
}

// fileOf finds the file that a statement stands in.
func (s *script) fileOf(stmt sql.Statement) scriptFile {
	for _, f := range s.files {
		for _, x := range f.stmts {
			if x == stmt {
				return f
			}
		}
	}
	return s.files[0]
}

// stateDir is the data directory of a script where none is given: named after it, beside it.
func stateDir(names []string) (string, error) {
	if names[0] == "-" {
		return "", errors.New("a script from standard input needs --data-dir or --memory")
	}
	return strings.TrimSuffix(names[0], filepath.Ext(names[0])) + ".streamsql", nil
}

func parseAll(text, dialect string) ([]sql.Statement, []*types.Error) {
	return streamsql.ParseAll(text, dialect)
}

// parseSize reads a size in bytes; "" is 0.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, ok := types.ParseBytes(text)
	if !ok || n <= 0 {
		return 0, fmt.Errorf("--memory-limit is %q, wanted a size such as 4GiB", text)
	}
	return n, nil
}
