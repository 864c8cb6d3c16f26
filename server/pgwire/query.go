package pgwire

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// message serves one message; an error ends the connection.
func (c *conn) message(kind byte, body []byte) error {
	if c.extended.failed && kind != 'S' && kind != 'X' {
		return nil // after an error of the extended protocol everything is skipped up to Sync
	}
	switch kind {
	case 'Q':
		var m pgproto3.Query
		if err := m.Decode(body); err != nil {
			return badMessage(err)
		}
		c.closePortal("")
		c.endPipeline()
		c.simple(m.String)
		if c.broken != nil {
			return c.broken
		}
		c.endPortals()
		c.ready()
		return nil
	case 'X':
		return errClosed
	case 'F':
		c.fail(types.NotSupported(types.Span{}, "the function call protocol"), "")
		c.ready()
		return nil
	case 'd', 'c', 'f': // of a COPY that failed, which the client learns only now
		return nil
	}
	if err := c.extendedMessage(kind, body); err != nil {
		return err
	}
	return c.broken
}

func badMessage(err error) error { return types.Errorf(codeProtocol, "malformed message: %v", err) }

// fail tells the client that a statement failed.
func (c *conn) fail(e *types.Error, text string) {
	severity := "ERROR"
	if e.Code == types.CodeShutdown {
		severity = "FATAL"
	}
	c.session.Fail()
	c.out.send(errorResponse(severity, e, text))
}

// simple runs the statements of a Query message up to the first error.
func (c *conn) simple(text string) {
	stmts, err := c.session.Parse(text)
	if err != nil {
		c.fail(types.AsError(err), text)
		return
	}
	c.session.Active(text)
	if len(stmts) == 0 {
		c.out.send(&pgproto3.EmptyQueryResponse{})
		return
	}
	ctx, done := c.begin()
	defer done()
	together := c.session.Atomic(stmts)
	if together {
		if err = c.session.Begin(ctx); err != nil {
			c.fail(statementError(ctx, err), text)
			return
		}
	}
	for i, stmt := range stmts {
		tag, err := c.statement(ctx, stmt, text)
		if err == nil && together && i == len(stmts)-1 {
			if err = c.session.Commit(ctx); err != nil {
				err = statementError(ctx, err)
			}
		}
		if err != nil {
			c.fail(types.AsError(err), text)
			if together {
				_ = c.session.Rollback(context.WithoutCancel(ctx)) // it cannot fail
			}
			return
		}
		c.complete(tag)
	}
}

// timeout gives a statement the time that the session allows it.
func (c *conn) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if d := c.session.StatementTimeout(); d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return ctx, func() {}
}

func (c *conn) notices(list []streamsql.Notice) {
	if len(list) == 0 {
		return
	}
	least, _ := c.session.Setting("client_min_messages")
	for _, n := range list {
		if least == "error" || least == "warning" && n.Warning == "" {
			continue
		}
		c.out.send(noticeResponse(n))
	}
}

// statement runs one statement and sends what it answers, but for its tag.
func (c *conn) statement(ctx context.Context, stmt sql.Statement, text string) (tag string, err error) {
	ctx, timeout := c.timeout(ctx)
	defer timeout()
	if tag, err = c.answer(ctx, stmt, text); err != nil {
		return "", ofStatement(ctx, err, stmt)
	}
	return tag, nil
}

func (c *conn) answer(ctx context.Context, stmt sql.Statement, text string) (tag string, err error) {
	if x, ok := stmt.(*sql.Copy); ok && x.Stdio {
		return c.copy(ctx, x)
	}
	r, err := c.session.ExecStatement(ctx, stmt, text)
	if err != nil {
		return "", err
	}
	c.notices(r.Notices)
	if r.Rows == nil {
		return r.Tag, nil
	}
	defer r.Rows.Close()
	c.out.send(rowDescription(resultColumns(r.Rows.Columns(), r.Rows.Live()), nil))
	n, _, err := newCursor(r.Rows, c.session.Zone(), nil).send(ctx, &c.out, 0)
	return tagOf(r, n), err
}

func (c *conn) complete(tag string) {
	c.out.send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// tagOf is the command tag of an answer of n rows.
func tagOf(r streamsql.Result, n int64) string {
	switch r.Tag {
	case "SELECT", "FETCH", "SUBSCRIBE":
		return r.Tag + " " + strconv.FormatInt(n, 10)
	}
	return r.Tag
}
