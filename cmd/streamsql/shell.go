package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/reeflective/readline"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
)

func shellCommand() *cobra.Command {
	var f engineFlags
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "type statements",
		Long: strings.TrimSpace(`
Reads statements, each up to its semicolon, and runs them. A query over inputs that go on prints its changes until Ctrl-C. Without --data-dir
everything is kept in memory. \? lists the shell's own commands.`),
		Args: wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := f.options()
			if err != nil {
				return err
			}
			out := &lockedWriter{w: cmd.OutOrStdout()}
			opts.Stdout = out
			db, err := streamsql.Open(opts)
			if err != nil {
				return fail(cmd.ErrOrStderr(), "streamsql: "+err.Error())
			}
			sh := &shell{db: db, session: db.NewSession(), out: out, err: cmd.ErrOrStderr()}
			if f.dialect != "" {
				sh.execute("SET dialect = " + f.dialect)
			}
			err = sh.loop(cmd.InOrStdin(), opts.Dir)
			return errors.Join(err, closeDB(db, opts.Dir != "", sh.err, nil))
		},
	}
	f.register(cmd)
	dialectFlag(cmd, &f.dialect)
	return cmd
}

type shell struct {
	db      *streamsql.DB
	session *streamsql.Session
	out     io.Writer
	err     io.Writer
	failed  bool
}

func (s *shell) loop(in io.Reader, dir string) error {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return s.interactive(dir)
	}
	return s.script(in)
}

// script runs statements from a file or pipe and stops at the first error.
func (s *shell) script(in io.Reader) error {
	lines := bufio.NewReader(in)
	var text strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return fail(s.err, "streamsql: read standard input: "+err.Error())
		}
		if word := strings.TrimSpace(line); text.Len() == 0 && (word == `\q` || word == "quit" || word == "exit") {
			return nil
		}
		if text.Len() == 0 && s.command(strings.TrimSpace(line)) {
			if s.failed {
				return &shownError{code: 1}
			}
			continue
		}
		text.WriteString(line)
		if err == io.EOF {
			break
		}
		if strings.Contains(line, ";") && sql.Complete(text.String()) {
			s.execute(text.String())
			text.Reset()
			if s.failed {
				return &shownError{code: 1}
			}
		}
	}
	if strings.TrimSpace(text.String()) != "" {
		s.execute(text.String())
	}
	if s.failed {
		return &shownError{code: 1}
	}
	return nil
}

func (s *shell) interactive(dir string) error {
	place := "in memory"
	if dir != "" {
		place = dir
	}
	fmt.Fprintf(s.out, "streamsql %s, state: %s. End statements with ;  \\? for help, Ctrl-D to leave.\n", versionText(), place)
	rl := readline.NewShell()
	_ = rl.Config.Set("convert-meta", false) // else an ü is taken for Alt-|
	_ = rl.Config.Set("input-meta", true)
	_ = rl.Config.Set("output-meta", true)
	pending := false
	rl.Prompt.Primary(func() string {
		if pending {
			return "      ...> "
		}
		return "streamsql> "
	})
	rl.Prompt.Secondary(func() string { return "      ...> " })
	rl.AcceptMultiline = func(line []rune) bool {
		text := strings.TrimSpace(string(line))
		return text == "" || strings.HasPrefix(text, `\`) || text == "quit" || text == "exit" || sql.Complete(string(line))
	}
	if home, err := os.UserHomeDir(); err == nil {
		rl.History.AddFromFile("streamsql", filepath.Join(home, ".streamsql_history"))
	}
	for {
		line, err := rl.Readline()
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.out)
			return nil
		case err != nil && err.Error() == os.Interrupt.String(), errors.Is(err, readline.ErrInterrupt):
			continue
		case err != nil:
			return err
		}
		text := strings.TrimSpace(line)
		if text == "" {
			continue
		}
		if text == "quit" || text == "exit" || text == `\q` {
			return nil
		}
		if s.command(text) {
			continue
		}
		s.execute(line)
		s.failed = false
	}
}

const shellHelp = `  \d             objects            \d NAME     columns of an object
  \s             statistics         \w          watermarks
  \i FILE        run a file         \q          leave
  Statements: SELECT, CREATE SOURCE, CREATE [MATERIALIZED] VIEW, CREATE SINK, EXPLAIN, SHOW, DESCRIBE, DROP, ALTER, SET ...
`

// command runs a line that begins with a backslash.
func (s *shell) command(text string) bool {
	if !strings.HasPrefix(text, `\`) {
		return false
	}
	word, rest, _ := strings.Cut(strings.TrimSuffix(text, ";"), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case `\?`, `\h`:
		fmt.Fprint(s.out, shellHelp)
	case `\d`, `\dt`:
		if rest != "" {
			s.execute("DESCRIBE " + rest + ";")
			break
		}
		for _, o := range s.db.Catalog().Objects() {
			fmt.Fprintf(s.out, "  %-20s %s\n", o.Name, o.Kind)
		}
	case `\s`:
		fmt.Fprintln(s.out, progressLine(s.db.Stats(), 0, now()))
	case `\w`:
		s.execute("SHOW WATERMARKS;")
	case `\i`:
		data, err := os.ReadFile(rest)
		if err != nil {
			fmt.Fprintln(s.err, err)
			s.failed = true
			break
		}
		s.execute(string(data))
	default:
		fmt.Fprintf(s.err, "unknown command %s; \\? lists them\n", word)
	}
	return true
}

// execute runs statements and prints their results. Ctrl-C ends a query that goes on.
func (s *shell) execute(text string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	stmts, err := s.session.Parse(text)
	if err != nil {
		s.show(err, text)
		return
	}
	for _, stmt := range stmts {
		r, err := s.session.ExecStatement(ctx, stmt, text)
		if err != nil {
			s.show(err, text)
			return
		}
		printNotices(s.err, r.Notices)
		if r.Rows == nil {
			fmt.Fprintln(s.out, r.Tag)
			continue
		}
		err = printRows(ctx, s.out, r.Rows)
		r.Rows.Close()
		printRejected(s.err, r.Rows)
		if err != nil && ctx.Err() == nil {
			s.show(err, text)
			return
		}
	}
}

func (s *shell) show(err error, text string) {
	s.failed = true
	fmt.Fprint(s.err, drawn(err, "", text))
}
