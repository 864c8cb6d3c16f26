package sql

import "strings"

// create reads every CREATE.
func (p *parser) create() Statement {
	start := p.start()
	p.expect("create")
	replace := p.accept("or", "replace")
	for p.accept("global") || p.accept("local") {
	}
	temp := p.accept("temporary") || p.accept("temp")
	external := p.accept("external")
	unlogged := p.accept("unlogged")
	at := tokenAt(p.tok())
	switch {
	case p.accept("table"):
		s := &CreateTable{OrReplace: replace, Temporary: temp}
		p.createTable(s)
		s.At = p.from(start)
		return s
	case external || unlogged:
		p.unexpected("TABLE")
	case p.accept("source") || p.accept("stream"):
		p.accept("table")
		s := &CreateSource{OrReplace: replace, Temporary: temp, IfNotExists: p.ifNotExists()}
		s.Name = p.name("a name for the source")
		p.tableElements(&s.TableDef)
		p.tableOptions(&s.TableDef)
		if p.is("as") {
			p.unexpectedHint("the end of CREATE SOURCE", "a query makes a view: CREATE [MATERIALIZED] VIEW "+s.Name.String()+" AS ...")
		}
		s.At = p.from(start)
		return s
	case p.is("materialized") || p.is("view") || p.is("recursive", "view"):
		s := &CreateView{OrReplace: replace, Temporary: temp}
		p.createView(s)
		s.At = p.from(start)
		return s
	case temp:
		p.unexpected("TABLE, SOURCE or VIEW")
	case p.accept("sink"):
		s := &CreateSink{OrReplace: replace, IfNotExists: p.ifNotExists()}
		p.createSink(s)
		s.At = p.from(start)
		return s
	case p.is("function") || p.is("aggregate") || p.is("procedure"):
		p.notSupported(at, "CREATE %s (functions are registered through the Go API)", strings.ToUpper(p.tok().text))
	case replace:
		p.unexpected("TABLE, SOURCE, VIEW or SINK")
	case p.is("unique", "index") || p.is("index"):
		s := &CreateIndex{Unique: p.accept("unique")}
		p.createIndex(s)
		s.At = p.from(start)
		return s
	case p.accept("schema"):
		s := &CreateSchema{IfNotExists: p.ifNotExists(), Name: p.name("a name for the schema")}
		if p.is("authorization") {
			p.notSupported(tokenAt(p.tok()), "AUTHORIZATION")
		}
		s.At = p.from(start)
		return s
	case p.isAny("database", "connection", "secret", "user", "role", "type", "domain", "sequence", "extension", "trigger",
		"publication", "subscription", "cluster", "catalog", "job", "model", "policy", "rule", "server", "operator", "cast",
		"collation", "statistics", "tablespace"):
		p.notSupported(at, "CREATE %s", strings.ToUpper(p.tok().text))
	default:
		p.unexpected("SOURCE, TABLE, VIEW, MATERIALIZED VIEW, SINK, INDEX or SCHEMA after CREATE")
	}
	return &Flush{}
}

func (p *parser) ifNotExists() bool {
	if !p.is("if") || p.peek(1).is("(") || p.peek(1).is("as") || p.peek(1).is("with") {
		return false
	}
	p.expect("if", "not", "exists")
	return true
}

func (p *parser) ifExists() bool {
	return p.accept("if", "exists")
}

func (p *parser) createTable(s *CreateTable) {
	s.IfNotExists = p.ifNotExists()
	s.Name = p.name("a name for the table")
	if p.is("(") && p.onlyNamesInParens() {
		s.Names = p.idents("a column name")
	} else if p.is("(") {
		p.tableElements(&s.TableDef)
	}
	p.tableOptions(&s.TableDef)
	if p.accept("as") {
		s.Query = p.query()
		s.NoData = p.noData()
	} else if s.Names != nil {
		p.unexpectedHint("AS and a query", "give each column a type, or make the table from a query")
	}
	if len(s.Columns) == 0 && len(s.Like) == 0 && s.Query == nil && len(s.Options) == 0 && p.err == nil {
		p.unexpected("columns in parentheses, or AS and a query")
	}
}

