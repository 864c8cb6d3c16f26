package streamsql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// systemOwner is the role that owns everything.
const systemOwner = "streamsql"

// systemNow returns what functions of pg_catalog look at: the catalog as it is, with no session.
func (db *DB) systemNow() *systemView {
	catalog := db.Catalog()
	db.systemMu.Lock()
	defer db.systemMu.Unlock()
	if db.system == nil || db.system.catalog != catalog {
		v := &systemView{db: db, catalog: catalog}
		for _, o := range append(planner.VirtualRelations(), catalog.Objects()...) {
			v.objects = append(v.objects, newSystemObject(o))
		}
		db.system = v
	}
	return db.system
}

// systemFunctions are the functions of pg_catalog that look at the catalog of a database, and others that only clients of PostgreSQL call.
func systemFunctions(db *DB) []*expr.Scalar {
	var list []*expr.Scalar
	oid, text, boolean, num := types.Int8Type, types.TextType, types.BoolType, types.Int4Type
	add := func(name, doc string, result types.Type, f func(a []any) (any, error), args ...types.Type) {
		list = append(list, &expr.Scalar{Name: name, Args: args, Result: result, Volatile: true, CalledOnNull: true, Doc: doc, Row: f})
	}
	// strict calls f with arguments that are not NULL.
	strict := func(f func(a []any) any) func(a []any) (any, error) {
		return func(a []any) (any, error) {
			for _, v := range a {
				if v == nil {
					return nil, nil
				}
			}
			return f(a), nil
		}
	}
	null := func([]any) (any, error) { return nil, nil }
	constant := func(v any) func([]any) (any, error) { return func([]any) (any, error) { return v, nil } }

	add("format_type", "the name of a type", text, func(a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		mod := int64(-1)
		if a[1] != nil {
			mod = a[1].(int64)
		}
		return formatType(a[0].(int64), mod), nil
	}, oid, num)
	add("pg_table_is_visible", "whether a relation is found without its schema", boolean, strict(func(a []any) any {
		v := db.systemNow()
		for _, x := range v.indexes() {
			if x.oid == a[0].(int64) {
				return x.on.schema == "public"
			}
		}
		o := v.byOID(a[0].(int64))
		if o == nil {
			return nil
		}
		return o.schema == "public" || o.schema == "pg_catalog"
	}), oid)
	for _, name := range []string{"pg_type_is_visible", "pg_function_is_visible", "pg_operator_is_visible", "pg_collation_is_visible", "pg_opclass_is_visible",
		"pg_opfamily_is_visible", "pg_conversion_is_visible", "pg_statistics_obj_is_visible", "pg_ts_config_is_visible"} {
		add(name, "whether an object is found without its schema", boolean, strict(func([]any) any { return true }), oid)
	}
	add("pg_get_userbyid", "the name of a role", text, strict(func(a []any) any {
		if a[0].(int64) == oidSuperuser {
			return systemOwner
		}
		return fmt.Sprintf("unknown (OID=%d)", a[0])
	}), oid)
	for _, args := range [][]types.Type{{oid}, {oid, text}} {
		add("obj_description", "the comment on an object: there are none", text, null, args...)
	}
	add("shobj_description", "the comment on a shared object: there are none", text, null, oid, text)
	add("col_description", "the comment on a column: there are none", text, null, oid, num)
	for _, args := range [][]types.Type{{text, oid}, {text, oid, boolean}} {
		add("pg_get_expr", "the text of a stored expression", text, strict(func(a []any) any { return a[0] }), args...)
	}
	viewdef := strict(func(a []any) any {
		o := db.systemNow().byArg(a[0])
		if o == nil {
			return nil
		}
		return o.definition()
	})
	for _, args := range [][]types.Type{{oid}, {oid, boolean}, {oid, num}, {text}, {text, boolean}} {
		add("pg_get_viewdef", "the query of a view", text, viewdef, args...)
	}
	indexdef := strict(func(a []any) any {
		for _, x := range db.systemNow().indexes() {
			if x.oid != a[0].(int64) {
				continue
			}
			if len(a) == 3 && a[1].(int64) > 0 {
				if i := int(a[1].(int64)); i <= len(x.columns) {
					return quoteIdent(x.on.columns[x.columns[i-1]].Name)
				}
				return ""
			}
			return x.text()
		}
		return nil
	})
	for _, args := range [][]types.Type{{oid}, {oid, num, boolean}} {
		add("pg_get_indexdef", "the statement that makes an index, or one of its columns", text, indexdef, args...)
	}
	constraintdef := strict(func(a []any) any {
		for _, x := range db.systemNow().constraints() {
			if x.oid == a[0].(int64) {
				return x.text()
			}
		}
		return nil
	})
	for _, args := range [][]types.Type{{oid}, {oid, boolean}} {
		add("pg_get_constraintdef", "the text of a constraint", text, constraintdef, args...)
		add("pg_get_triggerdef", "the statement that makes a trigger: there are none", text, null, args...)
		add("pg_get_ruledef", "the statement that makes a rule: there are none", text, null, args...)
	}
	add("pg_get_partkeydef", "the partition key of a table: there are none", text, null, oid)
	add("pg_get_statisticsobjdef_columns", "the columns of extended statistics: there are none", text, null, oid)
	add("pg_get_serial_sequence", "the sequence of a column: there are none", text, null, text, text)
	add("pg_relation_is_publishable", "whether a relation can be published", boolean, constant(false), oid)
	add("pg_get_function_result", "the type of a function's result", text, strict(func(a []any) any {
		p := db.systemNow().procedure(a[0].(int64))
		if p == nil {
			return nil
		}
		return formatType(p["prorettype"].(int64), -1)
	}), oid)
	arguments := strict(func(a []any) any {
		p := db.systemNow().procedure(a[0].(int64))
		if p == nil {
			return nil
		}
		var names []string
		for _, arg := range p["proargtypes"].([]int64) {
			names = append(names, formatType(arg, -1))
		}
		return strings.Join(names, ", ")
	})
	add("pg_get_function_arguments", "the arguments of a function", text, arguments, oid)
	add("pg_get_function_identity_arguments", "the arguments of a function", text, arguments, oid)
	add("pg_encoding_to_char", "the name of an encoding", text, strict(func(a []any) any {
		if a[0].(int64) == 6 {
			return "UTF8"
		}
		return ""
	}), num)
	add("pg_char_to_encoding", "the number of an encoding, -1 if there is none of that name", num, strict(func(a []any) any {
		if name := strings.ReplaceAll(strings.ToLower(a[0].(string)), "-", ""); name == "utf8" || name == "unicode" {
			return int64(6)
		}
		return int64(-1)
	}), text)
	add("pg_tablespace_location", "where a tablespace is: in the data directory", text, strict(func([]any) any { return "" }), oid)
	for _, name := range []string{"pg_table_size", "pg_relation_size", "pg_total_relation_size", "pg_indexes_size"} {
		add(name, "the bytes of a relation on disk: not known by relation", types.Int8Type, null, oid)
	}
	add("pg_database_size", "the bytes of the database on disk: not known", types.Int8Type, null, text)
	add("pg_size_pretty", "a size in bytes with its unit", text, strict(func(a []any) any { return sizePretty(a[0].(int64)) }), types.Int8Type)
	for _, name := range []string{"has_table_privilege", "has_schema_privilege", "has_database_privilege", "has_function_privilege", "has_sequence_privilege",
		"has_any_column_privilege", "has_tablespace_privilege", "has_type_privilege", "has_server_privilege", "pg_has_role"} {
		for _, object := range []types.Type{text, oid} {
			add(name, "whether the user may do something: everybody may do everything", boolean, strict(func([]any) any { return true }), object, text)
			add(name, "whether a user may do something: everybody may do everything", boolean, strict(func([]any) any { return true }), text, object, text)
		}
	}
	for _, object := range []types.Type{text, oid} {
		for _, column := range []types.Type{text, types.Int2Type} {
			add("has_column_privilege", "whether the user may do something: everybody may do everything", boolean, strict(func([]any) any { return true }), object, column, text)
		}
	}
	add("pg_is_in_recovery", "whether this is a standby", boolean, constant(false))
	add("pg_my_temp_schema", "the schema of temporary objects: there are none", oid, constant(int64(0)))
	add("pg_is_other_temp_schema", "whether a schema holds another session's temporary objects", boolean, constant(false), oid)
	add("pg_client_encoding", "the encoding of the client", text, constant("UTF8"))
	add("getdatabaseencoding", "the encoding of the database", text, constant("UTF8"))
	started := db.opts.Clock
	var start int64
	if started != nil {
		start = started().UnixMicro()
	}
	add("pg_postmaster_start_time", "when the database was opened", types.TimestampTZType, constant(start))
	add("pg_reg_in", "the id of a named object, as a cast to regclass and its like finds it", oid, func(a []any) (any, error) {
		if a[0] == nil || a[1] == nil {
			return nil, nil
		}
		return db.systemNow().regIn(a[0].(string), a[1].(string))
	}, text, text)
	add("pg_reg_out", "the name of an object by its id, as a cast of regclass and its like to text gives it", text, strict(func(a []any) any {
		return db.systemNow().regOut(a[0].(string), a[1].(int64))
	}), text, oid)
	for name, kind := range map[string]string{"to_regclass": "regclass", "to_regtype": "regtype", "to_regnamespace": "regnamespace"} {
		add(name, "the id of a named object, or NULL", oid, strict(func(a []any) any {
			id, err := db.systemNow().regIn(kind, a[0].(string))
			if err != nil {
				return nil
			}
			return id
		}), text)
	}
	return list
}

