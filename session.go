package streamsql

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// Session has settings of its own (SET). It is safe for concurrent use; statements of one session run one after another.
type Session struct {
	db *DB

	run      sync.Mutex
	plans    plans
	mu       sync.Mutex
	settings planner.Settings
	set      map[string]string // as SHOW prints them
	tx       *transaction      // changed under run and mu; nil: none
	ran      map[string]int    // how often ExecOnce was asked for a statement
	doing    string            // the statement that ExecOnce runs; empty: none
	client   Client
	does     activity // guarded by mu

	copied     *state.Snapshot      // the rows of COPY FROM, guarded by run
	statements map[string]*Prepared // by name, guarded by mu
	cursors    map[string]*cursor   // guarded by run
}

// NewSession returns a session with the default settings.
func (db *DB) NewSession() *Session { return &Session{db: db, set: map[string]string{}} }

// Notice is what a statement has to say beside its result.
type Notice struct {
	Msg, Hint string
	Warning   types.Code // the SQLSTATE, if it is a warning: what was asked for had no effect
}

// Result is the outcome of one statement.
type Result struct {
	Tag     string // as PostgreSQL's command tag: CREATE SOURCE, SELECT ...
	Rows    *Rows  // of statements that return rows; must be closed
	Notices []Notice
}

// Exec runs the statements in text one after another in the default session; see Session.Exec.
func (db *DB) Exec(ctx context.Context, text string, args ...any) ([]Result, error) {
	return db.session.Exec(ctx, text, args...)
}

// Query runs one statement that returns rows in the default session; see Session.Query.
func (db *DB) Query(ctx context.Context, text string, args ...any) (*Rows, error) {
	return db.session.Query(ctx, text, args...)
}

