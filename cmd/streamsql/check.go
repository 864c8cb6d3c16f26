package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// finding is one line of check --json.
type finding struct {
	Severity string `json:"severity"` // error or warning
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Code     string `json:"code,omitempty"` // SQLSTATE
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func checkCommand() *cobra.Command {
	var strict, asJSON bool
	var dialect string
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "find the errors of a script without running it",
		Long: strings.TrimSpace(`
Parses, binds and plans all statements and reports every error, and warns of state that can grow for ever, naming the operator and the
condition that would bound it. Nothing is run, and no input is opened (but for undeclared columns that a file carries).`),
		Args: wantArgs(1, -1, "a script"),
		RunE: func(cmd *cobra.Command, args []string) error {
			findings := checkFiles(args, dialect)
			failed := false
			for _, f := range findings {
				failed = failed || f.Severity == "error" || strict
			}
			if err := report(cmd.OutOrStdout(), findings, asJSON, args); err != nil {
				return err
			}
			if failed {
				return &shownError{code: 1}
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&strict, "strict", false, "warnings fail too")
	fl.BoolVar(&asJSON, "json", false, "print one JSON object a line")
	dialectFlag(cmd, &dialect)
	return cmd
}

type located struct {
	finding
	drawn string
}

// checkFiles checks files as one script.
func checkFiles(names []string, dialect string) []located {
	var out []located
	checker := streamsql.NewChecker(dialect)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			var pe *os.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			out = append(out, located{finding{Severity: "error", File: name, Code: string(types.CodeUndefinedFile), Message: "read: " + err.Error()},
				fmt.Sprintf("%s: read: %v\n", name, err)})
			continue
		}
		text, err := streamsql.ExpandVariables(string(data), os.LookupEnv)
		if err != nil {
			out = append(out, locate("error", name, string(data), types.AsError(err)))
			continue
		}
		at := len(out)
		for _, d := range checker.Check(text) {
			severity := "error"
			if d.Warning {
				severity = "warning"
			}
			out = append(out, locate(severity, name, text, d.Err))
		}
		slices.SortStableFunc(out[at:], func(a, b located) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
	}
	return out
}

func locate(severity, file, text string, e *types.Error) located {
	f := finding{Severity: severity, File: file, Code: string(e.Code), Message: e.Msg, Hint: e.Hint}
	if !e.Span.IsZero() {
		f.Line, f.Column = sql.Position(text, e.Span.Start)
	}
	shown := *e
	if severity == "warning" {
		shown.Msg = "warning: " + e.Msg
	}
	return located{f, drawn(&shown, file, text)}
}

func report(w io.Writer, findings []located, asJSON bool, names []string) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, f := range findings {
			if err := enc.Encode(f.finding); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range findings {
		if _, err := io.WriteString(w, f.drawn); err != nil {
			return err
		}
	}
	if len(findings) == 0 {
		_, err := fmt.Fprintf(w, "%s: ok\n", strings.Join(names, ", "))
		return err
	}
	return nil
}
