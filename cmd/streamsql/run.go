package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
)

type runFlags struct {
	engineFlags
	untilIdle bool
	listen    string
	migrate   bool
	quiet     bool
	trigger   time.Duration
	beside    bool // objects that the script does not name stay
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "run a script of sources, queries and sinks",
		Long: strings.TrimSpace(`
Runs the statements of the files as one script and goes on until all of its inputs have ended, or until it is stopped. SIGINT and SIGTERM end
it cleanly; after any end, also kill -9, the same command goes on where it was, and sinks get every result exactly once.

The state lies in a directory named after the first file, beside it, unless --data-dir or --memory say otherwise. A script that has
changed since is refused with its difference; --migrate makes what differs anew.

${NAME} and ${NAME:-default} in a script stand for environment variables.`),
		Example: "  streamsql run delays.sql\n  streamsql run sources.sql queries.sql --data-dir /var/lib/delays --listen 127.0.0.1:9090",
		Args:    wantArgs(1, -1, "a script"),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.untilIdle, "until-idle", false, "end when all that is there now is processed, also if inputs are watched")
	fl.StringVar(&f.listen, "listen", "", "address to serve /metrics and /healthz on, such as 127.0.0.1:9090")
	fl.BoolVar(&f.migrate, "migrate", false, "change what differs between the script and the data directory")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	dialectFlag(cmd, &f.dialect)
	fl.DurationVar(&f.trigger, "trigger", 0, "least time between epochs, such as 1s (0: as soon as there is input)")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, names []string) error {
	stderr := cmd.ErrOrStderr()
	opts, err := f.options()
	if err != nil {
		return err
	}
	opts.Trigger = f.trigger
	failed := newFailures(opts.Logger.Handler(), stderr)
	opts.Logger = slog.New(failed)
	if opts.Dir == "" && !f.memory {
		if opts.Dir, err = stateDir(names); err != nil {
			return err
		}
	}
	s, err := readScripts(names, f.dialect, stderr)
	if err != nil {
		return err
	}
	out := &lockedWriter{w: cmd.OutOrStdout()}
	opts.Stdout = out
	db, err := streamsql.Open(opts)
	if err != nil {
		return fail(stderr, "streamsql: "+err.Error())
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = f.execute(ctx, db, s, out, stderr, failed)
	stop() // a second signal ends the process at once
	return errors.Join(err, closeDB(db, opts.Dir != "", stderr, err))
}

// closeGrace is how long sinks get at the end: less than process managers wait before they kill.
const closeGrace = 8 * time.Second

// closeDB ends a database cleanly. A sink that fails again and again does not hold up the end for ever. before is an error that was shown
// already.
func closeDB(db *streamsql.DB, durable bool, stderr io.Writer, before error) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	switch err := db.CloseContext(ctx); {
	case err != nil && before != nil:
		return nil // most often the same
	case err != nil:
		return fail(stderr, "streamsql: "+err.Error())
	}
	if ctx.Err() == nil {
		return nil
	}
	text := fmt.Sprintf("streamsql: a sink could not be brought up to date in %s; ", closeGrace)
	if durable {
		return fail(stderr, text+"what it lacks is in the log, and the next run delivers it")
	}
	return fail(stderr, text+"what it lacks is lost, as nothing is kept with --memory")
}

func (f *runFlags) execute(ctx context.Context, db *streamsql.DB, s *script, out, stderr io.Writer, failed *failures) error {
	if f.listen != "" {
		shut, err := serve(db, f.listen, stderr)
		if err != nil {
			return fail(stderr, "streamsql: "+err.Error())
		}
		defer shut()
	}
	session := db.NewSession()
	var p *progress
	if !f.quiet {
		p = newProgress(db, stderr)
	}
	err := f.statements(ctx, session, s, out, stderr, p, func() error { return nil })
	if err == nil {
		p.start()
		if f.untilIdle {
			err = db.WaitIdle(ctx)
		} else {
			err = db.Wait(ctx)
		}
	}
	p.stop()
	switch {
	case err == nil:
		if hadEnded(db.Stats()) {
			fmt.Fprintln(stderr, "notice: all inputs had ended in an earlier run, so nothing was read\n"+
				"hint: set watch = true for files that grow or are added, or use another --data-dir to start from the beginning")
		}
		return nil
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return nil // stopped by a signal, which is a clean end
	case shown(err):
		return err
	case failed.rest(db.Stats().Jobs):
		return &shownError{code: 1}
	}
	return fail(stderr, "streamsql: "+err.Error())
}

