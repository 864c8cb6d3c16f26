package pgwire

import (
	"context"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// SQLSTATEs of portals.
const (
	codeNoPortal        types.Code = "34000"
	codeDuplicateCursor types.Code = "42P03"
)

// extended is the state of the extended protocol.
type extended struct {
	failed bool // an error happened, and Sync has not come yet
	// declared are the ids of parameters' types as clients gave them with Parse, by the statement's name: they are told the same ones.
	declared map[string][]uint32
	together bool // a transaction was begun for the statements up to Sync
	portals  map[string]*portal
}

// portal is a statement with the values of its parameters. It runs when it is executed first, and may be executed again for more rows.
type portal struct {
	prepared *streamsql.Prepared
	args     []any
	formats  []int16 // of the columns
	begun    bool
	result   streamsql.Result
	cursor   *cursor
	sent     int64
	done     bool
}

func (p *portal) close() {
	if p.result.Rows != nil {
		p.result.Rows.Close()
	}
}

func (c *conn) closePortal(name string) {
	if p := c.extended.portals[name]; p != nil {
		p.close()
		delete(c.extended.portals, name)
	}
}

func (c *conn) closePortals() {
	for name := range c.extended.portals {
		c.closePortal(name)
	}
}

// endPortals closes the portals at the end of a transaction.
func (c *conn) endPortals() {
	if c.session.Status() == 'I' {
		c.closePortals()
	}
}

// extendedMessage serves a message of the extended protocol; an error ends the connection.
func (c *conn) extendedMessage(kind byte, body []byte) error {
	switch kind {
	case 'S':
		c.endPipeline()
		c.extended.failed = false
		c.endPortals()
		c.ready()
		return nil
	case 'H':
		return c.out.flush()
	}
	var m pgproto3.FrontendMessage
	switch kind {
	case 'P':
		m = &pgproto3.Parse{}
	case 'B':
		m = &pgproto3.Bind{}
	case 'D':
		m = &pgproto3.Describe{}
	case 'E':
		m = &pgproto3.Execute{}
	case 'C':
		m = &pgproto3.Close{}
	default:
		return types.Errorf(codeProtocol, "invalid frontend message type %d", kind)
	}
	if err := m.Decode(body); err != nil {
		return badMessage(err)
	}
	ctx, done := c.begin()
	defer done()
	var err error
	var text string // that the error's place refers to
	switch m := m.(type) {
	case *pgproto3.Parse:
		text, err = m.Query, c.parse(ctx, m)
	case *pgproto3.Bind:
		err = c.bind(m)
	case *pgproto3.Describe:
		err = c.describe(m)
	case *pgproto3.Execute:
		text, err = c.execute(ctx, m)
	case *pgproto3.Close:
		c.closeObject(m)
	}
	if c.out.err != nil {
		return c.out.err
	}
	if err != nil {
		c.extended.failed = true
		c.fail(statementError(ctx, err), text)
	}
	return nil
}

func (c *conn) parse(ctx context.Context, m *pgproto3.Parse) error {
	declared := make([]types.Type, len(m.ParameterOIDs))
	for i, oid := range m.ParameterOIDs {
		t, ok := typeOf(oid)
		if !ok {
			return types.Errorf(types.CodeUndefinedObject, "type with OID %d does not exist", oid)
		}
		declared[i] = t
	}
	if _, err := c.session.PrepareNamed(ctx, m.Name, m.Query, declared...); err != nil {
		return err
	}
	if c.extended.declared == nil {
		c.extended.declared = map[string][]uint32{}
	}
	delete(c.extended.declared, m.Name)
	if len(m.ParameterOIDs) > 0 {
		c.extended.declared[m.Name] = m.ParameterOIDs
	}
	c.out.send(&pgproto3.ParseComplete{})
	return nil
}

func (c *conn) bind(m *pgproto3.Bind) error {
	p, err := c.session.Prepared(m.PreparedStatement)
	if err != nil {
		return err
	}
	if m.DestinationPortal != "" && c.extended.portals[m.DestinationPortal] != nil {
		return types.Errorf(codeDuplicateCursor, "cursor %q already exists", m.DestinationPortal)
	}
	params := p.Params()
	if n := len(m.ParameterFormatCodes); n > 1 && n != len(m.Parameters) {
		return types.Errorf(codeProtocol, "bind message has %d parameter formats but %d parameters", n, len(m.Parameters))
	}
	if len(m.Parameters) != len(params) {
		return types.Errorf(codeProtocol, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(m.Parameters), m.PreparedStatement, len(params))
	}
	columns := resultColumns(p.Columns(), p.Live())
	if n := len(m.ResultFormatCodes); n > 1 && n != len(columns) {
		return types.Errorf(codeProtocol, "bind message has %d result formats but query has %d columns", n, len(columns))
	}
	for _, f := range append(m.ParameterFormatCodes[:len(m.ParameterFormatCodes):len(m.ParameterFormatCodes)], m.ResultFormatCodes...) {
		if f != 0 && f != 1 {
			return types.Errorf(types.CodeInvalidParameter, "unsupported format code: %d", f)
		}
	}
	args := make([]any, len(params))
	for i, value := range m.Parameters {
		a := streamsql.Arg{Type: params[i]}
		if value != nil {
			if formatOf(m.ParameterFormatCodes, i) == 1 {
				a.Value, err = decodeBinary(params[i], value)
			} else {
				a.Value, err = decodeText(params[i], value, c.session.Zone())
			}
			if err != nil {
				e := types.AsError(err)
				if e.Detail == "" {
					e = e.WithDetail("parameter $%d", i+1)
				}
				return e
			}
		}
		args[i] = a
	}
	c.closePortal(m.DestinationPortal)
	if c.extended.portals == nil {
		c.extended.portals = map[string]*portal{}
	}
	c.extended.portals[m.DestinationPortal] = &portal{prepared: p, args: args, formats: m.ResultFormatCodes}
	c.out.send(&pgproto3.BindComplete{})
	return nil
}

func (c *conn) portal(name string) (*portal, error) {
	if p := c.extended.portals[name]; p != nil {
		return p, nil
	}
	return nil, types.Errorf(codeNoPortal, "portal %q does not exist", name)
}

func (c *conn) describe(m *pgproto3.Describe) error {
	var p *streamsql.Prepared
	var formats []int16
	switch m.ObjectType {
	case 'S':
		var err error
		if p, err = c.session.Prepared(m.Name); err != nil {
			return err
		}
		d := &pgproto3.ParameterDescription{ParameterOIDs: make([]uint32, len(p.Params()))}
		declared := c.extended.declared[m.Name]
		for i, t := range p.Params() {
			d.ParameterOIDs[i] = describe(t).oid
			if i < len(declared) && declared[i] != 0 && declared[i] != oidUnknown {
				d.ParameterOIDs[i] = declared[i]
			}
		}
		c.out.send(d)
	case 'P':
		x, err := c.portal(m.Name)
		if err != nil {
			return err
		}
		p, formats = x.prepared, x.formats
	default:
		return types.Errorf(codeProtocol, "invalid DESCRIBE message subtype %d", m.ObjectType)
	}
	if p.Columns() == nil {
		c.out.send(&pgproto3.NoData{})
		return nil
	}
	c.out.send(rowDescription(resultColumns(p.Columns(), p.Live()), formats))
	return nil
}

// execute runs a portal, or gives more of its rows.
func (c *conn) execute(ctx context.Context, m *pgproto3.Execute) (text string, err error) {
	p, err := c.portal(m.Portal)
	if err != nil {
		return "", err
	}
	text = p.prepared.Text()
	c.session.Active(text)
	stmt := p.prepared.Statement()
	if stmt == nil {
		c.out.send(&pgproto3.EmptyQueryResponse{})
		return text, nil
	}
	ctx, timeout := c.timeout(ctx)
	defer timeout()
	defer func() {
		if err != nil {
			err = ofStatement(ctx, err, stmt)
		}
	}()
	if !p.begun {
		if err := c.pipeline(ctx, stmt); err != nil {
			return text, err
		}
		if x, ok := stmt.(*sql.Copy); ok && x.Stdio {
			p.begun, p.done = true, true
			if p.result.Tag, err = c.copy(ctx, x); err != nil {
				return text, err
			}
			c.complete(p.result.Tag)
			return text, nil
		}
		run := ctx
		if p.prepared.Live() { // it goes on behind this message
			run = context.WithoutCancel(ctx)
		}
		if p.result, err = p.prepared.Exec(run, p.args...); err != nil {
			return text, err
		}
		p.begun = true
		c.notices(p.result.Notices)
		if p.result.Rows != nil {
			p.cursor = newCursor(p.result.Rows, c.session.Zone(), p.formats)
		}
	}
	if p.cursor == nil || p.done {
		tag := p.result.Tag
		if p.cursor != nil {
			tag = tagOf(p.result, 0)
		}
		c.complete(tag)
		return text, nil
	}
	n, more, err := p.cursor.send(ctx, &c.out, int64(m.MaxRows))
	p.sent += n
	if err != nil {
		return text, err
	}
	if more {
		c.out.send(&pgproto3.PortalSuspended{})
		return text, nil
	}
	p.done = true
	p.close()
	c.complete(tagOf(p.result, n))
	return text, nil
}

// pipeline makes the statements between two Syncs one transaction, as PostgreSQL has it: it begins with the first one that changes tables
// (unless Sync comes right behind, when nothing is gained), and ends before one that cannot be in it.
func (c *conn) pipeline(ctx context.Context, stmt sql.Statement) error {
	writes := c.session.Writes(stmt)
	switch {
	case c.session.Status() == 'I' && writes && c.in.next() != 'S':
		if err := c.session.Begin(ctx); err != nil {
			return err
		}
		c.extended.together = true
	case c.extended.together && !writes:
		if _, query := stmt.(*sql.QueryStmt); !query {
			c.extended.together = false
			return c.session.Commit(ctx)
		}
	}
	return nil
}

// endPipeline ends the transaction of pipeline.
func (c *conn) endPipeline() {
	if !c.extended.together {
		return
	}
	c.extended.together = false
	ctx, done := c.begin()
	defer done()
	if c.extended.failed {
		_ = c.session.Rollback(ctx) // it cannot fail
		return
	}
	if err := c.session.Commit(ctx); err != nil {
		c.fail(statementError(ctx, err), "")
	}
}

func (c *conn) closeObject(m *pgproto3.Close) {
	switch m.ObjectType {
	case 'S':
		c.session.Deallocate(m.Name)
		delete(c.extended.declared, m.Name)
	case 'P':
		c.closePortal(m.Name)
	}
	c.out.send(&pgproto3.CloseComplete{})
}
