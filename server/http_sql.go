package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// The forms of answers.
const (
	asJSON   = "application/json"
	asArrow  = "application/vnd.apache.arrow.stream"
	asEvents = "text/event-stream"
)

// request is the body of POST /v1/sql.
type request struct {
	Query string `json:"query"`
	// Args are the values of $1, $2 ...; each is read as the type that its place wants.
	Args []json.RawMessage `json:"args"`
	// Settings hold for this request.
	Settings map[string]string `json:"settings"`
}

// sqlHandler runs statements: each request in a session of its own.
type sqlHandler struct {
	db   *streamsql.DB
	opts HTTPOptions
}

func (h *sqlHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != asJSON {
		writeError(w, http.StatusUnsupportedMediaType, types.Errorf(types.CodeInvalidParameter, "the body is %q, wanted application/json", r.Header.Get("Content-Type")), "")
		return
	}
	form, ok := accepted(r.Header.Get("Accept"))
	if !ok {
		writeError(w, http.StatusNotAcceptable, types.Errorf(types.CodeInvalidParameter, "cannot answer in %q", r.Header.Get("Accept")).
			WithHint("there is: %s, %s, %s", asJSON, asArrow, asEvents), "")
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.opts.ReadTimeout)) // what cannot have one has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.opts.MaxBody))
	if err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			writeError(w, http.StatusRequestEntityTooLarge, types.Errorf(types.CodeTooComplex, "the body is longer than %d bytes", long.Limit), "")
		}
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	var req request
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		writeError(w, http.StatusBadRequest, types.Errorf(types.CodeInvalidJSON, "the body is not what is wanted: %v", err).
			WithHint(`wanted {"query": "SELECT $1", "args": [1]}`), "")
		return
	}
	h.run(w, r, req, form)
}

// accepted chooses the form of the answer.
func accepted(header string) (form string, ok bool) {
	if header == "" {
		return asJSON, true
	}
	for _, part := range strings.Split(header, ",") {
		kind, _, err := mime.ParseMediaType(strings.TrimSpace(part))
		switch {
		case err != nil:
		case slices.Contains([]string{asJSON, asArrow, asEvents}, kind):
			return kind, true
		case kind == "*/*" || kind == "application/*":
			return asJSON, true
		}
	}
	return "", false
}

func (h *sqlHandler) run(w http.ResponseWriter, r *http.Request, req request, form string) {
	session := h.db.NewSession()
	defer session.Close()
	user, _, _ := r.BasicAuth()
	session.Identify(streamsql.Client{User: user, Address: r.RemoteAddr})
	ctx := r.Context()
	fail := func(err error) { writeError(w, statusOf(err), err, req.Query) }
	for name, value := range req.Settings {
		if err := session.Set(ctx, name, value); err != nil {
			fail(err)
			return
		}
	}
	stmts, err := session.Parse(req.Query)
	switch {
	case err != nil:
		fail(err)
		return
	case len(stmts) == 0:
		fail(types.Errorf(types.CodeSyntax, "the query holds no statement"))
		return
	case len(stmts) > 1 && (form != asJSON || len(req.Args) > 0):
		fail(types.Errorf(types.CodeSyntax, "found %d statements, wanted one", len(stmts)).WithHint("several statements are answered in JSON, and have no args"))
		return
	}
	session.Active(req.Query)
	if d := session.StatementTimeout(); d > 0 && form != asEvents {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	out := &output{w: w, control: http.NewResponseController(w), timeout: h.opts.WriteTimeout}
	if form == asJSON {
		h.answerJSON(ctx, session, stmts, req, out)
		return
	}
	stmt := stmts[0]
	if q, ok := stmt.(*sql.QueryStmt); ok && form == asEvents { // its changes are asked for
		stmt = &sql.Subscribe{At: q.At, Query: q.Query}
	}
	result, err := execute(ctx, session, stmt, req)
	if err != nil {
		fail(err)
		return
	}
	if result.Rows == nil {
		fail(types.Errorf(types.CodeSyntax, "%s returns no rows", result.Tag).WithHint("ask for %s", asJSON))
		return
	}
	defer result.Rows.Close()
	if form == asArrow {
		err = writeArrow(ctx, out, result.Rows)
	} else {
		err = writeEvents(ctx, out, result.Rows, h.opts.Heartbeat)
	}
	if err != nil && !out.begun {
		fail(err)
	}
}

// execute runs a statement with the request's arguments.
func execute(ctx context.Context, session *streamsql.Session, stmt sql.Statement, req request) (streamsql.Result, error) {
	if len(req.Args) == 0 {
		return session.ExecStatement(ctx, stmt, req.Query)
	}
	prepared, err := session.PrepareStatement(ctx, stmt, req.Query)
	if err != nil {
		return streamsql.Result{}, err
	}
	if len(req.Args) != len(prepared.Params()) {
		return streamsql.Result{}, types.Errorf(types.CodeInvalidParameter, "the query has %d parameters, found %d args", len(prepared.Params()), len(req.Args))
	}
	args := make([]any, len(req.Args))
	for i, raw := range req.Args {
		v, err := argument(raw, prepared.Params()[i], session.Zone())
		if err != nil {
			return streamsql.Result{}, types.AsError(err).WithDetail("args[%d], which is $%d", i, i+1)
		}
		args[i] = streamsql.Arg{Type: prepared.Params()[i], Value: v}
	}
	return prepared.Exec(ctx, args...)
}

// argument reads a JSON value as a value of type t: a string is its text form, a number or truth value the text of it, an array one of
// elements, and for jsonb it is what it is.
func argument(raw json.RawMessage, t types.Type, zone *time.Location) (any, error) {
	text := string(bytes.TrimSpace(raw))
	switch {
	case text == "null":
		return nil, nil
	case t.Kind == types.JSONB:
		return types.ParseText(t, text)
	case strings.HasPrefix(text, `"`):
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, types.Errorf(types.CodeInvalidJSON, "%v", err)
		}
		text = s
		if strings.IndexByte(s, 0) >= 0 {
			return nil, types.Errorf(types.CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\": 0x00")
		}
	case strings.HasPrefix(text, "[") && t.Kind == types.Array:
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, types.Errorf(types.CodeInvalidJSON, "%v", err)
		}
		values := make([]any, len(list))
		for i, e := range list {
			var err error
			if values[i], err = argument(e, t.ElemType(), zone); err != nil {
				return nil, err
			}
		}
		return values, nil
	}
	if t.Kind == types.TimestampTZ {
		return types.ParseTimestampTZ(text, zone)
	}
	return types.ParseText(t, text)
}

