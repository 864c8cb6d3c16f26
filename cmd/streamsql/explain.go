package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
)

func explainCommand() *cobra.Command {
	var logical, physical, verbose bool
	var dialect string
	cmd := &cobra.Command{
		Use:   "explain FILE...",
		Short: "print the plans of a script's queries",
		Long: strings.TrimSpace(`
Plans all queries, views and sinks of the files without running them and prints their plans as trees: an operator a line, its inputs below.`),
		Args: wantArgs(1, -1, "a script"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := readScripts(args, dialect, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			checker := streamsql.NewChecker(dialect)
			for _, f := range s.files {
				plans, err := checker.Explain(f.stmts, streamsql.ExplainOptions{Logical: logical, Physical: physical, Verbose: verbose})
				if err != nil {
					return fail(cmd.ErrOrStderr(), sql.Render(err, f.name, f.text))
				}
				for _, p := range plans {
					fmt.Fprintf(cmd.OutOrStdout(), "-- %s\n%s\n", p.Name, p.Text)
				}
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&logical, "logical", false, "the plan before the rewrites")
	fl.BoolVar(&physical, "physical", false, "with distribution over workers and properties")
	fl.BoolVarP(&verbose, "verbose", "v", false, "with properties, types and operator ids")
	dialectFlag(cmd, &dialect)
	return cmd
}
