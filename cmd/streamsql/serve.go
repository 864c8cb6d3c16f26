package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/server"
	"github.com/streamsql/streamsql/server/pgwire"
)

// serve answers /metrics and /healthz until the returned function is called.
func serve(db *streamsql.DB, addr string, w io.Writer) (func(), error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(server.Metrics(db), promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", server.Health(db))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) //nolint:errcheck // it ends with ErrServerClosed
	fmt.Fprintf(w, "listening on http://%s (/metrics, /healthz)\n", l.Addr())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}, nil
}

type serveFlags struct {
	runFlags
	http           string
	passwordFile   string
	tlsCert        string
	tlsKey         string
	requireTLS     bool
	maxConnections int
}

func serveCommand() *cobra.Command {
	f := serveFlags{runFlags: runFlags{quiet: true, beside: true}}
	cmd := &cobra.Command{
		Use:   "serve [FILE...]",
		Short: "serve a database to psql, PostgreSQL drivers and HTTP clients",
		Long: strings.TrimSpace(`
Opens a data directory, makes the objects of the scripts as "streamsql run" does, lets its queries go on, and serves it over PostgreSQL's wire
protocol and HTTP until SIGINT or SIGTERM:

  psql -h 127.0.0.1 -p 4566
  curl -d '{"query": "SELECT 1"}' -H 'Content-Type: application/json' http://127.0.0.1:4567/v1/sql

Clients on this machine need no password. Who is to be reached from other machines listens on another address and needs a password file: one
name:password a line (or the password's SCRAM verifier, as PostgreSQL keeps it).`),
		Example: "  streamsql serve --data-dir /var/lib/delays\n  streamsql serve delays.sql --listen 0.0.0.0:4566 --password-file users --tls-cert cert.pem --tls-key key.pem",
		Args:    wantArgs(0, -1, "scripts"),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.serve(cmd, args) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:4566", "address of the PostgreSQL protocol; off: none")
	fl.StringVar(&f.http, "http", "127.0.0.1:4567", "address of the HTTP API, /metrics and /healthz; off: none")
	fl.StringVar(&f.passwordFile, "password-file", "", "file of users and their passwords")
	fl.StringVar(&f.tlsCert, "tls-cert", "", "file of the server's certificate chain, PEM")
	fl.StringVar(&f.tlsKey, "tls-key", "", "file of the certificate's private key, PEM")
	fl.BoolVar(&f.requireTLS, "require-tls", false, "refuse connections without TLS")
	fl.IntVar(&f.maxConnections, "max-connections", 0, "PostgreSQL connections at a time (0: 16384)")
	fl.BoolVar(&f.migrate, "migrate", false, "change what differs between the scripts and the data directory")
	dialectFlag(cmd, &f.dialect)
	fl.DurationVar(&f.trigger, "trigger", 0, "least time between epochs, such as 1s (0: as soon as there is input)")
	return cmd
}

func (f *serveFlags) serve(cmd *cobra.Command, names []string) error {
	stderr := cmd.ErrOrStderr()
	opts, err := f.options()
	if err != nil {
		return err
	}
	opts.Trigger = f.trigger
	if opts.Dir == "" && !f.memory {
		if len(names) == 0 {
			return errors.New("serve needs --data-dir, --memory or a script; see streamsql serve --help")
		}
		if opts.Dir, err = stateDir(names); err != nil {
			return err
		}
	}
	users, tlsConfig, err := f.security()
	if err != nil {
		return err
	}
	s := &script{}
	if len(names) > 0 {
		if s, err = readScripts(names, f.dialect, stderr); err != nil {
			return err
		}
	}
	listeners := map[string]net.Listener{}
	for what, addr := range map[string]string{"listen": f.listen, "http": f.http} {
		if addr == "off" || addr == "" {
			continue
		}
		if err := mayListen(addr, what, users != nil); err != nil {
			return err
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fail(stderr, "streamsql: "+err.Error())
		}
		defer l.Close()
		listeners[what] = l
	}
	if len(listeners) == 0 {
		return errors.New("--listen off and --http off leave nothing to serve")
	}
	out := &lockedWriter{w: cmd.OutOrStdout()}
	opts.Stdout = out
	db, err := streamsql.Open(opts)
	if err != nil {
		return fail(stderr, "streamsql: "+err.Error())
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pg := pgwire.New(db, pgwire.Options{Users: users, TLS: tlsConfig, RequireTLS: f.requireTLS, MaxConnections: f.maxConnections,
		Version: versionText(), Logger: opts.Logger})
	httpOptions := server.HTTPOptions{}
	if users != nil {
		httpOptions.Users = users
	}
	api := &http.Server{Handler: server.HTTP(db, httpOptions), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		TLSConfig: tlsConfig, MaxHeaderBytes: 64 << 10}
	err = f.until(ctx, db, s, out, stderr, func() error { return f.accept(listeners, pg, api, stderr) })
	stop() // a second signal ends the process at once
	ends, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		if api.Shutdown(ends) != nil {
			api.Close() //nolint:errcheck // streams that do not end by themselves
		}
		close(closed)
	}()
	pg.Shutdown(ends)
	<-closed
	return errors.Join(err, closeDB(db, opts.Dir != "", stderr, err))
}

// accept lets clients in.
func (f *serveFlags) accept(listeners map[string]net.Listener, pg *pgwire.Server, api *http.Server, stderr io.Writer) error {
	if l := listeners["listen"]; l != nil {
		fmt.Fprintf(stderr, "listening for PostgreSQL clients on %s\n", l.Addr())
		go pg.Serve(l) //nolint:errcheck // a listener that fails for good leaves the other one
	}
	if l := listeners["http"]; l != nil {
		scheme := "http"
		if api.TLSConfig != nil {
			l, scheme = tls.NewListener(l, api.TLSConfig), "https"
		}
		fmt.Fprintf(stderr, "listening on %s://%s (/v1/sql, /metrics, /healthz)\n", scheme, l.Addr())
		go api.Serve(l) //nolint:errcheck // it ends with ErrServerClosed
	}
	return nil
}

// until runs the scripts and waits for a signal, or for the engine to end.
func (f *serveFlags) until(ctx context.Context, db *streamsql.DB, s *script, out, stderr io.Writer, accept func() error) error {
	var err error
	if len(s.files) > 0 {
		err = f.statements(ctx, db.NewSession(), s, out, stderr, nil, accept)
	} else {
		err = accept()
	}
	if err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return nil
		}
		if shown(err) {
			return err
		}
		return fail(stderr, "streamsql: "+err.Error())
	}
	select {
	case <-ctx.Done():
		return nil
	case <-db.Done():
		return fail(stderr, fmt.Sprintf("streamsql: the engine has ended: %v", db.Err()))
	}
}

// security reads the users and the certificate.
func (f *serveFlags) security() (*pgwire.Users, *tls.Config, error) {
	var users *pgwire.Users
	if f.passwordFile != "" {
		file, err := os.Open(f.passwordFile)
		if err != nil {
			return nil, nil, fmt.Errorf("--password-file: %w", err)
		}
		defer file.Close()
		if users, err = pgwire.ReadUsers(file); err != nil {
			return nil, nil, fmt.Errorf("--password-file %q: %w", f.passwordFile, err)
		}
	}
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return nil, nil, errors.New("--tls-cert and --tls-key go together")
	}
	if f.tlsCert == "" {
		if f.requireTLS {
			return nil, nil, errors.New("--require-tls needs --tls-cert and --tls-key")
		}
		return users, nil, nil
	}
	cert, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
	if err != nil {
		return nil, nil, fmt.Errorf("--tls-cert: %w", err)
	}
	return users, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// mayListen refuses an address that other machines reach where nobody needs a password.
func mayListen(addr, flag string, passwords bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--%s is %q, wanted host:port, such as 127.0.0.1:4566", flag, addr)
	}
	if passwords || host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--%s %s can be reached from other machines, which needs --password-file", flag, addr)
}
