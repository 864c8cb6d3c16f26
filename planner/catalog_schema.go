package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// The catalog names objects of the schema public by their own names alone, all others with their schema before it and a point between, as
// the system relations are. A name in public that has a point in it stands in quotes.

// CatalogName is the name under which the catalog keeps an object of a schema.
func CatalogName(schema, name string) string {
	switch {
	case schema != publicSchema:
		return schema + "." + name
	case strings.Contains(name, "."):
		return `"` + name + `"`
	}
	return name
}

// SplitName takes a catalog name apart.
func SplitName(full string) (schema, name string) {
	if len(full) > 2 && full[0] == '"' && full[len(full)-1] == '"' {
		return publicSchema, full[1 : len(full)-1]
	}
	if schema, name, ok := strings.Cut(full, "."); ok {
		return schema, name
	}
	return publicSchema, full
}

// bareName is a catalog name without its schema.
func bareName(full string) string {
	_, name := SplitName(full)
	return name
}

// systemSchemas hold what is built in.
var systemSchemas = []string{"information_schema", "pg_catalog", "streamsql"}

// Schemas returns the schemas that users have made, and public, sorted.
func (c *Catalog) Schemas() []string {
	list := append([]string{publicSchema}, c.schemas...)
	slices.Sort(list)
	return list
}

// HasSchema reports whether there is a schema of that name, the system's included.
func (c *Catalog) HasSchema(name string) bool {
	return name == publicSchema || slices.Contains(c.schemas, name) || slices.Contains(systemSchemas, name)
}

// WithSchema returns the catalog with one schema more.
func (c *Catalog) WithSchema(name string) *Catalog {
	n := c.clone()
	n.schemas = append(slices.Clone(n.schemas), name)
	return n
}

// inSchema returns the objects of a schema.
func (c *Catalog) inSchema(schema string) []*Object {
	return slices.DeleteFunc(c.Objects(), func(o *Object) bool {
		s, _ := SplitName(o.Name)
		return s != schema
	})
}

// codeDuplicateSchema is PostgreSQL's SQLSTATE of a schema that is there.
const codeDuplicateSchema types.Code = "42P06"

// PlanCreateSchema makes a schema.
//
// Errors: 42P06 if it is there; CodeInsufficientRights for names of the system's.
func (p *Planner) PlanCreateSchema(stmt *sql.CreateSchema) (*Catalog, []Notice, error) {
	name := stmt.Name.Last().Name
	switch {
	case len(stmt.Name.Parts) > 1 || strings.Contains(name, ".") || strings.Contains(name, `"`):
		return nil, nil, types.NotSupported(stmt.Name.Span(), "a schema name with a point or a quote in it")
	case slices.Contains(systemSchemas, name) || strings.HasPrefix(name, "pg_"):
		return nil, nil, types.Errorf(types.CodeInsufficientRights, "the schema name %q is the system's", name).At(stmt.Name.Span())
	case !p.Catalog.HasSchema(name):
		return p.Catalog.WithSchema(name), nil, nil
	case stmt.IfNotExists:
		return p.Catalog, []Notice{{Msg: types.Errorf("", "schema %q already exists, skipping", name).Msg, Span: stmt.Name.Span()}}, nil
	}
	return nil, nil, types.Errorf(codeDuplicateSchema, "schema %q already exists", name).At(stmt.Name.Span())
}

// dropSchemas removes schemas; with CASCADE what is in them, and what depends on that.
func (p *Planner) dropSchemas(stmt *sql.Drop) (*Dropped, error) {
	out := &Dropped{Catalog: p.Catalog}
	for _, n := range stmt.Names {
		name := n.String()
		switch {
		case slices.Contains(systemSchemas, name) || name == publicSchema:
			return nil, types.Errorf(types.CodeInsufficientRights, "cannot drop schema %q", name).At(n.Span())
		case !out.Catalog.HasSchema(name) && stmt.IfExists:
			out.Notices = append(out.Notices, Notice{Msg: types.Errorf("", "schema %q does not exist, skipping", name).Msg, Span: n.Span()})
			continue
		case !out.Catalog.HasSchema(name):
			return nil, types.Errorf(codeUndefinedSchema, "schema %q does not exist", name).At(n.Span())
		}
		inside := out.Catalog.inSchema(name)
		if len(inside) > 0 && stmt.Behavior != sql.DropCascade {
			return nil, types.Errorf(types.CodeDependentObjects, "cannot drop schema %q because other objects depend on it", name).At(n.Span()).
				WithHint("%s %q is in it: drop it first, or use DROP SCHEMA ... CASCADE", inside[0].Kind, inside[0].Name)
		}
		for _, o := range inside {
			if out.Catalog.Object(o.ID) == nil {
				continue
			}
			cat, dropped, err := out.Catalog.Drop(o.ID, true)
			if err != nil {
				return nil, at(err, n.Span())
			}
			out.Catalog, out.Objects = cat, append(out.Objects, dropped...)
		}
		cat := out.Catalog.clone()
		cat.schemas = slices.DeleteFunc(slices.Clone(cat.schemas), func(s string) bool { return s == name })
		out.Catalog = cat
	}
	return out, nil
}

// searchPath is where names without a schema are looked for, and the first of it where they are made.
func (p *Planner) searchPath() []string {
	if p.SearchPath == nil {
		return []string{publicSchema}
	}
	return p.SearchPath
}

// Find finds an object by its name: with a schema there, else along the search path.
//
// Errors: CodeUndefinedTable with the nearest name.
func (p *Planner) Find(name *sql.Name) (*Object, error) { return p.find(p.Catalog, name) }

func (p *Planner) find(c *Catalog, name *sql.Name) (*Object, error) {
	last := name.Last().Name
	if q := name.Qualifier(); len(q) > 0 {
		if o := c.Lookup(CatalogName(q[len(q)-1].Name, last)); o != nil {
			return o, nil
		}
	} else {
		for _, schema := range append(slices.Clone(p.searchPath()), "pg_catalog") {
			if o := c.Lookup(CatalogName(schema, last)); o != nil {
				return o, nil
			}
		}
	}
	err := types.Errorf(types.CodeUndefinedTable, "relation %q does not exist", name).At(name.Span())
	if n := types.Nearest(name.String(), c.Names()); n != "" {
		return nil, err.WithHint("did you mean %q?", n)
	}
	return nil, err
}

// NewName is the catalog name that an object made under a name gets.
//
// Errors: 3F000 for a schema that does not exist; CodeInsufficientRights for the system's.
func (p *Planner) NewName(name *sql.Name) (string, error) {
	last := name.Last().Name
	q := name.Qualifier()
	if len(q) == 0 {
		for _, schema := range p.searchPath() {
			if p.Catalog.HasSchema(schema) && !slices.Contains(systemSchemas, schema) {
				return CatalogName(schema, last), nil
			}
		}
		return "", types.Errorf(codeUndefinedSchema, "no schema has been selected to create in").At(name.Span())
	}
	schema := q[len(q)-1].Name
	switch {
	case slices.Contains(systemSchemas, schema):
		return "", types.Errorf(types.CodeInsufficientRights, "the schema %q is for system relations", schema).At(name.Span())
	case !p.Catalog.HasSchema(schema):
		return "", types.Errorf(codeUndefinedSchema, "schema %q does not exist", schema).At(q[len(q)-1].Span())
	}
	return CatalogName(schema, last), nil
}
