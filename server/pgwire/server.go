package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/streamsql/streamsql"
)

// Options say how to serve.
type Options struct {
	// Users are who may connect; nil: anybody, without a password.
	Users *Users
	// TLS is the server's certificate; nil: connections are not encrypted.
	TLS *tls.Config
	// RequireTLS refuses connections without TLS.
	RequireTLS bool
	// MaxConnections is how many clients may be connected at once; 0: 16,384.
	MaxConnections int
	// MaxMessage is the longest message that a client may send, in bytes; 0: 64 MiB.
	MaxMessage int
	// StartupTimeout is how long a client may take until it is authenticated; 0: a minute.
	StartupTimeout time.Duration
	// Version is what the server says after "15.0 " as its version.
	Version string
	// Logger gets connections' failures; nil: nobody.
	Logger *slog.Logger
}

func (o *Options) withDefaults() {
	if o.MaxConnections == 0 {
		o.MaxConnections = 16384
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 64 << 20
	}
	if o.StartupTimeout == 0 {
		o.StartupTimeout = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Server serves one database to any number of connections.
type Server struct {
	db   *streamsql.DB
	opts Options

	mu        sync.Mutex
	conns     map[uint32]*conn // by process id
	nextPID   uint32
	waiting   int // connections that have no id yet
	listeners map[net.Listener]bool
	stopping  bool
	running   sync.WaitGroup // connections
	stopWatch chan struct{}  // closed by Shutdown
}

// New returns a server of a database; Serve lets clients in.
func New(db *streamsql.DB, opts Options) *Server {
	opts.withDefaults()
	s := &Server{db: db, opts: opts, conns: map[uint32]*conn{}, listeners: map[net.Listener]bool{}, stopWatch: make(chan struct{})}
	go s.watch()
	return s
}

// reserved is how many connections beyond the limit may be there, to be told so or to cancel a statement.
const reserved = 256

// Serve accepts connections until the listener fails or Shutdown is called, after which it returns nil. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = true
	s.mu.Unlock()
	wait := 5 * time.Millisecond
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			stopping := s.stopping
			delete(s.listeners, l)
			s.mu.Unlock()
			if stopping {
				return nil
			}
			var ne net.Error
			if errors.As(err, &ne) && !errors.Is(err, net.ErrClosed) { // such as too many open files: others may close theirs
				s.opts.Logger.Warn("accept a connection", "err", err)
				select {
				case <-time.After(wait):
				case <-s.stopWatch:
				}
				wait = min(2*wait, time.Second)
				s.mu.Lock()
				s.listeners[l] = true
				s.mu.Unlock()
				continue
			}
			return err
		}
		wait = 5 * time.Millisecond
		s.mu.Lock()
		if s.stopping {
			s.mu.Unlock()
			nc.Close()
			return nil
		}
		if s.waiting+len(s.conns) >= s.opts.MaxConnections+reserved {
			s.mu.Unlock()
			nc.Close()
			continue
		}
		s.running.Add(1)
		s.waiting++
		s.mu.Unlock()
		go func() {
			defer s.running.Done()
			newConn(s, nc).serve()
		}()
	}
}

// admit gives a connection its id, or refuses it if there are too many.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	if len(s.conns) >= s.opts.MaxConnections || s.stopping {
		return false
	}
	for {
		s.nextPID = s.nextPID%(1<<31-1) + 1
		if s.conns[s.nextPID] == nil {
			break
		}
	}
	c.pid = s.nextPID
	var secret [4]byte
	rand.Read(secret[:]) //nolint:errcheck // it never fails
	c.secret = binary.BigEndian.Uint32(secret[:])
	s.conns[c.pid] = c
	return true
}

// leave is called for a connection that ends before it was admitted.
func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.pid == 0 {
		return
	}
	delete(s.conns, c.pid)
}

// cancel cancels the statement that another connection runs, if the client knows its secret.
func (s *Server) cancel(pid, secret uint32) {
	s.mu.Lock()
	c := s.conns[pid]
	s.mu.Unlock()
	if c != nil && c.secret == secret {
		c.interrupt(errCanceled)
	}
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Connections returns how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown lets no new clients in, cancels what runs, tells every client that the server stops (57P01), and returns when all are gone, or ctx
// has ended; then it closes what is left.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stopWatch)
	}
	for l := range s.listeners {
		l.Close()
	}
	var conns []*conn
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.stop()
	}
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.mu.Lock()
		for _, c := range s.conns {
			c.raw.Close()
		}
		s.mu.Unlock()
		<-done
	}
}
