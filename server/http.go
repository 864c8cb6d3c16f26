package server

import (
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/types"
)

// Authenticator says who may use the HTTP API.
type Authenticator interface {
	// Check reports whether a user has a password.
	Check(user, password string) bool
}

// HTTPOptions say how to serve HTTP.
type HTTPOptions struct {
	// Users are who may ask, by HTTP's basic authentication; nil: anybody who reaches the server by the name localhost or by its address.
	Users Authenticator
	// MaxBody is the longest body of a request in bytes; 0: 16 MiB.
	MaxBody int64
	// ReadTimeout is how long a client may take to send a request's body, WriteTimeout how long it may take to receive a piece of the answer;
	// 0: 30 seconds each.
	ReadTimeout, WriteTimeout time.Duration
	// Heartbeat is how often a comment goes over a stream of events on which nothing happens; 0: 15 seconds.
	Heartbeat time.Duration
}

func (o *HTTPOptions) withDefaults() {
	if o.MaxBody == 0 {
		o.MaxBody = 16 << 20
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 30 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
}

// HTTP returns the handler of POST /v1/sql, GET /metrics and GET /healthz.
func HTTP(db *streamsql.DB, opts HTTPOptions) http.Handler {
	opts.withDefaults()
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(Metrics(db), promhttp.HandlerOpts{})
	mux.Handle("GET /metrics", opts.guard(metrics))
	mux.Handle("GET /healthz", Health(db))
	mux.Handle("POST /v1/sql", opts.guard(&sqlHandler{db: db, opts: opts}))
	return mux
}

// SQLSTATEs of HTTP requests that PostgreSQL has no occasion for.
const (
	codeUnauthorized types.Code = "28000"
	codePassword     types.Code = "28P01"
)

// guard lets only those in who may ask. Without users that is everybody on this machine, but not the pages that a browser on it shows: a page
// of another site has another origin, and one that its name server sends here has another name as the host.
func (o HTTPOptions) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			if err != nil || u.Host != r.Host {
				writeError(w, http.StatusForbidden, types.Errorf(codeUnauthorized, "a page of %q may not ask", origin), "")
				return
			}
		}
		if o.Users == nil {
			if !isAddress(r.Host) {
				writeError(w, http.StatusForbidden, types.Errorf(codeUnauthorized, "the host %q is not one that may be asked for without a password", r.Host).
					WithHint("ask for localhost or an IP address"), "")
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		user, password, ok := r.BasicAuth()
		if !ok || !o.Users.Check(user, password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="streamsql", charset="UTF-8"`)
			writeError(w, http.StatusUnauthorized, types.Errorf(codePassword, "a user's name and password are needed"), "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAddress reports whether a request's host is localhost or an IP address.
func isAddress(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if len(host) > 2 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	return host == "localhost" || net.ParseIP(host) != nil
}
