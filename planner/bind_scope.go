package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// scope is the names that expressions over one input can use.
type scope struct {
	cols []scopeColumn
	rels []scopeRel
	// apart are the names of items of FROM that stand elsewhere in it, for messages.
	apart []string
}

// scopeColumn is one visible column of the FROM clause.
type scopeColumn struct {
	rel   int // index in scope.rels; -1: a column that USING or NATURAL merged, of no one relation
	name  string
	typ   types.Type
	index int // column of the node
	// qualified: the column is found, by * too, with its relation's name only, because USING or NATURAL merged it.
	qualified bool
}

// scopeRel is one item of the FROM clause.
type scopeRel struct {
	name string // alias, or the object's own name; "" for a derived table without alias
	// object is the catalog name of a table or view without alias, "" of all else.
	object string
	// hidden is the name that an alias hides, for messages.
	hidden string
	// key are the node's columns of a trusted primary key; nil if there is none.
	key []int
}

// lookup finds a column by a possibly qualified name.
//
// Errors: CodeUndefinedColumn, CodeAmbiguousColumn, CodeUndefinedTable, with the nearest name as a hint.
func (s *scope) lookup(ref *sql.ColumnRef) (*expr.Column, error) {
	last := ref.Parts[len(ref.Parts)-1]
	rel := -1
	if len(ref.Parts) > 1 {
		var err error
		if rel, err = s.relation(ref.Parts[:len(ref.Parts)-1]); err != nil {
			return nil, err
		}
	}
	found := -1
	for i, c := range s.cols {
		if c.name != last.Name || rel >= 0 && c.rel != rel || rel < 0 && c.qualified {
			continue
		}
		if found >= 0 {
			return nil, types.Errorf(types.CodeAmbiguousColumn, "column reference %q is ambiguous", last.Name).At(ref.Span())
		}
		found = i
	}
	if found < 0 {
		return nil, s.unknownColumn(ref, rel)
	}
	c := s.cols[found]
	return &expr.Column{Base: expr.Base{T: c.typ, Sp: ref.Span()}, Index: c.index, Name: c.name}, nil
}

// relation finds an item of FROM by its name, which may be qualified with a schema.
func (s *scope) relation(qualifier []sql.Ident) (int, error) {
	name := qualifier[len(qualifier)-1].Name
	sp := qualifier[0].Span().Cover(qualifier[len(qualifier)-1].Span())
	full := joinIdents(qualifier)
	if len(qualifier) == 2 && qualifier[0].Name == publicSchema {
		full = name
	}
	found := -1
	var names []string
	for i, r := range s.rels {
		if len(qualifier) == 1 && r.name == name || len(qualifier) > 1 && r.object == full {
			if found >= 0 {
				return 0, types.Errorf(codeAmbiguousAlias, "table reference %q is ambiguous", name).At(sp)
			}
			found = i
		}
		if r.name != "" {
			names = append(names, r.name)
		}
	}
	if found >= 0 {
		return found, nil
	}
	if slices.Contains(s.apart, name) {
		return 0, types.Errorf(types.CodeUndefinedTable, "invalid reference to FROM-clause entry for table %q", name).At(sp).
			WithHint("there is an entry for table %q, but it cannot be referenced from this part of the query", name)
	}
	for _, r := range s.rels {
		if r.hidden == full {
			return 0, types.Errorf(types.CodeUndefinedTable, "invalid reference to FROM-clause entry for table %q", name).At(sp).
				WithHint("perhaps you meant to reference the table alias %q", r.name)
		}
	}
	err := types.Errorf(types.CodeUndefinedTable, "missing FROM-clause entry for table %q", name).At(sp)
	if near := types.Nearest(name, names); near != "" {
		return 0, err.WithHint("did you mean %q?", near)
	}
	return 0, err
}

// codeAmbiguousAlias is PostgreSQL's SQLSTATE of a table name that two items of FROM have.
const codeAmbiguousAlias types.Code = "42P09"

func (s *scope) unknownColumn(ref *sql.ColumnRef, rel int) error {
	last := ref.Parts[len(ref.Parts)-1]
	var names []string
	for _, c := range s.cols {
		if rel < 0 || c.rel == rel {
			names = append(names, c.name)
		}
	}
	text := "\"" + last.Name + "\""
	if len(ref.Parts) > 1 {
		text = joinIdents(ref.Parts)
	} else if slices.ContainsFunc(s.rels, func(r scopeRel) bool { return r.name == last.Name }) {
		return types.NotSupported(ref.Span(), "a whole row as a value (%s)", last.Name)
	}
	err := types.Errorf(types.CodeUndefinedColumn, "column %s does not exist", text).At(ref.Span())
	if near := types.Nearest(last.Name, names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	if len(names) > 0 && len(names) <= 12 {
		return err.WithHint("there is: %s", quotedList(names))
	}
	return err
}

// publicSchema is the one schema of user objects.
const publicSchema = "public"

func joinIdents(parts []sql.Ident) string {
	s := parts[0].Name
	for _, p := range parts[1:] {
		s += "." + p.Name
	}
	return s
}

func quotedList(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// addRelation puts the columns of a schema into the scope under a name.
func (s *scope) addRelation(name string, schema types.Schema, key []int) {
	s.rels = append(s.rels, scopeRel{name: name, object: name, key: key})
	for i, f := range schema {
		s.cols = append(s.cols, scopeColumn{rel: len(s.rels) - 1, name: f.Name, typ: f.Type, index: i})
	}
}

// column returns a column of the scope as an expression.
func (c scopeColumn) column(sp types.Span) *expr.Column {
	return &expr.Column{Base: expr.Base{T: c.typ, Sp: sp}, Index: c.index, Name: c.name}
}

// star returns the columns that * stands for, or those of the relation rel that its * does.
func (s *scope) star(rel int) []scopeColumn {
	var cols []scopeColumn
	for _, c := range s.cols {
		if rel < 0 && !c.qualified || rel >= 0 && c.rel == rel {
			cols = append(cols, c)
		}
	}
	return cols
}

// shifted returns the scope over a node in which offset columns stand before those of this one.
func (s *scope) shifted(offset int) *scope {
	out := &scope{cols: slices.Clone(s.cols), rels: slices.Clone(s.rels)}
	for i := range out.cols {
		out.cols[i].index += offset
	}
	for i, r := range out.rels {
		out.rels[i].key = shiftColumns(r.key, offset)
	}
	return out
}

// beside returns the scope over the columns of two nodes side by side, of which left has width columns.
//
// Errors: CodeDuplicateAlias for a name that both have.
func (s *scope) beside(right *scope, width int, sp types.Span) (*scope, error) {
	for _, r := range right.rels {
		for _, l := range s.rels {
			if r.name != "" && r.name == l.name && (r.object == "" || l.object == "" || r.object == l.object) {
				return nil, types.Errorf(types.CodeDuplicateAlias, "table name %q specified more than once", r.name).At(sp).
					WithHint("give it an alias: %s AS other_name", r.name)
			}
		}
	}
	out := s.shifted(0)
	moved := right.shifted(width)
	for i := range moved.cols {
		if moved.cols[i].rel >= 0 {
			moved.cols[i].rel += len(out.rels)
		}
	}
	out.cols, out.rels = append(out.cols, moved.cols...), append(out.rels, moved.rels...)
	return out, nil
}

func shiftColumns(cols []int, offset int) []int {
	if cols == nil {
		return nil
	}
	out := make([]int, len(cols))
	for i, c := range cols {
		out[i] = c + offset
	}
	return out
}