func (v *systemView) byArg(a any) *systemObject {
	if name, ok := a.(string); ok {
		return v.byName(name)
	}
	return v.byOID(a.(int64))
}

func (v *systemView) procedure(oid int64) systemRow {
	v.db.systemMu.Lock()
	defer v.db.systemMu.Unlock()
	if v.procedures == nil {
		v.procedures = map[int64]systemRow{}
		for _, row := range pgProcRows(v) {
			v.procedures[int64(row["oid"].(int))] = row
		}
	}
	return v.procedures[oid]
}

// regIn finds an object by its name or number, as the input of regclass, regtype ... does.
func (v *systemView) regIn(kind, name string) (any, error) {
	name = strings.TrimSpace(name)
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return int64(n), nil
	}
	if name == "-" {
		return int64(0), nil
	}
	switch kind {
	case "regclass":
		if o := v.byName(name); o != nil {
			return o.oid, nil
		}
		_, plain := splitName(name)
		for _, x := range v.indexes() {
			if x.name == plain {
				return x.oid, nil
			}
		}
		return nil, types.Errorf(types.CodeUndefinedTable, "relation %q does not exist", name)
	case "regtype":
		if oid, ok := typeByName(name); ok {
			return oid, nil
		}
		return nil, types.Errorf(types.CodeUndefinedObject, "type %q does not exist", name)
	case "regnamespace":
		if oid := v.schemaOID(name); oid != 0 {
			return oid, nil
		}
		return nil, types.Errorf("3F000", "schema %q does not exist", name)
	case "regrole":
		if name == systemOwner {
			return int64(oidSuperuser), nil
		}
		return nil, types.Errorf(types.CodeUndefinedObject, "role %q does not exist", name)
	}
	for oid, row := range v.procedureRows() {
		if row["proname"] == strings.TrimPrefix(name, "pg_catalog.") {
			return oid, nil
		}
	}
	return nil, types.Errorf(types.CodeUndefinedFunction, "function %q does not exist", name)
}