// hadEnded reports whether there was nothing left to do from the start.
func hadEnded(s streamsql.Stats) bool {
	for _, j := range s.Jobs {
		if j.State != streamsql.JobEnded {
			return false
		}
	}
	return s.RowsIn == 0 && s.RowsOut == 0 && len(s.Jobs) > 0
}

// statements makes the objects of the script, calls made, then runs its other statements in order.
func (f *runFlags) statements(ctx context.Context, session *streamsql.Session, s *script, out, stderr io.Writer, p *progress, made func() error) error {
	// Settings before the first CREATE hold for it.
	var created bool
	apply := func() error {
		if created {
			return nil
		}
		created = true
		applyScript := session.Apply
		if f.beside {
			applyScript = session.ApplyBeside
		}
		notices, err := applyScript(ctx, s.statements(), f.migrate)
		printNotices(stderr, notices)
		var changed *streamsql.ChangedError
		if errors.As(err, &changed) {
			return fail(stderr, "streamsql: "+changed.Error()+"\n"+changed.Diff)
		}
		if err != nil {
			return err
		}
		return made()
	}
	for _, stmt := range s.statements() {
		file := s.fileOf(stmt)
		creates := false
		switch stmt.(type) {
		case *sql.CreateSource, *sql.CreateTable, *sql.CreateView, *sql.CreateSink, *sql.CreateIndex, *sql.CreateSchema, *sql.Insert:
			creates = true
			if err := apply(); err != nil {
				return renderIn(stderr, s, err)
			}
		}
		once := session.OnceOnly(stmt)
		if creates && !once {
			continue
		}
		var result streamsql.Result
		var err error
		if once {
			result, _, err = session.ExecOnce(ctx, stmt, file.text)
		} else {
			result, err = session.ExecStatement(ctx, stmt, file.text)
		}
		if err == nil && result.Rows != nil {
			printNotices(stderr, result.Notices)
			p.start()
			err = printRows(ctx, out, result.Rows)
			result.Rows.Close()
			printRejected(stderr, result.Rows)
		} else {
			printNotices(stderr, result.Notices)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fail(stderr, sql.Render(err, file.name, file.text))
		}
	}
	if err := apply(); err != nil { // a script without CREATE may have had some before
		return renderIn(stderr, s, err)
	}
	return nil
}

// renderIn draws an error of a CREATE statement in the file that it stands in.
func renderIn(w io.Writer, s *script, err error) error {
	if shown(err) || errors.Is(err, context.Canceled) {
		return err
	}
	var located *streamsql.StatementError
	if errors.As(err, &located) {
		f := s.fileOf(located.Stmt)
		return fail(w, sql.Render(located.Err, f.name, f.text))
	}
	return fail(w, sql.Render(err, s.files[0].name, s.files[0].text))
}

func printNotices(w io.Writer, notices []streamsql.Notice) {
	for _, n := range notices {
		fmt.Fprintln(w, "notice: "+n.Msg)
		if n.Hint != "" {
			fmt.Fprintln(w, "hint: "+n.Hint)
		}
	}
}

// printRejected says what a query left out.
func printRejected(w io.Writer, rows *streamsql.Rows) {
	for _, r := range rows.Rejected() {
		text, from := fmt.Sprintf("notice: %d rows", r.Rows), ""
		if r.Rows == 1 {
			text = "notice: 1 row"
		}
		if r.Source != "" {
			from = " of " + r.Source
		}
		were := "were"
		if r.Rows == 1 {
			were = "was"
		}
		text += from + " " + were + " rejected (" + string(r.Reason) + ")"
		switch {
		case r.Position != "":
			text += "; the first: " + r.Position + ": " + r.Message
		case r.Message != "":
			text += "; the first: " + r.Message
		}
		fmt.Fprintln(w, text)
	}
}

// lockedWriter lets console sinks and results of several goroutines write whole pieces.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
