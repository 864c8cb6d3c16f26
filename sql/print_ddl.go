package sql

import "strings"

// ddl writes CREATE, DROP and ALTER.
func (w *writer) ddl(s Statement) {
	switch s := s.(type) {
	case *CreateSource:
		w.createWords(s.OrReplace, s.Temporary, "SOURCE", s.IfNotExists)
		w.name(s.Name)
		w.tableElements(&s.TableDef)
		w.tableOptions(&s.TableDef)
	case *CreateTable:
		w.createWords(s.OrReplace, s.Temporary, "TABLE", s.IfNotExists)
		w.name(s.Name)
		if s.Names != nil {
			w.put(" ")
			w.idents(s.Names)
		}
		w.tableElements(&s.TableDef)
		w.tableOptions(&s.TableDef)
		if s.Query != nil {
			w.put(" AS")
			w.brk()
			w.query(s.Query)
			w.flag(s.NoData, " WITH NO DATA")
		}
	case *CreateView:
		w.createView(s)
	case *CreateSink:
		w.createSink(s)
	case *CreateIndex:
		w.createIndex(s)
	case *CreateSchema:
		w.createWords(false, false, "SCHEMA", s.IfNotExists)
		w.name(s.Name)
	case *Drop:
		w.put("DROP ", string(s.Kind), " ")
		w.flag(s.IfExists, "IF EXISTS ")
		commas(w, s.Names, w.name)
		w.behavior(s.Behavior)
	case *Alter:
		w.put("ALTER ", string(s.Kind), " ")
		w.flag(s.IfExists, "IF EXISTS ")
		w.name(s.Name)
		w.put(" ")
		commas(w, s.Actions, w.alterAction)
	}
}

func (w *writer) createWords(replace, temp bool, kind string, ifNotExists bool) {
	w.put("CREATE ")
	w.flag(replace, "OR REPLACE ")
	w.flag(temp, "TEMPORARY ")
	w.put(kind, " ")
	w.flag(ifNotExists, "IF NOT EXISTS ")
}

func (w *writer) behavior(b DropBehavior) {
	if b != DropDefault {
		w.put(" ", string(b))
	}
}

// tableElements writes the parentheses with columns, likes, constraints and watermarks.
func (w *writer) tableElements(d *TableDef) {
	var items []func()
	for _, c := range d.Columns {
		items = append(items, func() { w.columnDef(c) })
	}
	for _, n := range d.Like {
		items = append(items, func() {
			w.put("LIKE ")
			w.name(n)
		})
	}
	for _, c := range d.Constraints {
		items = append(items, func() { w.constraint(c) })
	}
	for _, m := range d.Watermarks {
		items = append(items, func() { w.watermark(m) })
	}
	if len(items) == 0 {
		return
	}
	w.put(" ")
	w.block(len(items), func(i int) { items[i]() })
}

func (w *writer) tableOptions(d *TableDef) {
	if d.AppendOnly {
		w.brk()
		w.put("APPEND ONLY")
	}
	for _, i := range d.Include {
		w.brk()
		w.include(i)
	}
	if d.Partition != nil {
		w.brk()
		w.put("PARTITIONED BY ")
		w.idents(d.Partition)
	}
	if d.Comment != "" {
		w.brk()
		w.put("COMMENT ", QuoteString(d.Comment))
	}
	w.withOptions(d.Options)
	w.format(d.Format)
}