func (p *parser) noData() bool {
	if p.accept("with", "no", "data") {
		return true
	}
	p.accept("with", "data")
	return false
}

// onlyNamesInParens looks ahead for (a, b, c), names without types.
func (p *parser) onlyNamesInParens() bool {
	for n := 1; ; n += 2 {
		t := p.peek(n)
		if t.kind != tokWord || !isName(t.class()) {
			return false
		}
		switch sep := p.peek(n + 1); {
		case sep.is(")"):
			return true
		case !sep.is(","):
			return false
		}
	}
}

// tableElements reads the columns, constraints and watermarks in parentheses, if they are there.
func (p *parser) tableElements(d *TableDef) {
	if !p.accept("(") {
		return
	}
	if p.accept(")") {
		return
	}
	for p.err == nil {
		p.tableElement(d)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
}

func (p *parser) tableElement(d *TableDef) {
	start, n := p.start(), p.peek(1)
	switch {
	case p.is("watermark", "for"):
		d.Watermarks = append(d.Watermarks, p.watermark())
	case p.is("like") && n.kind == tokWord:
		p.skip(1)
		d.Like = append(d.Like, p.name("a table"))
		for p.accept("including") || p.accept("excluding") {
			p.label("what to include")
		}
	case p.is("period", "for"):
		p.notSupported(tokenAt(p.tok()), "PERIOD FOR")
	case p.is("constraint"), p.is("primary", "key"), p.is("unique") && (n.is("(") || n.is("nulls")),
		p.is("check") && n.is("("), p.is("foreign", "key"):
		d.Constraints = append(d.Constraints, p.constraint())
	case p.is("exclude") && (n.is("using") || n.is("(")):
		p.notSupported(tokenAt(p.tok()), "EXCLUDE constraints")
	case p.tok().kind != tokWord || !isName(p.tok().class()):
		p.ident("a column, constraint or WATERMARK")
	default:
		c, named := p.columnDef()
		c.At = p.from(start)
		d.Columns = append(d.Columns, c)
		d.Constraints = append(d.Constraints, named...)
	}
}

func (p *parser) watermark() *Watermark {
	start := p.start()
	p.expect("watermark", "for")
	w := &Watermark{Column: p.ident("the time column")}
	if p.is(".") {
		p.notSupported(tokenAt(p.tok()), "a watermark on a field of a column")
	}
	if p.accept("as") {
		w.X = p.expr()
	}
	w.At = p.from(start)
	return w
}

func (p *parser) constraint() *Constraint {
	start := p.start()
	c := &Constraint{}
	if p.accept("constraint") {
		c.Name = p.ident("a name for the constraint")
	}
	switch {
	case p.accept("primary", "key"):
		c.Kind, c.Columns = PrimaryKey, p.idents("a column name")
	case p.accept("unique"):
		c.Kind, c.Columns = Unique, p.idents("a column name")
	case p.accept("check"):
		c.Kind = Check
		p.expect("(")
		c.Check = p.expr()
		p.expect(")")
	case p.accept("foreign", "key"):
		c.Kind, c.Columns = ForeignKey, p.idents("a column name")
		c.References = p.references()
	default:
		p.unexpected("PRIMARY KEY, UNIQUE, CHECK or FOREIGN KEY")
	}
	c.NotEnforced = p.notEnforced()
	c.At = p.from(start)
	return c
}

func (p *parser) notEnforced() bool {
	if p.accept("not", "enforced") {
		return true
	}
	p.accept("enforced")
	return false
}

func (p *parser) references() *References {
	start := p.start()
	p.expect("references")
	r := &References{Table: p.name("a table")}
	if p.is("(") {
		r.Columns = p.idents("a column name")
	}
	if p.is("on") || p.is("match") {
		p.notSupported(tokenAt(p.tok()), "actions of foreign keys")
	}
	r.At = p.from(start)
	return r
}

// columnDef reads name type constraints, name AS expression, or name type METADATA FROM 'key'. Constraints with a name are returned as those of the
// table that they are equal to.
func (p *parser) columnDef() (c *ColumnDef, named []*Constraint) {
	start := p.start()
	c = &ColumnDef{Name: p.ident("a column name")}
	switch {
	case p.accept("as"):
		c.Generated = p.expr()
	case p.isAny(",", ")"):
		p.unexpected("the type of column " + c.Name.Name)
	default:
		if p.tok().kind != tokWord || p.tok().class() == wordReserved {
			p.unexpected("the type of column " + c.Name.Name)
		}
		c.Type = p.typeName()
	}
	for p.err == nil {
		if x := p.namedConstraint(c.Name); x != nil {
			named = append(named, x)
		} else if !p.columnConstraint(c) {
			break
		}
	}
	c.At = p.from(start)
	return c, named
}

// namedConstraint reads CONSTRAINT name with PRIMARY KEY, UNIQUE or CHECK behind a column; nil, and nothing read, if there is something else. The names of
// others are not kept.
func (p *parser) namedConstraint(column Ident) *Constraint {
	if !p.is("constraint") {
		return nil
	}
	start, n := p.start(), p.peek(2)
	if !n.is("primary") && !n.is("unique") && !n.is("check") {
		return nil
	}
	p.skip(1)
	c := &Constraint{Name: p.ident("a name for the constraint"), Columns: []Ident{column}}
	switch {
	case p.accept("primary", "key"):
		c.Kind = PrimaryKey
		c.NotEnforced = p.notEnforced()
	case p.accept("unique"):
		c.Kind = Unique
	default:
		p.expect("check")
		p.expect("(")
		c.Kind, c.Columns, c.Check = Check, nil, p.expr()
		p.expect(")")
	}
	c.At = p.from(start)
	return c
}

// columnConstraint reads one clause behind a column's type; false if there is none.
func (p *parser) columnConstraint(c *ColumnDef) bool {
	if p.accept("constraint") {
		p.ident("a name for the constraint")
	}
	switch {
	case p.accept("not", "null"):
		c.NotNull = true
	case p.accept("null"):
		c.Null = true
	case p.accept("primary", "key"):
		c.PrimaryKey = true
		c.KeyNotEnforced = p.notEnforced()
	case p.accept("unique"):
		c.Unique = true
	case p.accept("check"):
		p.expect("(")
		c.Checks = append(c.Checks, p.expr())
		p.expect(")")
	case p.accept("default"):
		c.Default = p.expr()
	case p.accept("collate"):
		c.Collation = p.name("a collation")
	case p.is("references"):
		c.References = p.references()
	case p.is("generated") && c.Generated == nil && c.Identity == "" && !c.IsMetadata:
		p.generated(c)
	case p.is("as") && c.Generated == nil && !c.IsMetadata:
		p.skip(1)
		c.Generated = p.expr()
	case p.accept("stored"), p.accept("persisted"):
		c.Stored = true
	case p.accept("virtual"):
		c.Virtual = true
	case p.is("metadata"):
		if c.Generated != nil {
			p.unexpectedHint(`"," or ")"`, "a column is either computed or metadata: name TYPE METADATA FROM 'key'")
		}
		p.expect("metadata")
		c.IsMetadata, c.Metadata = true, c.Name.Name
		if p.accept("from") {
			c.Metadata = p.string("the name of the metadata in single quotes")
		}
	case p.accept("comment"):
		c.Comment = p.string("a comment in single quotes")
	case p.is("watermark", "for"):
		p.unexpectedHint(`"," or ")"`, "separate the watermark from the column by a comma")
	default:
		return false
	}
	return true
}

func (p *parser) generated(c *ColumnDef) {
	p.expect("generated")
	if p.accept("by", "default", "as", "identity") {
		c.Identity = IdentityByDefault
		p.sequenceOptions()
		return
	}
	p.expect("always", "as")
	if p.accept("identity") {
		c.Identity = IdentityAlways
		p.sequenceOptions()
		return
	}
	c.Generated = p.expr()
}

// sequenceOptions refuses what may stand behind IDENTITY.
func (p *parser) sequenceOptions() {
	if p.is("(") {
		p.notSupported(tokenAt(p.tok()), "options of identity columns")
	}
}

// tableOptions reads the clauses behind the columns, in any order.
func (p *parser) tableOptions(d *TableDef) {
	for p.err == nil {
		switch {
		case p.accept("append", "only"):
			d.AppendOnly = true
		case p.is("include"):
			d.Include = append(d.Include, p.include())
		case p.accept("partitioned", "by"), p.accept("partition", "by"):
			d.Partition = append(d.Partition, p.idents("a column name")...)
		case p.is("with") && p.peek(1).is("(") && d.Options == nil:
			d.Options = p.withOptions()
		case p.is("format") && d.Format == nil:
			d.Format = p.format()
		case p.accept("comment"):
			d.Comment = p.string("a comment in single quotes")
		case p.accept("watermark", "for"):
			p.back(2)
			d.Watermarks = append(d.Watermarks, p.watermark())
		case p.is("on", "conflict"):
			p.notSupported(tokenAt(p.tok()), "ON CONFLICT of a table")
		case p.is("inherits"), p.is("distributed"):
			p.notSupported(tokenAt(p.tok()), "%s", strings.ToUpper(p.tok().text))
		default:
			return
		}
	}
}

// include reads INCLUDE key AS k, or INCLUDE header 'name' BYTEA AS h.
func (p *parser) include() *Include {
	start := p.start()
	p.expect("include")
	i := &Include{What: strings.ToLower(p.label("what to include").Name)}
	if p.tok().kind == tokString {
		i.Field = p.advance().text
	}
	if t := p.tok(); t.kind == tokWord && t.class() < wordReserved && !p.isAny("include", "format", "append", "watermark", "partitioned", "comment") {
		i.Type = p.typeName()
	}
	if p.accept("as") {
		i.Alias = p.label("a column name")
	}
	i.At = p.from(start)
	return i
}

func (p *parser) createView(s *CreateView) {
	s.Materialized = p.accept("materialized")
	s.Recursive = p.accept("recursive")
	p.expect("view")
	s.IfNotExists = p.ifNotExists()
	s.Name = p.name("a name for the view")
	if p.is("(") {
		s.Columns = p.idents("a column name")
	}
	s.Options = p.withOptions()
	p.expect("as")
	s.Query = p.query()
	if p.is("with", "check", "option") || p.is("with", "cascaded") || p.is("with", "local") {
		p.notSupported(tokenAt(p.tok()), "WITH CHECK OPTION")
	}
	if s.Materialized {
		s.NoData = p.noData()
	}
	if p.is("with") && s.Options == nil {
		s.Options = p.withOptions()
	}
}

func (p *parser) createSink(s *CreateSink) {
	if !p.is("into") || p.peek(1).is("from") {
		s.Name = p.name("a name for the sink")
	}
	if p.accept("into") {
		s.Into = p.name("a table")
		if p.is("(") {
			s.IntoColumns = p.idents("a column name")
		}
	}
	s.Options = p.withOptions()
	switch {
	case p.accept("from"):
		s.From = p.name("a table, view or source")
	case p.accept("as"):
		s.Query = p.query()
	default:
		p.unexpected("FROM and a name, or AS and a query")
	}
	for p.err == nil {
		switch {
		case p.is("with") && s.Options == nil:
			s.Options = p.withOptions()
			continue
		case p.is("format") && s.Format == nil:
			s.Format = p.format()
			continue
		}
		break
	}
}

func (p *parser) createIndex(s *CreateIndex) {
	p.expect("index")
	p.accept("concurrently")
	s.IfNotExists = p.ifNotExists()
	if !p.is("on") {
		s.Name = p.name("a name for the index")
	}
	p.expect("on")
	p.accept("only")
	s.Table = p.name("a table or view")
	if p.accept("using") {
		s.Using = p.ident("an index method")
	}
	s.Keys = parenList(p, p.orderItem)
	if p.accept("include") {
		s.Include = p.idents("a column name")
	}
	s.Options = p.withOptions()
	if p.accept("where") {
		s.Where = p.expr()
	}
}

// objectKind reads the kind of an object; with required, it fails if there is none, else it returns ObjAny.
func (p *parser) objectKind(required bool) ObjectKind {
	if p.is("materialized") && p.peek(1).is("view") {
		p.skip(2)
		return ObjMaterializedView
	}
	t := p.tok()
	if n := p.peek(1); t.kind == tokWord && !t.quoted && (required || n.kind == tokWord) {
		switch t.text {
		case "source", "table", "view", "sink", "index", "schema", "function", "job":
			p.skip(1)
			return ObjectKind(strings.ToUpper(t.text))
		case "stream":
			p.skip(1)
			return ObjSource
		}
	}
	if required {
		switch t.text {
		case "database", "role", "user", "type", "sequence", "extension", "trigger", "connection", "secret", "domain",
			"constraint", "policy", "rule", "aggregate", "procedure", "catalog", "operator", "cast", "server":
			p.notSupported(tokenAt(t), "%s", strings.ToUpper(t.text))
		}
		p.unexpected("SOURCE, TABLE, VIEW, MATERIALIZED VIEW, SINK, INDEX, SCHEMA, FUNCTION or JOB")
	}
	return ObjAny
}

func (p *parser) drop() Statement {
	start := p.start()
	p.expect("drop")
	s := &Drop{Kind: p.objectKind(true)}
	p.accept("concurrently")
	s.IfExists = p.ifExists()
	s.Names = p.names("a name")
	if s.Kind == ObjFunction && p.is("(") {
		p.notSupported(tokenAt(p.tok()), "a signature in DROP FUNCTION")
	}
	s.Behavior = p.dropBehavior()
	s.At = p.from(start)
	return s
}

func (p *parser) dropBehavior() DropBehavior {
	switch {
	case p.accept("cascade"):
		return DropCascade
	case p.accept("restrict"):
		return DropRestrict
	}
	return DropDefault
}

func (p *parser) alter() Statement {
	start := p.start()
	p.expect("alter")
	if p.accept("system") {
		s := &Set{System: true}
		switch {
		case p.accept("set"):
			p.setValue(s)
		case p.accept("reset"):
			s.Name = p.parameterName()
		default:
			p.unexpected("SET or RESET")
		}
		s.At = p.from(start)
		return s
	}
	s := &Alter{Kind: p.objectKind(true)}
	s.IfExists = p.ifExists()
	p.accept("only")
	s.Name = p.name("a name")
	s.Actions = list(p, p.alterAction)
	s.At = p.from(start)
	return s
}

func (p *parser) alterAction() AlterAction {
	start := p.start()
	switch {
	case p.accept("pause"):
		return &AlterPause{At: p.from(start)}
	case p.accept("resume"):
		return &AlterResume{At: p.from(start)}
	case p.accept("set", "schema"):
		return &AlterSetSchema{Schema: p.ident("a schema"), At: p.from(start)}
	case p.accept("set"):
		s := &AlterSet{}
		if p.is("(") {
			s.Options = p.options()
		} else {
			s.Options = []*Option{p.setOption()}
		}
		s.At = p.from(start)
		return s
	case p.accept("reset"):
		return &AlterReset{Keys: parenList(p, p.optionKey), At: p.from(start)}
	case p.accept("rename"):
		return p.alterRename(start)
	case p.accept("add"):
		return p.alterAdd(start)
	case p.accept("drop"):
		return p.alterDrop(start)
	case p.accept("alter"):
		return p.alterColumn(start)
	case p.accept("as"):
		return &AlterAs{Query: p.query(), At: p.from(start)}
	case p.accept("dry", "run"):
		p.expect("as")
		return &AlterAs{Query: p.query(), DryRun: true, At: p.from(start)}
	case p.is("owner"), p.is("swap"), p.is("refresh"), p.is("attach"), p.is("detach"), p.is("connector"):
		p.notSupported(tokenAt(p.tok()), "ALTER ... %s", strings.ToUpper(p.tok().text))
	default:
		p.unexpected("PAUSE, RESUME, SET, RESET, RENAME, ADD, DROP, ALTER, AS or DRY RUN AS")
	}
	return &AlterPause{}
}

// setOption reads key = value or key TO value.
func (p *parser) setOption() *Option {
	start := p.start()
	o := &Option{Key: p.optionKey()}
	o.KeySpan = p.from(start).Place
	if !p.accept("=") && !p.accept("to") {
		p.unexpected(`"=" or TO`)
	}
	if !p.accept("default") {
		o.Value = p.optionValue()
	}
	o.At = p.from(start)
	return o
}

func (p *parser) alterRename(start int) AlterAction {
	if p.accept("to") {
		return &AlterRename{To: p.ident("the new name"), At: p.from(start)}
	}
	if p.is("constraint") {
		p.notSupported(tokenAt(p.tok()), "RENAME CONSTRAINT")
	}
	p.accept("column")
	a := &AlterRenameColumn{From: p.ident("a column name or TO")}
	p.expect("to")
	a.To = p.ident("the new name")
	a.At = p.from(start)
	return a
}

func (p *parser) alterAdd(start int) AlterAction {
	n := p.peek(1)
	switch {
	case p.is("watermark", "for"):
		return &AlterAddWatermark{Watermark: p.watermark(), At: p.from(start)}
	case p.is("constraint"), p.is("primary", "key"), p.is("unique") && n.is("("), p.is("check") && n.is("("), p.is("foreign", "key"):
		return &AlterAddConstraint{Constraint: p.constraint(), At: p.from(start)}
	}
	p.accept("column")
	a := &AlterAddColumn{IfNotExists: p.ifNotExists()}
	var named []*Constraint
	a.Column, named = p.columnDef()
	for _, c := range named { // their names are not kept here
		switch c.Kind {
		case PrimaryKey:
			a.Column.PrimaryKey, a.Column.KeyNotEnforced = true, c.NotEnforced
		case Unique:
			a.Column.Unique = true
		case Check:
			a.Column.Checks = append(a.Column.Checks, c.Check)
		}
	}
	a.At = p.from(start)
	return a
}

func (p *parser) alterDrop(start int) AlterAction {
	if p.accept("constraint") {
		a := &AlterDropConstraint{IfExists: p.ifExists(), Name: p.ident("a constraint")}
		a.Behavior = p.dropBehavior()
		a.At = p.from(start)
		return a
	}
	p.accept("column")
	a := &AlterDropColumn{IfExists: p.ifExists(), Column: p.ident("a column")}
	a.Behavior = p.dropBehavior()
	a.At = p.from(start)
	return a
}

func (p *parser) alterColumn(start int) AlterAction {
	p.accept("column")
	a := &AlterColumn{Column: p.ident("a column")}
	switch {
	case p.accept("set", "default"):
		a.SetDefault = p.expr()
	case p.accept("drop", "default"):
		a.DropDefault = true
	case p.accept("set", "not", "null"):
		a.SetNotNull = true
	case p.accept("drop", "not", "null"):
		a.DropNotNull = true
	case p.accept("set", "data", "type"), p.accept("type"):
		a.Type = p.typeName()
		if p.accept("using") {
			a.Using = p.expr()
		}
	default:
		p.unexpected("SET DEFAULT, DROP DEFAULT, SET NOT NULL, DROP NOT NULL or TYPE")
	}
	a.At = p.from(start)
	return a
}