func (v *systemView) procedureRows() map[int64]systemRow {
	v.procedure(0)
	return v.procedures
}

// regOut is the name of an object.
func (v *systemView) regOut(kind string, oid int64) string {
	if oid == 0 {
		return "-"
	}
	switch kind {
	case "regclass":
		if o := v.byOID(oid); o != nil {
			if o.schema == "public" || o.schema == "pg_catalog" {
				return quoteIdent(o.relation)
			}
			return quoteIdent(o.schema) + "." + quoteIdent(o.relation)
		}
		for _, x := range v.indexes() {
			if x.oid == oid {
				return quoteIdent(x.name)
			}
		}
	case "regtype":
		if name := formatType(oid, -1); name != "???" {
			return name
		}
	case "regnamespace":
		for i, name := range v.schemas() {
			if schemaOID(i, name) == oid {
				return quoteIdent(name)
			}
		}
	case "regrole":
		if oid == oidSuperuser {
			return systemOwner
		}
	default:
		if row := v.procedure(oid); row != nil {
			return row["proname"].(string)
		}
	}
	return strconv.FormatInt(oid, 10)
}

// sizePretty is pg_size_pretty.
func sizePretty(n int64) string {
	abs := func(x int64) int64 {
		if x < 0 {
			return -x
		}
		return x
	}
	if abs(n) < 10*1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	units := []string{"kB", "MB", "GB", "TB", "PB"}
	n >>= 9 // half kilobytes, to round
	for i, u := range units {
		if abs(n) < 2*10*1024-1 || i == len(units)-1 {
			return fmt.Sprintf("%d %s", (n+n&1)/2, u)
		}
		n >>= 10
	}
	return ""
}