// output is the body of an answer.
type output struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	buf     []byte
	begun   bool // something was sent: the status stands
}

// outputSize is when a piece is sent.
const outputSize = 32 << 10

func (o *output) sendFull() error {
	if len(o.buf) < outputSize {
		return nil
	}
	return o.send()
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.buf = append(o.buf, b...)
	return len(b), o.sendFull()
}

func (o *output) send() error {
	if len(o.buf) == 0 {
		return nil
	}
	o.begun = true
	_ = o.control.SetWriteDeadline(time.Now().Add(o.timeout)) // what cannot have one has none
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

// flush sends what there is, past the buffers below.
func (o *output) flush() error {
	if err := o.send(); err != nil {
		return err
	}
	return o.control.Flush()
}

// answerJSON answers with {"results": [...]}: an object per statement. Where a statement fails after something was sent, "error" follows the
// results.
func (h *sqlHandler) answerJSON(ctx context.Context, session *streamsql.Session, stmts []sql.Statement, req request, out *output) {
	out.w.Header().Set("Content-Type", asJSON)
	out.buf = append(out.buf, `{"results":[`...)
	err := func() error {
		together := session.Atomic(stmts)
		if together {
			if err := session.Begin(ctx); err != nil {
				return err
			}
		}
		for i, stmt := range stmts {
			result, err := execute(ctx, session, stmt, req)
			if err != nil {
				return err
			}
			if i > 0 {
				out.buf = append(out.buf, ',')
			}
			if err := resultJSON(ctx, out, result); err != nil {
				return err
			}
		}
		if together {
			return session.Commit(ctx)
		}
		return nil
	}()
	switch {
	case err == nil:
		out.buf = append(out.buf, "]}\n"...)
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return // the client has gone
	case !out.begun:
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = types.Errorf(types.CodeCanceled, "canceling statement due to statement timeout")
		}
		writeError(out.w, statusOf(err), err, req.Query)
		return
	default:
		body, _ := json.Marshal(errorOf(err, req.Query)) // strings and numbers
		out.buf = append(append(append(out.buf, `],"error":`...), body...), "}\n"...)
	}
	_ = out.send() // a client that has gone needs no answer
}

// resultJSON writes what one statement answers; after an error too it is a whole object.
func resultJSON(ctx context.Context, out *output, result streamsql.Result) error {
	out.buf = append(out.buf, '{')
	if len(result.Notices) > 0 {
		out.buf = append(out.buf, `"notices":[`...)
		for i, n := range result.Notices {
			if i > 0 {
				out.buf = append(out.buf, ',')
			}
			out.buf = types.AppendJSONString(append(out.buf, `{"message":`...), n.Msg)
			if n.Hint != "" {
				out.buf = types.AppendJSONString(append(out.buf, `,"hint":`...), n.Hint)
			}
			out.buf = append(out.buf, '}')
		}
		out.buf = append(out.buf, "],"...)
	}
	n, err := rowsJSON(ctx, out, result.Rows)
	tag := result.Tag
	if tag == "SELECT" || tag == "FETCH" {
		tag += " " + strconv.FormatInt(n, 10)
	}
	out.buf = append(types.AppendJSONString(append(out.buf, `"tag":`...), tag), '}')
	return err
}

// rowsJSON writes the columns and rows of an answer, if it has some, and counts them.
func rowsJSON(ctx context.Context, out *output, rows *streamsql.Rows) (n int64, err error) {
	if rows == nil {
		return 0, nil
	}
	defer rows.Close()
	if rows.Live() {
		return 0, types.NotSupported(types.Span{}, "an answer that goes on, as a whole").WithHint("ask for its changes with Accept: %s", asEvents)
	}
	columns := rows.Columns()
	out.buf = append(appendColumns(append(out.buf, `"columns":`...), columns), `,"rows":[`...)
	defer func() { out.buf = append(out.buf, "],"...) }()
	for {
		changes, err := rows.Changes(ctx)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		for _, b := range changes.Batches {
			var failed error
			b.Each(func(row int) {
				for range b.Weight(row) {
					if failed != nil {
						return
					}
					if n > 0 {
						out.buf = append(out.buf, ',')
					}
					n++
					out.buf = appendRow(out.buf, columns, b, row)
					failed = out.sendFull()
				}
			})
			if failed != nil {
				return n, failed
			}
		}
	}
}

func appendColumns(dst []byte, columns []streamsql.Column) []byte {
	dst = append(dst, '[')
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = types.AppendJSONString(append(dst, `{"name":`...), c.Name)
		dst = types.AppendJSONString(append(dst, `,"type":`...), c.Type.String())
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendRow(dst []byte, columns []streamsql.Column, b *changelog.Batch, row int) []byte {
	dst = append(dst, '[')
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = types.AppendJSON(dst, c.Type, b.Cols[i], row)
	}
	return append(dst, ']')
}
