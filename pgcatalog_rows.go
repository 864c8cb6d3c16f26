package streamsql

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// systemRows gives the rows of each relation that can have some; all others are always empty here.
var systemRows = map[string]func(v *systemView) []systemRow{
	"pg_catalog.pg_namespace": func(v *systemView) []systemRow {
		var rows []systemRow
		for i, name := range v.schemas() {
			rows = append(rows, systemRow{"oid": schemaOID(i, name), "nspname": name, "nspowner": oidSuperuser})
		}
		return rows
	},
	"pg_catalog.pg_class":      pgClassRows,
	"pg_catalog.pg_attribute":  pgAttributeRows,
	"pg_catalog.pg_type":       pgTypeRows,
	"pg_catalog.pg_index":      pgIndexRows,
	"pg_catalog.pg_constraint": pgConstraintRows,
	"pg_catalog.pg_attrdef": func(v *systemView) []systemRow {
		var rows []systemRow
		for _, o := range v.user() {
			for i := range o.columns {
				if text, _ := o.columnDefault(i); text != "" {
					rows = append(rows, systemRow{"oid": oidDefaults + (o.oid-oidFirstUser)*oidPerRelation + int64(i), "adrelid": o.oid, "adnum": i + 1, "adbin": text})
				}
			}
		}
		return rows
	},
	"pg_catalog.pg_proc": pgProcRows,
	"pg_catalog.pg_database": func(v *systemView) []systemRow {
		return []systemRow{{"oid": oidDatabase, "datname": v.database(), "datdba": oidSuperuser, "encoding": 6, "datlocprovider": "c", "datallowconn": true,
			"datconnlimit": -1, "dattablespace": oidTablespace, "datcollate": "C", "datctype": "C.UTF-8"}}
	},
	"pg_catalog.pg_roles": func(v *systemView) []systemRow {
		var rows []systemRow
		for oid, name := range v.roles() {
			rows = append(rows, systemRow{"oid": oid, "rolname": name, "rolsuper": true, "rolinherit": true, "rolcreaterole": true, "rolcreatedb": true,
				"rolcanlogin": true, "rolconnlimit": -1, "rolbypassrls": true})
		}
		return rows
	},
	"pg_catalog.pg_user": func(v *systemView) []systemRow {
		var rows []systemRow
		for oid, name := range v.roles() {
			rows = append(rows, systemRow{"usesysid": oid, "usename": name, "usecreatedb": true, "usesuper": true, "usebypassrls": true})
		}
		return rows
	},
	"pg_catalog.pg_settings": func(v *systemView) []systemRow {
		var rows []systemRow
		for _, row := range v.session.showAll().rows {
			rows = append(rows, systemRow{"name": row[0], "setting": row[1], "category": "streamsql", "short_desc": row[2], "context": "user", "vartype": "string",
				"source": "session", "reset_val": row[1]})
		}
		return rows
	},
	"pg_catalog.pg_am": func(*systemView) []systemRow {
		return []systemRow{{"oid": oidHeap, "amname": "heap", "amhandler": "heap_tableam_handler", "amtype": "t"},
			{"oid": oidBtree, "amname": "btree", "amhandler": "bthandler", "amtype": "i"}}
	},
	"pg_catalog.pg_tables": func(v *systemView) []systemRow {
		return v.each("r f", func(o *systemObject) systemRow {
			return systemRow{"schemaname": o.schema, "tablename": o.relation, "tableowner": systemOwner, "hasindexes": o.hasKey()}
		})
	},
	"pg_catalog.pg_views": func(v *systemView) []systemRow {
		return v.each("v", func(o *systemObject) systemRow {
			return systemRow{"schemaname": o.schema, "viewname": o.relation, "viewowner": systemOwner, "definition": o.definition()}
		})
	},
	"pg_catalog.pg_matviews": func(v *systemView) []systemRow {
		return v.each("m", func(o *systemObject) systemRow {
			return systemRow{"schemaname": o.schema, "matviewname": o.relation, "matviewowner": systemOwner, "ispopulated": true, "definition": o.definition()}
		})
	},
	"pg_catalog.pg_indexes": func(v *systemView) []systemRow {
		var rows []systemRow
		for _, x := range v.indexes() {
			rows = append(rows, systemRow{"schemaname": x.on.schema, "tablename": x.on.relation, "indexname": x.name, "indexdef": x.text()})
		}
		return rows
	},
	"pg_catalog.pg_stat_activity":       activityRows,
	"pg_catalog.pg_prepared_statements": preparedRows,
	"pg_catalog.pg_tablespace": func(*systemView) []systemRow {
		return []systemRow{{"oid": oidTablespace, "spcname": "pg_default", "spcowner": oidSuperuser}}
	},
	"pg_catalog.pg_collation": func(*systemView) []systemRow {
		row := func(oid int, name, provider string) systemRow {
			return systemRow{"oid": oid, "collname": name, "collnamespace": oidPgCatalog, "collowner": oidSuperuser, "collprovider": provider, "collisdeterministic": true,
				"collencoding": -1, "collcollate": "C", "collctype": "C"}
		}
		return []systemRow{row(oidCollation, "default", "d"), row(950, "C", "c"), row(951, "POSIX", "c")}
	},
	"pg_catalog.pg_language": func(*systemView) []systemRow {
		return []systemRow{{"oid": 12, "lanname": "internal", "lanowner": oidSuperuser}, {"oid": 14, "lanname": "sql", "lanowner": oidSuperuser, "lanpltrusted": true}}
	},
	"pg_catalog.pg_foreign_data_wrapper": func(*systemView) []systemRow {
		return []systemRow{{"oid": oidWrapper, "fdwname": "streamsql", "fdwowner": oidSuperuser, "fdwhandler": "-", "fdwvalidator": "-"}}
	},
	"pg_catalog.pg_foreign_server": func(*systemView) []systemRow {
		return []systemRow{{"oid": oidForeign, "srvname": "streamsql", "srvowner": oidSuperuser, "srvfdw": oidWrapper}}
	},
	"pg_catalog.pg_foreign_table": func(v *systemView) []systemRow {
		return v.each("f", func(o *systemObject) systemRow {
			return systemRow{"ftrelid": o.oid, "ftserver": oidForeign, "ftoptions": o.connectorOptions()}
		})
	},
	"pg_catalog.pg_stat_user_tables": func(v *systemView) []systemRow {
		return v.each("r m", func(o *systemObject) systemRow {
			return systemRow{"relid": o.oid, "schemaname": o.schema, "relname": o.relation}
		})
	},
	"pg_catalog.pg_stat_database": func(v *systemView) []systemRow {
		return []systemRow{{"datid": oidDatabase, "datname": v.database(), "numbackends": len(v.db.clients())}}
	},
	"information_schema.schemata": func(v *systemView) []systemRow {
		var rows []systemRow
		for _, name := range v.schemas() {
			rows = append(rows, systemRow{"catalog_name": v.database(), "schema_name": name, "schema_owner": systemOwner})
		}
		return rows
	},
	"information_schema.tables": func(v *systemView) []systemRow {
		var rows []systemRow
		for _, o := range v.objects {
			kind, insertable := "BASE TABLE", "NO"
			switch o.kind {
			case "v":
				kind = "VIEW"
			case "m":
				continue // as in PostgreSQL
			case "f":
				kind = "FOREIGN"
			}
			if o.Table != nil {
				insertable = "YES"
			}
			rows = append(rows, systemRow{"table_catalog": v.database(), "table_schema": o.schema, "table_name": o.relation, "table_type": kind,
				"is_insertable_into": insertable, "is_typed": "NO"})
		}
		return rows
	},
	"information_schema.views": func(v *systemView) []systemRow {
		return v.each("v", func(o *systemObject) systemRow {
			return systemRow{"table_catalog": v.database(), "table_schema": o.schema, "table_name": o.relation, "view_definition": o.definition(),
				"check_option": "NONE", "is_updatable": "NO", "is_insertable_into": "NO", "is_trigger_updatable": "NO", "is_trigger_deletable": "NO",
				"is_trigger_insertable_into": "NO"}
		})
	},
	"information_schema.columns": informationColumns,
	"information_schema.table_constraints": func(v *systemView) []systemRow {
		var rows []systemRow
		for _, x := range v.constraints() {
			kind := "PRIMARY KEY"
			if x.check != "" {
				kind = "CHECK"
			}
			rows = append(rows, systemRow{"constraint_catalog": v.database(), "constraint_schema": x.on.schema, "constraint_name": x.name,
				"table_catalog": v.database(), "table_schema": x.on.schema, "table_name": x.on.relation, "constraint_type": kind, "is_deferrable": "NO",
				"initially_deferred": "NO", "enforced": "YES"})
		}
		return rows
	},
	"information_schema.key_column_usage":        keyColumns,
	"information_schema.constraint_column_usage": keyColumns,
	"information_schema.check_constraints": func(v *systemView) []systemRow {
		var rows []systemRow
		for _, x := range v.constraints() {
			if x.check != "" {
				rows = append(rows, systemRow{"constraint_catalog": v.database(), "constraint_schema": x.on.schema, "constraint_name": x.name, "check_clause": x.check})
			}
		}
		return rows
	},
	"information_schema.enabled_roles": func(v *systemView) []systemRow {
		return []systemRow{{"role_name": cmp.Or(v.client.User, systemOwner)}}
	},
	"information_schema.information_schema_catalog_name": func(v *systemView) []systemRow {
		return []systemRow{{"catalog_name": v.database()}}
	},
}