// Exec runs the statements in text one after another and stops at the first error, which is a *types.Error with its place in text
// (sql.Render draws it). args are the values of $1, $2 and so on. The Rows of results must be closed.
func (s *Session) Exec(ctx context.Context, text string, args ...any) ([]Result, error) {
	stmts, err := s.Parse(text)
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, stmt := range stmts {
		r, err := s.ExecStatement(ctx, stmt, text, args...)
		if err != nil {
			for _, r := range results {
				if r.Rows != nil {
					r.Rows.Close()
				}
			}
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// Query runs one statement that returns rows. Of a query over inputs that go on, the rows are changes and do not end by themselves.
func (s *Session) Query(ctx context.Context, text string, args ...any) (*Rows, error) {
	stmts, err := s.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, types.Errorf(types.CodeSyntax, "found %d statements, wanted one", len(stmts))
	}
	r, err := s.ExecStatement(ctx, stmts[0], text, args...)
	if err != nil {
		return nil, err
	}
	if r.Rows == nil {
		return nil, types.Errorf(types.CodeSyntax, "%s returns no rows", r.Tag).At(stmts[0].Span())
	}
	return r.Rows, nil
}

func (s *Session) setting(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set[name]
}

// zone is the session's time zone.
func (s *Session) zone() *time.Location {
	s.mu.Lock()
	defer s.mu.Unlock()
	if z, err := types.ParseZone(s.settings.TimeZone); err == nil && s.settings.TimeZone != "" {
		return z
	}
	return time.UTC
}

// planner returns a planner over the catalog as it is now.
func (s *Session) planner(args []any) (*planner.Planner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &planner.Planner{Catalog: s.db.Catalog(), Registry: s.db.registry, Settings: s.settings, Connectors: s.db.connectors,
		SearchPath: parsePath(s.set["search_path"]), SessionValue: s.sessionValue}
	for i, a := range args {
		param, err := paramOf(a)
		if err != nil {
			return nil, fmt.Errorf("argument $%d: %w", i+1, err)
		}
		p.Params = append(p.Params, param)
	}
	return p, nil
}

// parsePath reads the value of search_path; nil: the default. "$user" names no schema here.
func parsePath(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	path := []string{}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if len(part) >= 2 && part[0] == '"' && part[len(part)-1] == '"' {
			part = part[1 : len(part)-1]
		}
		if part != "" && part != "$user" {
			path = append(path, part)
		}
	}
	return path
}

// searchPath is the session's schemas for names without one.
func (s *Session) searchPath() []string {
	if path := parsePath(s.setting("search_path")); path != nil {
		return path
	}
	return []string{"public"}
}

// Catalog returns the objects as they are now.
func (db *DB) Catalog() *planner.Catalog {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.catalog
}

// paramOf turns a Go value into a parameter. A string is untyped, as a quoted literal is.
func paramOf(a any) (planner.Param, error) {
	switch v := a.(type) {
	case nil:
		return planner.Param{T: types.UnknownType}, nil
	case bool:
		return planner.Param{T: types.BoolType, Value: v}, nil
	case int:
		return planner.Param{T: types.Int8Type, Value: int64(v)}, nil
	case int32:
		return planner.Param{T: types.Int4Type, Value: int64(v)}, nil
	case int64:
		return planner.Param{T: types.Int8Type, Value: v}, nil
	case float64:
		return planner.Param{T: types.Float8Type, Value: v}, nil
	case string:
		return planner.Param{T: types.UnknownType, Value: v}, nil
	case []byte:
		return planner.Param{T: types.ByteaType, Value: v}, nil
	case time.Time:
		return planner.Param{T: types.TimestampTZType, Value: v.UnixMicro()}, nil
	case Arg:
		return planner.Param{T: v.Type, Value: v.Value}, nil
	}
	return planner.Param{}, types.Errorf(types.CodeDatatypeMismatch, "a Go %T cannot be a parameter", a)
}

// sessionSettings are the settings beside those of planner.Settings, with what they accept.
var sessionSettings = []types.OptionSpec{
	{Name: "dialect", Kind: types.OptEnum, Enum: []string{"native", "mysql"}, Default: "native", Doc: "the dialect in which queries are written"},
	{Name: "trigger", Default: "0", Doc: "the least time from one epoch's begin to the next's, such as '1 second'; 'available_now' is the command's --until-idle"},
	{Name: "search_path", Default: "public", Doc: "schemas where names without one are looked for, separated by commas; objects are made in the first"},
}

// setTo changes a setting; an empty value or "default" goes back to the default.
func (s *Session) setTo(ctx context.Context, name, value string) error {
	name = strings.ToLower(name)
	reset := value == "" || strings.EqualFold(value, "default")
	if spec := clientSettingOf(name); spec != nil {
		if !reset {
			var err error
			if value, err = spec.accept(value); err != nil {
				return err
			}
		}
		s.keep(name, value, reset)
		return nil
	}
	for _, spec := range sessionSettings {
		if spec.Name != name {
			continue
		}
		if !reset {
			if _, err := types.ParseOptions("SET", sessionSettings, map[string]string{name: value}); err != nil {
				return err
			}
		}
		if name == "trigger" {
			if err := s.setTrigger(ctx, value); err != nil {
				return err
			}
		}
		s.keep(name, value, reset)
		return nil
	}
	s.mu.Lock()
	err := s.settings.Set(name, value)
	s.mu.Unlock()
	if types.CodeOf(err) == types.CodeUndefinedObject {
		names := []string{"timezone"}
		for _, o := range append(planner.QueryOptions(), sessionSettings...) {
			names = append(names, o.Name)
		}
		for _, o := range clientSettings {
			names = append(names, o.name)
		}
		for _, o := range inertSettings {
			names = append(names, o.name)
		}
		e := types.Errorf(types.CodeUndefinedObject, "unrecognized configuration parameter %q", name)
		if near := types.Nearest(name, names); near != "" {
			e = e.WithHint("did you mean %q?", near)
		}
		return e
	}
	if err == nil {
		s.keep(name, value, reset)
	}
	return err
}

func (s *Session) keep(name, value string, reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reset {
		delete(s.set, name)
		return
	}
	s.set[name] = value
}

func (s *Session) setTrigger(ctx context.Context, value string) error {
	d, err := s.triggerOf(value)
	if err != nil {
		return err
	}
	return s.db.engine.SetTrigger(ctx, d)
}

func (s *Session) triggerOf(value string) (time.Duration, error) {
	if value == "" || strings.EqualFold(value, "default") {
		return s.db.opts.Trigger, nil
	}
	d, ok := types.ParseDuration(value)
	if !ok {
		return 0, types.Errorf(types.CodeInvalidParameter, "trigger is %q, wanted a duration such as '1 second'", value)
	}
	return d, nil
}
