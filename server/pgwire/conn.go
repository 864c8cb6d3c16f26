package pgwire

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/types"
)

// Codes that stand in a startup packet where the version does.
const (
	codeCancel  = 80877102
	codeSSL     = 80877103
	codeGSS     = 80877104
	protocol3   = 3
	helloRounds = 3 // TLS, GSS and the startup message itself
)

// conn is one connection, served by one goroutine.
type conn struct {
	srv    *Server
	raw    net.Conn // the socket
	net    net.Conn // raw, or TLS over it
	in     reader
	out    writer
	pid    uint32
	secret uint32

	session  *streamsql.Session
	user     string
	database string
	reported map[string]string // parameters as the client knows them

	extended extended // state of the extended protocol

	broken error // found out of step in the middle of a statement: the connection ends

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // of the statement that runs; nil: none
	stopped bool
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, raw: nc, net: nc, reported: map[string]string{}}
	c.in = reader{src: nc, most: maxStartup}
	c.out = writer{dst: nc}
	return c
}

// errClosed ends a connection of which the client has taken its leave, or was told why it ends.
var errClosed = errors.New("connection closed")

// serve runs a connection to its end.
func (c *conn) serve() {
	defer func() {
		if p := recover(); p != nil { // a bug of ours must not end the others' connections
			c.srv.opts.Logger.Error("a connection failed", "panic", p, "stack", string(debug.Stack()))
			c.fatal(types.Errorf(types.CodeInternal, "internal error: %v", p))
		}
		c.close()
	}()
	_ = c.raw.SetDeadline(time.Now().Add(c.srv.opts.StartupTimeout))
	ok, err := c.hello()
	if err == nil && ok {
		_ = c.raw.SetDeadline(time.Time{})
		c.mu.Lock()
		stopped := c.stopped // Shutdown came before the deadlines were taken off
		c.mu.Unlock()
		if stopped {
			c.fatal(errShutdown)
			return
		}
		err = c.loop()
	}
	var e *types.Error
	switch {
	case err == nil, errors.Is(err, errClosed):
	case errors.As(err, &e):
		c.fatal(e)
	case c.srv.isStopping():
		c.fatal(errShutdown)
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
	default:
		c.srv.opts.Logger.Debug("a connection ended", "err", err)
	}
}

// close ends what the connection holds.
func (c *conn) close() {
	c.srv.forget(c)
	c.closePortals()
	if c.session != nil {
		c.session.Close()
	}
	c.in.release()
	c.out.release()
	c.net.Close()
}

// fatal tells the client why the connection ends, if it can still be told.
func (c *conn) fatal(e *types.Error) {
	_ = c.raw.SetDeadline(time.Now().Add(time.Second))
	c.out.send(errorResponse("FATAL", e, ""))
	_ = c.out.flush()
}

// hello does what comes before the first statement. It returns false for a connection that has no session, such as a request to cancel.
func (c *conn) hello() (bool, error) {
	admitted := false
	defer func() {
		if !admitted {
			c.srv.leave()
		}
	}()
	for range helloRounds {
		packet, err := c.in.startup()
		if err != nil {
			return false, err
		}
		code := binary.BigEndian.Uint32(packet)
		switch {
		case code == codeCancel:
			if len(packet) == 12 {
				c.srv.cancel(binary.BigEndian.Uint32(packet[4:]), binary.BigEndian.Uint32(packet[8:]))
			}
			return false, nil
		case code == codeSSL, code == codeGSS:
			if err := c.negotiate(code == codeSSL); err != nil {
				return false, err
			}
			continue
		case code>>16 != protocol3:
			return false, types.Errorf(types.CodeNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0", code>>16, code&0xffff)
		}
		params, err := startupParams(packet)
		if err != nil {
			return false, err
		}
		c.version(code, params)
		if c.srv.opts.RequireTLS && c.net == c.raw {
			return false, types.Errorf(codeInvalidAuth, "connections without TLS are not allowed").WithHint("connect with sslmode=require")
		}
		if c.user = params["user"]; c.user == "" {
			return false, types.Errorf(codeInvalidAuth, "no PostgreSQL user name specified in startup packet")
		}
		if c.database = params["database"]; c.database == "" {
			c.database = c.user
		}
		if err := c.authenticate(); err != nil {
			return false, err
		}
		admitted = true
		if !c.srv.admit(c) {
			if c.srv.isStopping() {
				return false, errShutdown
			}
			return false, types.Errorf(codeTooManyConnections, "sorry, too many clients already")
		}
		return true, c.welcome(params)
	}
	return false, types.Errorf(codeProtocol, "too many requests for encryption")
}

// negotiate answers a request for TLS or GSS encryption.
func (c *conn) negotiate(ssl bool) error {
	if !ssl || c.srv.opts.TLS == nil || c.net != c.raw {
		_, err := c.net.Write([]byte{'N'})
		return err
	}
	if c.in.buffered() { // it would be taken for encrypted
		return types.Errorf(codeProtocol, "received unencrypted data after SSL request").
			WithHint("this could be either a client-software bug or evidence of an attempted man-in-the-middle attack")
	}
	if _, err := c.net.Write([]byte{'S'}); err != nil {
		return err
	}
	t := tls.Server(c.raw, c.srv.opts.TLS)
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.net = t
	c.in.src, c.out.dst = t, t
	return nil
}

// startupParams reads the names and values of a startup message.
func startupParams(packet []byte) (map[string]string, error) {
	bad := types.Errorf(codeProtocol, "invalid startup packet layout: expected terminator as last byte")
	rest := string(packet[4:])
	params := map[string]string{}
	for {
		name, after, ok := strings.Cut(rest, "\x00")
		if !ok {
			return nil, bad
		}
		if name == "" {
			if after != "" {
				return nil, bad
			}
			return params, nil
		}
		value, after, ok := strings.Cut(after, "\x00")
		if !ok {
			return nil, bad
		}
		params[name], rest = value, after
	}
}

// version tells a client that speaks a newer minor version, or asks for options of the protocol, that there are none here.
func (c *conn) version(code uint32, params map[string]string) {
	var unknown []string
	for name := range params {
		if strings.HasPrefix(name, "_pq_.") {
			unknown = append(unknown, name)
			delete(params, name)
		}
	}
	if code&0xffff != 0 || len(unknown) > 0 {
		c.out.send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: protocol3 << 16, UnrecognizedOptions: unknown})
	}
}