// roles are the owner of everything and who asks.
func (v *systemView) roles() map[int64]string {
	roles := map[int64]string{oidSuperuser: systemOwner}
	if u := v.client.User; u != "" && u != systemOwner {
		roles[oidStreamsql-1000] = u
	}
	return roles
}

func (v *systemView) database() string { return cmp.Or(v.client.Database, "streamsql") }

// each makes a row of every relation of the user of some kinds.
func (v *systemView) each(kinds string, f func(o *systemObject) systemRow) []systemRow {
	var rows []systemRow
	for _, o := range v.objects {
		if strings.Contains(kinds, o.kind) && (o.Kind != planner.KindSystem || o.kind == "v" && kinds == "v") {
			rows = append(rows, f(o))
		}
	}
	return rows
}

func (o *systemObject) hasKey() bool { return o.Table != nil && o.Table.PrimaryKey != nil }

// columnDefault returns the default or generating expression of a column.
func (o *systemObject) columnDefault(i int) (text string, generated bool) {
	switch {
	case o.Table != nil:
		c := o.Table.Columns[i]
		if c.GeneratedText != "" {
			return c.GeneratedText, true
		}
		return c.DefaultText, false
	case o.Source != nil:
		if c := o.Source.Columns[i]; c.Expr != nil {
			return c.Text, true
		}
	}
	return "", false
}