// sessionValue answers a function whose value depends on who asks; ok is false for others. args are constants.
func (s *Session) sessionValue(name string, args []planner.Param) (v planner.Param, ok bool, err error) {
	c := s.Client()
	text := func(t string) (planner.Param, bool, error) {
		return planner.Param{T: types.TextType, Value: t}, true, nil
	}
	user := c.User
	if user == "" {
		user = systemOwner
	}
	database := c.Database
	if database == "" {
		database = "streamsql"
	}
	switch {
	case len(args) == 0:
		switch name {
		case "current_user", "session_user", "user", "current_role":
			return text(user)
		case "current_database", "current_catalog":
			return text(database)
		case "current_schema":
			for _, schema := range s.searchPath() {
				if s.db.Catalog().HasSchema(schema) {
					return text(schema)
				}
			}
			return planner.Param{T: types.TextType}, true, nil
		case "version":
			version, _ := s.Setting("server_version")
			return text("PostgreSQL " + version)
		case "pg_backend_pid":
			return planner.Param{T: types.Int4Type, Value: int64(c.PID)}, true, nil
		case "current_query":
			return text(s.activity().query)
		case "inet_client_addr", "inet_client_port":
			host, port := splitAddress(c.Address)
			if name == "inet_client_port" {
				if n, ok := port.(int); ok {
					return planner.Param{T: types.Int4Type, Value: int64(n)}, true, nil
				}
				return planner.Param{T: types.Int4Type}, true, nil
			}
			return planner.Param{T: types.TextType, Value: host}, true, nil
		}
	case name == "current_schemas" && len(args) == 1:
		var list []any
		if implicit, _ := args[0].Value.(bool); implicit {
			list = append(list, "pg_catalog")
		}
		for _, schema := range s.searchPath() {
			if s.db.Catalog().HasSchema(schema) {
				list = append(list, schema)
			}
		}
		return planner.Param{T: types.ArrayOf(types.TextType), Value: list}, true, nil
	case name == "current_setting" && len(args) <= 2:
		setting, _ := args[0].Value.(string)
		value, found := s.Setting(strings.ToLower(setting))
		if !found {
			if missing, _ := sqlBool(args[1:]); missing {
				return planner.Param{T: types.TextType}, true, nil
			}
			return v, true, types.Errorf(types.CodeUndefinedObject, "unrecognized configuration parameter %q", setting)
		}
		return text(value)
	}
	return v, false, nil
}

func sqlBool(args []planner.Param) (bool, bool) {
	if len(args) == 0 {
		return false, false
	}
	b, ok := args[0].Value.(bool)
	return b, ok
}
