package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql"
)

// shownError is an error that was printed already.
type shownError struct{ code int }

func (e *shownError) Error() string { return "failed" }

func shown(err error) bool {
	var s *shownError
	return errors.As(err, &s)
}

// exitCode is 1 for failures, 2 for wrong use of the command.
func exitCode(err error) int {
	var s *shownError
	if errors.As(err, &s) {
		return s.code
	}
	return 2
}

// engineFlags are the flags of every command that opens an engine.
type engineFlags struct {
	dataDir     string
	memory      bool
	workers     int
	memoryLimit string
	dialect     string
	logLevel    string
}

func (f *engineFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.dataDir, "data-dir", "", "directory of the state and the log")
	fl.BoolVar(&f.memory, "memory", false, "keep everything in memory: nothing survives the process")
	fl.IntVar(&f.workers, "workers", 0, "workers that run queries (0: one per processor)")
	fl.StringVar(&f.memoryLimit, "memory-limit", "", "memory for state and buffers, such as 4GiB (default: half of the machine's)")
	fl.StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn or error; the log goes to standard error")
}

func (f *engineFlags) options() (streamsql.Options, error) {
	o := streamsql.Options{Workers: f.workers}
	if f.memory && f.dataDir != "" {
		return o, errors.New("--memory and --data-dir exclude each other")
	}
	if !f.memory {
		o.Dir = f.dataDir
	}
	if f.workers < 0 {
		return o, fmt.Errorf("--workers is %d, wanted 0 or more", f.workers)
	}
	var err error
	if o.MemoryLimit, err = parseSize(f.memoryLimit); err != nil {
		return o, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return o, fmt.Errorf("--log-level is %q, wanted debug, info, warn or error", f.logLevel)
	}
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	return o, nil
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "streamsql",
		Short: "continuous SQL over streams, exactly once, in one binary",
		Long: strings.TrimSpace(`
streamsql keeps the answers to SQL queries up to date as data arrives, and delivers every change exactly once.

  streamsql run FILE.sql     run a script of sources, queries and sinks until it ends or is stopped
  streamsql check FILE.sql   find its errors, and the state that could grow for ever, without running it
  streamsql shell            type statements
  streamsql test FILE.slt    run test scripts`),
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionText(),
	}
	root.SetVersionTemplate("streamsql {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(runCommand(), checkCommand(), explainCommand(), shellCommand(), testCommand(), versionCommand(), versionsCommand())
	return root
}

func versionText() string {
	if version != "" {
		return version
	}
	return streamsql.Version()
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "streamsql", versionText())
			return err
		},
	}
}

// fail prints an error in full and returns one that says that it was.
func fail(w io.Writer, text string) error {
	fmt.Fprint(w, text)
	if !strings.HasSuffix(text, "\n") {
		fmt.Fprintln(w)
	}
	return &shownError{code: 1}
}