// definition is the query of a view.
func (o *systemObject) definition() any {
	if o.View == nil {
		return nil
	}
	stmts, err := sql.Parse(o.Text)
	if err != nil || len(stmts) != 1 {
		return nil
	}
	if v, ok := stmts[0].(*sql.CreateView); ok {
		return " " + sql.Format(v.Query) + ";"
	}
	return nil
}

// connectorOptions are the options of a source or sink, without what must not be seen.
func (o *systemObject) connectorOptions() []string {
	var e planner.External
	switch {
	case o.Source != nil:
		e = o.Source.External
	case o.Sink != nil:
		e = o.Sink.External
	}
	list := []string{"connector=" + e.Connector}
	for _, name := range slices.Sorted(maps.Keys(e.Options)) {
		value := e.Options[name]
		if strings.Contains(name, "password") || strings.Contains(name, "secret") || strings.Contains(name, "token") {
			value = "********"
		}
		if name != "connector" {
			list = append(list, name+"="+value)
		}
	}
	return list
}

func pgClassRows(v *systemView) []systemRow {
	var rows []systemRow
	for _, o := range v.objects {
		am := 0
		if o.kind == "r" || o.kind == "m" {
			am = oidHeap
		}
		checks := 0
		if o.Table != nil {
			checks = len(o.Table.Checks)
		}
		rows = append(rows, systemRow{"oid": o.oid, "relname": o.relation, "relnamespace": v.schemaOID(o.schema), "relowner": oidSuperuser, "relam": am,
			"relfilenode": o.oid, "reltuples": -1, "relhasindex": o.hasKey(), "relpersistence": "p", "relkind": o.kind, "relnatts": len(o.columns),
			"relchecks": checks, "relispopulated": true, "relreplident": "d"})
	}
	for _, x := range v.indexes() {
		rows = append(rows, systemRow{"oid": x.oid, "relname": x.name, "relnamespace": v.schemaOID(x.on.schema), "relowner": oidSuperuser, "relam": oidBtree,
			"relfilenode": x.oid, "reltuples": -1, "relpersistence": "p", "relkind": "i", "relnatts": len(x.columns), "relispopulated": true, "relreplident": "n"})
	}
	return rows
}