// welcome opens the session and says what a client wants to know of it.
func (c *conn) welcome(params map[string]string) error {
	c.in.most = c.srv.opts.MaxMessage
	c.session = c.srv.db.NewSession()
	c.session.Identify(streamsql.Client{User: c.user, Database: c.database, PID: c.pid, Address: c.raw.RemoteAddr().String(), Version: c.serverVersion()})
	settings, err := startupSettings(params)
	if err != nil {
		return err
	}
	for _, s := range settings {
		if err := c.session.Set(context.Background(), s.name, s.value); err != nil {
			return err
		}
	}
	c.out.send(&pgproto3.AuthenticationOk{})
	c.report()
	for _, p := range [][2]string{{"server_version", c.serverVersion()}, {"server_encoding", "UTF8"}, {"integer_datetimes", "on"},
		{"is_superuser", "on"}, {"session_authorization", c.user}, {"in_hot_standby", "off"}, {"default_transaction_read_only", "off"}} {
		c.out.send(&pgproto3.ParameterStatus{Name: p[0], Value: p[1]})
	}
	c.out.send(&pgproto3.BackendKeyData{ProcessID: c.pid, SecretKey: binary.BigEndian.AppendUint32(nil, c.secret)})
	c.ready()
	return nil
}

func (c *conn) serverVersion() string { return "15.0 (streamsql " + c.srv.opts.Version + ")" }

// setting is one setting that a client gives when it connects.
type setting struct{ name, value string }

// startupSettings returns the settings in a startup message: those by name, and those of options = '-c name=value'.
func startupSettings(params map[string]string) ([]setting, error) {
	var list []setting
	words := splitOptions(params["options"])
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case word == "-c" && i+1 < len(words):
			i++
			word = words[i]
		case strings.HasPrefix(word, "-c"):
			word = word[2:]
		case strings.HasPrefix(word, "--"):
			word = word[2:]
		default:
			return nil, types.Errorf(types.CodeSyntax, "invalid command-line argument for server process: %s", word)
		}
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, types.Errorf(types.CodeSyntax, "-c %s requires a value", word)
		}
		list = append(list, setting{strings.ReplaceAll(name, "-", "_"), value})
	}
	for name, value := range params {
		switch name {
		case "user", "database", "options", "replication":
		default:
			list = append(list, setting{name, value})
		}
	}
	if r := strings.ToLower(params["replication"]); r != "" && r != "false" && r != "off" && r != "no" && r != "0" {
		return nil, types.Errorf(types.CodeNotSupported, "replication connections are not supported yet").WithHint("SUBSCRIBE follows the changes of a query")
	}
	return list, nil
}

// splitOptions cuts at blanks; a backslash takes the next character as it is.
func splitOptions(text string) []string {
	var words []string
	var word strings.Builder
	begun := false
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			begun = true
		case ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(ch)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}

// reportedSettings are the settings of which clients are told every change.
var reportedSettings = [][2]string{{"client_encoding", "client_encoding"}, {"DateStyle", "datestyle"}, {"IntervalStyle", "intervalstyle"},
	{"TimeZone", "timezone"}, {"application_name", "application_name"}, {"standard_conforming_strings", "standard_conforming_strings"}}

// report tells the client the settings that it does not know yet.
func (c *conn) report() {
	for _, s := range reportedSettings {
		value, _ := c.session.Setting(s[1])
		if known, ok := c.reported[s[0]]; !ok || known != value {
			c.reported[s[0]] = value
			c.out.send(&pgproto3.ParameterStatus{Name: s[0], Value: value})
		}
	}
}

// ready says that the next statement may come.
func (c *conn) ready() {
	c.session.Idle()
	c.report()
	c.out.send(&pgproto3.ReadyForQuery{TxStatus: c.session.Status()})
}

// loop serves statements until the client leaves.
func (c *conn) loop() error {
	for {
		if !c.in.buffered() {
			if err := c.out.flush(); err != nil {
				return err
			}
			c.out.release()
		}
		kind, body, err := c.in.message()
		if err != nil {
			return err
		}
		if err := c.message(kind, body); err != nil {
			return err
		}
	}
}

// begin is called before a statement runs; the function that it returns behind it.
func (c *conn) begin() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c.mu.Lock()
	c.cancel = cancel
	stopped := c.stopped
	c.mu.Unlock()
	if stopped {
		cancel(errShutdown)
	}
	return ctx, func() {
		c.mu.Lock()
		c.cancel = nil
		c.mu.Unlock()
		cancel(nil)
	}
}

func (c *conn) isRunning() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancel != nil
}

// interrupt cancels the statement that runs, if one does.
func (c *conn) interrupt(cause *types.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(cause)
	}
}

// stop makes the connection end: at once if it is idle, when its statement is cancelled else.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.cancel != nil {
		c.cancel(errShutdown)
	}
	_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	_ = c.raw.SetWriteDeadline(time.Now().Add(2 * time.Second)) // a client that does not read cannot hold the server up
}
