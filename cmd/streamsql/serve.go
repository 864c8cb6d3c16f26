package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/server"
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