func pgAttributeRows(v *systemView) []systemRow {
	var rows []systemRow
	add := func(oid int64, i int, f types.Field, more systemRow) {
		typ, mod := typeOID(f.Type)
		size, byValue, storage := -1, false, "x"
		if t, array, ok := typeByOID(typ); ok && !array {
			size, byValue = t.size, t.size > 0 && t.size <= 8
		}
		if size > 0 {
			storage = "p"
		}
		collation := int64(0)
		if f.Type.Kind == types.Text || f.Type.Elem == types.Text {
			collation = oidCollation
		}
		dims := 0
		if f.Type.Kind == types.Array {
			dims = 1
		}
		row := systemRow{"attrelid": oid, "attname": f.Name, "atttypid": typ, "attstattarget": -1, "attlen": size, "attnum": i + 1, "attndims": dims,
			"attcacheoff": -1, "atttypmod": mod, "attbyval": byValue, "attalign": "i", "attstorage": storage, "attnotnull": f.NotNull, "attislocal": true,
			"attcollation": collation}
		maps.Copy(row, more)
		rows = append(rows, row)
	}
	for _, o := range v.objects {
		for i, f := range o.columns {
			text, generated := o.columnDefault(i)
			more := systemRow{"atthasdef": text != ""}
			if generated {
				more["attgenerated"] = "s"
			}
			if o.Table != nil {
				switch o.Table.Columns[i].Identity {
				case planner.IdentityAlways:
					more["attidentity"] = "a"
				case planner.IdentityByDefault:
					more["attidentity"] = "d"
				}
			} else if o.Kind == planner.KindView || o.Kind == planner.KindMaterializedView {
				f.NotNull = false // what is proved of a view is no constraint
			}
			add(o.oid, i, f, more)
		}
	}
	for _, x := range v.indexes() {
		for i, c := range x.columns {
			add(x.oid, i, x.on.columns[c], nil)
		}
	}
	return rows
}

// systemIndex is an index: that of a primary key.
type systemIndex struct {
	oid     int64
	name    string
	on      *systemObject
	columns []int
	primary bool
}

func (v *systemView) indexes() []systemIndex {
	var list []systemIndex
	for _, o := range v.user() {
		if o.hasKey() {
			list = append(list, systemIndex{oid: oidIndexes + o.oid, name: o.keyName(), on: o, columns: o.Table.PrimaryKey, primary: true})
		}
	}
	return list
}

func (o *systemObject) keyName() string { return cmp.Or(o.Table.KeyName, o.relation+"_pkey") }

func (o *systemObject) columnNames(columns []int) string {
	var names []string
	for _, c := range columns {
		names = append(names, quoteIdent(o.columns[c].Name))
	}
	return strings.Join(names, ", ")
}

// text is the statement that would make the index.
func (x systemIndex) text() string {
	unique := ""
	if x.primary {
		unique = "UNIQUE "
	}
	return fmt.Sprintf("CREATE %sINDEX %s ON %s.%s USING btree (%s)", unique, quoteIdent(x.name), quoteIdent(x.on.schema), quoteIdent(x.on.relation), x.on.columnNames(x.columns))
}

func quoteIdent(name string) string { return (&sql.Name{Parts: []sql.Ident{{Name: name}}}).String() }

// attnums are positions as PostgreSQL counts them.
func attnums(columns []int) []int64 {
	list := make([]int64, len(columns))
	for i, c := range columns {
		list[i] = int64(c) + 1
	}
	return list
}

func pgIndexRows(v *systemView) []systemRow {
	var rows []systemRow
	for _, x := range v.indexes() {
		zeros := make([]int64, len(x.columns))
		rows = append(rows, systemRow{"indexrelid": x.oid, "indrelid": x.on.oid, "indnatts": len(x.columns), "indnkeyatts": len(x.columns), "indisunique": x.primary,
			"indisprimary": x.primary, "indimmediate": true, "indisvalid": true, "indisready": true, "indislive": true, "indkey": attnums(x.columns),
			"indcollation": zeros, "indclass": zeros, "indoption": zeros})
	}
	return rows
}

// systemConstraint is a primary key, or a check.
type systemConstraint struct {
	oid     int64
	name    string
	on      *systemObject
	columns []int
	index   int64
	check   string
}

func (x systemConstraint) text() string {
	if x.check != "" {
		return "CHECK (" + x.check + ")"
	}
	return "PRIMARY KEY (" + x.on.columnNames(x.columns) + ")"
}

