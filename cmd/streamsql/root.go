package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
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
  streamsql serve FILE.sql   serve a database to psql, PostgreSQL drivers and HTTP clients
  streamsql test FILE.slt    run test scripts`),
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionText(),
	}
	root.SetVersionTemplate("streamsql {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.Args, root.RunE = cobra.ArbitraryArgs, chooseCommand
	root.AddCommand(runCommand(), checkCommand(), explainCommand(), shellCommand(), serveCommand(), testCommand(), versionCommand(), versionsCommand())
	return root
}

// chooseCommand is what a command does that only has others below it.
func chooseCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := ""
	if near := types.Nearest(args[0], names); near != "" {
		hint = fmt.Sprintf("\nhint: did you mean %q?", cmd.CommandPath()+" "+near)
	} else if _, err := os.Stat(args[0]); err == nil && cmd.Parent() == nil {
		hint = fmt.Sprintf("\nhint: to run a script, write %q", cmd.CommandPath()+" run "+args[0])
	}
	return fmt.Errorf("unknown command %q; see %s --help%s", args[0], cmd.CommandPath(), hint)
}

// flagError says which flag was nearly meant.
func flagError(cmd *cobra.Command, err error) error {
	hint := ""
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := types.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = fmt.Sprintf("\nhint: did you mean --%s?", near)
		}
	}
	return fmt.Errorf("%w; see %s --help%s", err, cmd.CommandPath(), hint)
}

// dialect is the value of --dialect.
type dialect struct{ name *string }

func (d dialect) String() string {
	if d.name == nil {
		return ""
	}
	return *d.name
}

// Set implements pflag.Value.
func (d dialect) Set(name string) error {
	if name != "native" && name != "mysql" {
		return errors.New("wanted native or mysql")
	}
	*d.name = name
	return nil
}

// Type implements pflag.Value.
func (d dialect) Type() string { return "name" }

func dialectFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().Var(dialect{name}, "dialect", "dialect of the queries: native (PostgreSQL's) or mysql")
}

// wantArgs accepts min to max arguments (max -1: any number), which what describes.
func wantArgs(min, max int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		name := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
		switch {
		case len(args) < min:
			return fmt.Errorf("%s needs %s; see %s --help", name, what, cmd.CommandPath())
		case max >= 0 && len(args) > max && max == 0:
			return fmt.Errorf("%s takes no arguments, found %q; see %s --help", name, args[0], cmd.CommandPath())
		case max >= 0 && len(args) > max:
			return fmt.Errorf("%s takes %s and no more, found %q; see %s --help", name, what, args[max], cmd.CommandPath())
		}
		return nil
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	return streamsql.Version()
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "streamsql", versionText())
			return err
		},
	}
}

// drawn is an error in full, with its place, ended by a line break.
func drawn(err error, file, text string) string {
	return strings.TrimSuffix(sql.Render(err, file, text), "\n") + "\n"
}

// fail prints an error in full and returns one that says that it was.
func fail(w io.Writer, text string) error {
	fmt.Fprint(w, text)
	if !strings.HasSuffix(text, "\n") {
		fmt.Fprintln(w)
	}
	return &shownError{code: 1}
}
