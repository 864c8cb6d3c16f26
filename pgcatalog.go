package streamsql

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// The relations of pg_catalog and information_schema are computed when they are read: a function per relation gives its rows, by column; what it
// leaves out is NULL, or the zero value of a column that cannot be.

// systemRow is one row by column names. Integers are int or int64.
type systemRow = map[string]any

// systemView is what the rows are computed from.
type systemView struct {
	session *Session
	db      *DB
	catalog *planner.Catalog
	client  Client
	objects []*systemObject

	procedures map[int64]systemRow // made when needed
}

// Ids that PostgreSQL has given for ever, and those that are made of ours.
const (
	oidSuperuser    = 10
	oidPgCatalog    = 11
	oidPublic       = 2200
	oidInformation  = 13000
	oidStreamsql    = 13001
	oidDatabase     = 5
	oidTablespace   = 1663
	oidHeap         = 2
	oidBtree        = 403
	oidCollation    = 100
	oidForeign      = 13010 // the server of all sources and sinks
	oidWrapper      = 13011
	oidFirstSystem  = 12000
	oidFirstUser    = 16384
	oidIndexes      = 1 << 28
	oidConstraints  = 2 << 28
	oidDefaults     = 3 << 28
	oidPerRelation  = 1 << 6 // defaults and checks are numbered inside of their relation
	classRelation   = 1259
	classConstraint = 2606
)

// relationOIDs are those of PostgreSQL's own relations that clients know by number.
var relationOIDs = map[string]int64{
	"pg_catalog.pg_class": classRelation, "pg_catalog.pg_type": 1247, "pg_catalog.pg_attribute": 1249, "pg_catalog.pg_proc": 1255,
	"pg_catalog.pg_namespace": 2615, "pg_catalog.pg_constraint": classConstraint, "pg_catalog.pg_index": 2610, "pg_catalog.pg_attrdef": 2604,
	"pg_catalog.pg_database": 1262, "pg_catalog.pg_am": 2601, "pg_catalog.pg_description": 2609, "pg_catalog.pg_operator": 2617,
	"pg_catalog.pg_language": 2612, "pg_catalog.pg_collation": 3456, "pg_catalog.pg_tablespace": 1213,
}

func relationOID(o *planner.Object) int64 {
	if oid, ok := relationOIDs[o.Name]; ok {
		return oid
	}
	if o.ID < planner.FirstUserID {
		return oidFirstSystem + int64(o.ID)
	}
	return oidFirstUser + int64(o.ID-planner.FirstUserID)
}

// systemObject is a relation as PostgreSQL would see it.
type systemObject struct {
	*planner.Object
	oid      int64
	schema   string
	relation string // its name without the schema
	kind     string // pg_class.relkind
	columns  types.Schema
}

// relKind is PostgreSQL's kind of a relation: r table, v view, m materialized view, f foreign table.
func relKind(o *planner.Object) string {
	switch o.Kind {
	case planner.KindView:
		return "v"
	case planner.KindMaterializedView:
		return "m"
	case planner.KindSource, planner.KindSink:
		return "f"
	case planner.KindTable:
		if o.Table == nil {
			return "f"
		}
		return "r"
	}
	if o.ID.IsVirtual() && !strings.HasPrefix(o.Name, "information_schema.") && !slices.Contains(catalogViews, o.Name) {
		return "r"
	}
	return "v"
}

// catalogViews are the relations of pg_catalog that are views in PostgreSQL.
var catalogViews = []string{"pg_catalog.pg_roles", "pg_catalog.pg_user", "pg_catalog.pg_group", "pg_catalog.pg_settings", "pg_catalog.pg_tables",
	"pg_catalog.pg_views", "pg_catalog.pg_matviews", "pg_catalog.pg_indexes", "pg_catalog.pg_stat_activity", "pg_catalog.pg_prepared_statements",
	"pg_catalog.pg_cursors", "pg_catalog.pg_locks", "pg_catalog.pg_sequences", "pg_catalog.pg_publication_tables", "pg_catalog.pg_stat_user_tables",
	"pg_catalog.pg_stat_database", "pg_catalog.pg_timezone_names", "pg_catalog.pg_available_extensions"}

func newSystemObject(o *planner.Object) *systemObject {
	x := &systemObject{Object: o, oid: relationOID(o), schema: "public", relation: o.Name, kind: relKind(o), columns: o.Schema()}
	if schema, name, ok := strings.Cut(o.Name, "."); ok {
		x.schema, x.relation = schema, name
	}
	return x
}

func (s *Session) systemView(c *planner.Catalog) *systemView {
	v := &systemView{session: s, db: s.db, catalog: c, client: s.Client()}
	for _, o := range append(planner.VirtualRelations(), c.Objects()...) {
		v.objects = append(v.objects, newSystemObject(o))
	}
	return v
}