func (w *writer) columnDef(c *ColumnDef) {
	w.ident(c.Name)
	if c.Type != nil {
		w.put(" ")
		w.typeName(c.Type)
	}
	if c.Collation != nil {
		w.put(" COLLATE ")
		w.name(c.Collation)
	}
	if c.IsMetadata {
		w.put(" METADATA")
		if c.Metadata != c.Name.Name {
			w.put(" FROM ", QuoteString(c.Metadata))
		}
	}
	if c.Generated != nil {
		if c.Type != nil {
			w.put(" GENERATED ALWAYS")
		}
		w.put(" AS ")
		w.parens(func() { w.expr(c.Generated) })
	}
	if c.Identity != NotIdentity {
		w.put(" GENERATED ", string(c.Identity), " AS IDENTITY")
	}
	w.flag(c.Stored, " STORED")
	w.flag(c.Virtual, " VIRTUAL")
	if c.Default != nil {
		w.put(" DEFAULT ")
		w.above(c.Default, precUnary-1)
	}
	w.flag(c.NotNull, " NOT NULL")
	w.flag(c.Null, " NULL")
	w.flag(c.PrimaryKey, " PRIMARY KEY")
	w.flag(c.KeyNotEnforced, " NOT ENFORCED")
	w.flag(c.Unique, " UNIQUE")
	for _, x := range c.Checks {
		w.put(" CHECK ")
		w.parens(func() { w.expr(x) })
	}
	if c.References != nil {
		w.references(c.References)
	}
	if c.Comment != "" {
		w.put(" COMMENT ", QuoteString(c.Comment))
	}
}

func (w *writer) references(r *References) {
	w.put(" REFERENCES ")
	w.name(r.Table)
	if r.Columns != nil {
		w.put(" ")
		w.idents(r.Columns)
	}
}

func (w *writer) constraint(c *Constraint) {
	if !c.Name.IsZero() {
		w.put("CONSTRAINT ")
		w.ident(c.Name)
		w.put(" ")
	}
	w.put(string(c.Kind), " ")
	if c.Check != nil {
		w.parens(func() { w.expr(c.Check) })
	} else {
		w.idents(c.Columns)
	}
	if c.References != nil {
		w.references(c.References)
	}
	w.flag(c.NotEnforced, " NOT ENFORCED")
}

func (w *writer) watermark(m *Watermark) {
	w.put("WATERMARK FOR ")
	w.ident(m.Column)
	if m.X != nil {
		w.put(" AS ")
		w.expr(m.X)
	}
}

func (w *writer) include(i *Include) {
	w.put("INCLUDE ")
	w.ident(Ident{Name: i.What})
	if i.Field != "" {
		w.put(" ", QuoteString(i.Field))
	}
	if i.Type != nil {
		w.put(" ")
		w.typeName(i.Type)
	}
	if !i.Alias.IsZero() {
		w.put(" AS ")
		w.ident(i.Alias)
	}
}

func (w *writer) format(f *FormatSpec) {
	if f == nil {
		return
	}
	w.brk()
	w.put("FORMAT ")
	w.formatKind(f.Kind)
	if f.Encode != "" {
		w.put(" ENCODE ")
		w.formatKind(f.Encode)
	}
	if len(f.Options) > 0 {
		w.put(" ")
		w.options(f.Options)
	}
	if f.KeyEncode != "" {
		w.put(" KEY ENCODE ")
		w.formatKind(f.KeyEncode)
		if len(f.KeyOptions) > 0 {
			w.put(" ")
			w.options(f.KeyOptions)
		}
	}
}

func (w *writer) formatKind(kind string) {
	if isBareWord(kind) {
		w.put(strings.ToUpper(kind))
		return
	}
	w.put(QuoteString(kind))
}

func (w *writer) createView(s *CreateView) {
	kind := "VIEW"
	if s.Recursive {
		kind = "RECURSIVE VIEW"
	}
	if s.Materialized {
		kind = "MATERIALIZED " + kind
		if s.Recursive {
			kind = "MATERIALIZED RECURSIVE VIEW"
		}
	}
	w.createWords(s.OrReplace, s.Temporary, kind, s.IfNotExists)
	w.name(s.Name)
	if s.Columns != nil {
		w.put(" ")
		w.idents(s.Columns)
	}
	w.withOptions(s.Options)
	if len(s.Options) > 0 {
		w.brk()
		w.put("AS")
	} else {
		w.put(" AS")
	}
	w.brk()
	w.query(s.Query)
	if s.NoData {
		w.brk()
		w.put("WITH NO DATA")
	}
}

