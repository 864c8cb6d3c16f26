package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql/internal/slt"
)

func testCommand() *cobra.Command {
	var cfg slt.Config
	var everyCut bool
	cmd := &cobra.Command{
		Use:   "test FILE.slt|DIR...",
		Short: "run test scripts",
		Long: strings.TrimSpace(`
Runs scripts in sqllogictest's form, with the words feed, end, clock, subscribe, changes, restart and crash for streams (docs/testing.md). With
--every-cut each script runs again in small batches, with several workers and with restarts: its results must be the same.`),
		Args: wantArgs(1, -1, "a test script or a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := slt.Files(args)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				return fmt.Errorf("no *.slt files in %s", strings.Join(args, ", "))
			}
			configs := []slt.Config{cfg}
			if everyCut && !cfg.Rewrite {
				configs = slt.EveryCut(cfg)
			}
			passed, failed := 0, 0
			for _, file := range files {
				ok, err := runScript(cmd, file, configs)
				if err != nil {
					return fail(cmd.ErrOrStderr(), err.Error())
				}
				if ok {
					passed++
				} else {
					failed++
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d passed, %d failed\n", passed, failed)
			if failed > 0 {
				return &shownError{code: 1}
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&cfg.Rewrite, "rewrite", false, "replace the expectations by what comes out")
	fl.BoolVar(&everyCut, "every-cut", false, "run each script under many cuts of its input")
	fl.IntVar(&cfg.Workers, "workers", 0, "workers that run queries (0: one per processor)")
	dialectFlag(cmd, &cfg.Dialect)
	return cmd
}

func runScript(cmd *cobra.Command, file string, configs []slt.Config) (bool, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	for _, cfg := range configs {
		out, err := slt.Run(cmd.Context(), file, string(src), cfg)
		if err != nil {
			return false, err
		}
		if cfg.Rewrite && out.Rewritten != string(src) {
			if err := os.WriteFile(file, []byte(out.Rewritten), 0o644); err != nil {
				return false, err
			}
		}
		if len(out.Failures) > 0 {
			for _, f := range out.Failures {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			if len(configs) > 1 {
				fmt.Fprintf(cmd.OutOrStdout(), "(with %s)\n", cfg)
			}
			return false, nil
		}
	}
	return true, nil
}