// user returns the relations that are not part of the system.
func (v *systemView) user() []*systemObject {
	return slices.DeleteFunc(slices.Clone(v.objects), func(o *systemObject) bool { return o.Kind == planner.KindSystem })
}

func (v *systemView) byOID(oid int64) *systemObject {
	for _, o := range v.objects {
		if o.oid == oid {
			return o
		}
	}
	return nil
}

// byName finds a relation by a name that may have a schema and quotes, as a regclass is written.
func (v *systemView) byName(name string) *systemObject {
	schema, relation := splitName(name)
	for _, wanted := range []string{schema, "pg_catalog"} {
		if schema == "" && wanted == "" {
			wanted = "public"
		}
		for _, o := range v.objects {
			if o.relation == relation && o.schema == wanted {
				return o
			}
		}
		if schema != "" {
			break
		}
	}
	return nil
}

// splitName cuts a name into schema and relation; what is not quoted is folded to lower case.
func splitName(text string) (schema, name string) {
	var parts []string
	var part strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			part.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			parts = append(parts, part.String())
			part.Reset()
		case !quoted && c >= 'A' && c <= 'Z':
			part.WriteByte(c + 'a' - 'A')
		case !quoted && (c == ' ' || c == '\t'):
		default:
			part.WriteByte(c)
		}
	}
	if len(parts) == 0 {
		return "", part.String()
	}
	return parts[len(parts)-1], part.String()
}

func (v *systemView) schemaOID(name string) int64 {
	for i, s := range v.schemas() {
		if s == name {
			return schemaOID(i, s)
		}
	}
	return 0
}

// schemas are the names of all schemas.
func (v *systemView) schemas() []string {
	list := append([]string{"pg_catalog", "information_schema", "streamsql"}, v.catalog.Schemas()...)
	for _, o := range v.objects {
		if !slices.Contains(list, o.schema) {
			list = append(list, o.schema)
		}
	}
	return list
}

func schemaOID(i int, name string) int64 {
	switch name {
	case "pg_catalog":
		return oidPgCatalog
	case "information_schema":
		return oidInformation
	case "public":
		return oidPublic
	case "streamsql":
		return oidStreamsql
	}
	return oidStreamsql + 1000 + int64(i)
}

// systemSnapshots gives the relations among ids that are not the engine's: those of pg_catalog and information_schema, and what COPY FROM
// brought. It returns the other ids.
func (s *Session) systemSnapshots(ids []planner.ObjectID) (rest []planner.ObjectID, views map[planner.ObjectID]*state.Snapshot, err error) {
	views = map[planner.ObjectID]*state.Snapshot{}
	for _, id := range ids {
		if id == planner.CopiedID {
			views[id] = s.copied
			continue
		}
		if !id.IsVirtual() {
			rest = append(rest, id)
			continue
		}
		if views[id], err = s.systemSnapshot(s.db.Catalog(), id); err != nil {
			return nil, nil, err
		}
	}
	return rest, views, nil
}

// systemSnapshot computes a relation.
func (s *Session) systemSnapshot(c *planner.Catalog, id planner.ObjectID) (*state.Snapshot, error) {
	o := c.Object(id)
	var rows []systemRow
	if f := systemRows[o.Name]; f != nil {
		rows = f(s.systemView(c))
	}
	b := &changelog.Batch{N: len(rows)}
	for _, f := range o.System.Schema {
		col := types.NewBuilder(f.Type)
		for _, row := range rows {
			value := systemValue(f, row[f.Name])
			if err := types.AppendValue(col, f.Type, value); err != nil {
				return nil, types.Errorf(types.CodeInternal, "%s.%s: %v", o.Name, f.Name, err)
			}
		}
		b.Cols = append(b.Cols, col.NewArray())
	}
	view := state.NewView(0, o.Name, o.System.Schema, nil)
	if err := view.Update(b); err != nil {
		return nil, err
	}
	return view.Pin(), nil
}

// systemValue brings a value into the form of its type.
func systemValue(f types.Field, v any) any {
	switch x := v.(type) {
	case nil:
		if f.NotNull {
			return zeroValue(f.Type)
		}
	case int:
		if f.Type.Kind == types.Float4 || f.Type.Kind == types.Float8 {
			return float64(x)
		}
		return int64(x)
	case []string:
		list := make([]any, len(x))
		for i, e := range x {
			list[i] = e
		}
		return list
	case []int64:
		list := make([]any, len(x))
		for i, e := range x {
			list[i] = e
		}
		return list
	}
	return v
}

func zeroValue(t types.Type) any {
	switch t.Kind {
	case types.Bool:
		return false
	case types.Text:
		return ""
	case types.Float4, types.Float8:
		return 0.0
	case types.Array:
		return []any{}
	case types.Interval:
		return types.IntervalValue{}
	}
	return int64(0)
}