func (v *systemView) constraints() []systemConstraint {
	var list []systemConstraint
	for _, o := range v.user() {
		if o.Table == nil {
			continue
		}
		first := oidConstraints + (o.oid-oidFirstUser)*oidPerRelation
		if o.hasKey() {
			list = append(list, systemConstraint{oid: first, name: o.keyName(), on: o, columns: o.Table.PrimaryKey, index: oidIndexes + o.oid})
		}
		for i, c := range o.Table.Checks {
			list = append(list, systemConstraint{oid: first + 1 + int64(i), name: c.Name, on: o, check: c.Text})
		}
	}
	return list
}

func pgConstraintRows(v *systemView) []systemRow {
	var rows []systemRow
	for _, x := range v.constraints() {
		row := systemRow{"oid": x.oid, "conname": x.name, "connamespace": v.schemaOID(x.on.schema), "contype": "p", "convalidated": true, "conrelid": x.on.oid,
			"conindid": x.index, "confupdtype": " ", "confdeltype": " ", "confmatchtype": " ", "conislocal": true, "connoinherit": x.check == "", "conkey": attnums(x.columns)}
		if x.check != "" {
			row["contype"], row["conbin"] = "c", x.check
		}
		rows = append(rows, row)
	}
	return rows
}

func keyColumns(v *systemView) []systemRow {
	var rows []systemRow
	for _, x := range v.constraints() {
		for i, c := range x.columns {
			rows = append(rows, systemRow{"constraint_catalog": v.database(), "constraint_schema": x.on.schema, "constraint_name": x.name, "table_catalog": v.database(),
				"table_schema": x.on.schema, "table_name": x.on.relation, "column_name": x.on.columns[c].Name, "ordinal_position": i + 1})
		}
	}
	return rows
}

func pgProcRows(v *systemView) []systemRow {
	var rows []systemRow
	add := func(name, kind string, args []types.Type, result types.Type, strict, variadic bool, user bool) {
		oids := make([]int64, len(args))
		for i, a := range args {
			oids[i], _ = typeOID(a)
		}
		result64, _ := typeOID(result)
		schema := oidPgCatalog
		if user {
			schema = oidPublic
		}
		more := int64(0)
		if variadic {
			more = oids[len(oids)-1]
		}
		rows = append(rows, systemRow{"oid": 5000 + len(rows), "proname": name, "pronamespace": schema, "proowner": oidSuperuser, "prolang": 12, "procost": 1,
			"provariadic": more, "prokind": kind, "proisstrict": strict, "provolatile": "i", "proparallel": "s", "pronargs": len(args), "prorettype": result64,
			"proargtypes": oids, "prosrc": name})
	}
	for _, f := range v.db.registry.Functions() {
		if !f.Operator && f.Name != "cast" && f.Name != "assign" {
			add(f.Name, "f", f.Args, f.Result, f.Strict, f.Variadic, isUserFunction(v.db, f.Name))
		}
	}
	for _, a := range v.db.registry.Aggregates() {
		add(a.Name, "a", a.Args, a.Result, false, false, false)
	}
	return rows
}

func isUserFunction(db *DB, name string) bool {
	return slices.ContainsFunc(db.opts.Functions, func(f Function) bool { return f.Name == name })
}

func preparedRows(v *systemView) []systemRow {
	v.session.mu.Lock()
	defer v.session.mu.Unlock()
	var rows []systemRow
	for _, name := range slices.Sorted(maps.Keys(v.session.statements)) {
		x := v.session.statements[name]
		if name == "" {
			continue
		}
		params := []string{}
		for _, t := range x.params {
			params = append(params, t.String())
		}
		text := x.text
		if text == "" && x.stmt != nil {
			text = sql.Format(x.stmt)
		}
		rows = append(rows, systemRow{"name": name, "statement": text, "prepare_time": x.at.UnixMicro(), "parameter_types": params, "from_sql": x.text == ""})
	}
	return rows
}

func activityRows(v *systemView) []systemRow {
	var rows []systemRow
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.UnixMicro()
	}
	for _, s := range v.db.clients() {
		c, a := s.Client(), s.activity()
		host, port := splitAddress(c.Address)
		name, _ := s.Setting("application_name")
		rows = append(rows, systemRow{"datid": oidDatabase, "datname": c.Database, "pid": int64(c.PID), "usesysid": oidSuperuser, "usename": c.User,
			"application_name": name, "client_addr": host, "client_port": port, "backend_start": at(a.connected), "query_start": at(a.begun),
			"state_change": at(a.changed), "state": a.state, "query": a.query, "backend_type": "client backend"})
	}
	return rows
}