func (w *writer) createSink(s *CreateSink) {
	w.createWords(s.OrReplace, false, "SINK", s.IfNotExists)
	if s.Name != nil {
		w.name(s.Name)
		w.put(" ")
	}
	if s.Into != nil {
		w.put("INTO ")
		w.name(s.Into)
		if s.IntoColumns != nil {
			w.put(" ")
			w.idents(s.IntoColumns)
		}
		w.put(" ")
	}
	if s.Query != nil {
		w.put("AS")
		w.brk()
		w.query(s.Query)
	} else {
		w.put("FROM ")
		w.name(s.From)
	}
	w.withOptions(s.Options)
	w.format(s.Format)
}

func (w *writer) createIndex(s *CreateIndex) {
	w.put("CREATE ")
	w.flag(s.Unique, "UNIQUE ")
	w.put("INDEX ")
	w.flag(s.IfNotExists, "IF NOT EXISTS ")
	if s.Name != nil {
		w.name(s.Name)
		w.put(" ")
	}
	w.put("ON ")
	w.name(s.Table)
	w.put(" ")
	if !s.Using.IsZero() {
		w.put("USING ")
		w.ident(s.Using)
		w.put(" ")
	}
	w.parens(func() { commas(w, s.Keys, w.orderItem) })
	if s.Include != nil {
		w.put(" INCLUDE ")
		w.idents(s.Include)
	}
	w.withOptions(s.Options)
	w.clause("WHERE ", s.Where)
}

func (w *writer) alterAction(a AlterAction) {
	switch a := a.(type) {
	case *AlterPause:
		w.put("PAUSE")
	case *AlterResume:
		w.put("RESUME")
	case *AlterSet:
		w.alterSet(a)
	case *AlterReset:
		w.put("RESET ")
		w.parens(func() { commas(w, a.Keys, w.optionKey) })
	case *AlterRename:
		w.put("RENAME TO ")
		w.ident(a.To)
	case *AlterSetSchema:
		w.put("SET SCHEMA ")
		w.ident(a.Schema)
	case *AlterRenameColumn:
		w.put("RENAME COLUMN ")
		w.ident(a.From)
		w.put(" TO ")
		w.ident(a.To)
	case *AlterAddColumn:
		w.put("ADD COLUMN ")
		w.flag(a.IfNotExists, "IF NOT EXISTS ")
		w.columnDef(a.Column)
	case *AlterDropColumn:
		w.put("DROP COLUMN ")
		w.flag(a.IfExists, "IF EXISTS ")
		w.ident(a.Column)
		w.behavior(a.Behavior)
	case *AlterColumn:
		w.alterColumn(a)
	case *AlterAddConstraint:
		w.put("ADD ")
		w.constraint(a.Constraint)
	case *AlterDropConstraint:
		w.put("DROP CONSTRAINT ")
		w.flag(a.IfExists, "IF EXISTS ")
		w.ident(a.Name)
		w.behavior(a.Behavior)
	case *AlterAddWatermark:
		w.put("ADD ")
		w.watermark(a.Watermark)
	case *AlterAs:
		if a.DryRun {
			w.put("DRY RUN ")
		}
		w.put("AS ")
		w.query(a.Query)
	}
}

// alterSet writes SET (a = 1), or SET a = DEFAULT where a value is missing.
func (w *writer) alterSet(a *AlterSet) {
	w.put("SET ")
	if len(a.Options) == 1 && a.Options[0].Value == nil {
		w.optionKey(a.Options[0].Key)
		w.put(" = DEFAULT")
		return
	}
	w.parens(func() { commas(w, a.Options, w.option) })
}

func (w *writer) alterColumn(a *AlterColumn) {
	w.put("ALTER COLUMN ")
	w.ident(a.Column)
	switch {
	case a.SetDefault != nil:
		w.put(" SET DEFAULT ")
		w.expr(a.SetDefault)
	case a.DropDefault:
		w.put(" DROP DEFAULT")
	case a.SetNotNull:
		w.put(" SET NOT NULL")
	case a.DropNotNull:
		w.put(" DROP NOT NULL")
	case a.Type != nil:
		w.put(" TYPE ")
		w.typeName(a.Type)
		if a.Using != nil {
			w.put(" USING ")
			w.expr(a.Using)
		}
	}
}
