package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/streamsql/streamsql"
)

// Authenticator says who may use the HTTP API.
type Authenticator interface {
	// Check reports whether a user has a password.
	Check(user, password string) bool
}

// HTTPOptions say how to serve HTTP.
type HTTPOptions struct {
	// Users are who may ask, by HTTP's basic authentication; nil: anybody.
	Users Authenticator
}

// HTTP returns the handler of /metrics and /healthz.
func HTTP(db *streamsql.DB, opts HTTPOptions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(Metrics(db), promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", Health(db))
	return mux
}
