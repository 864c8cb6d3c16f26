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
}

// scopeColumn is one visible column of the FROM clause.
type scopeColumn struct {
	rel   int // index in scope.rels
	name  string
	typ   types.Type
	index int // column of the node
}

// scopeRel is one item of the FROM clause.
type scopeRel struct {
	name string // alias, or the object's own name; "" for a derived table without alias
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
		if c.name != last.Name || rel >= 0 && c.rel != rel {
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

// relation finds an item of FROM by its name, which may be qualified with the schema public.
func (s *scope) relation(qualifier []sql.Ident) (int, error) {
	name := qualifier[len(qualifier)-1].Name
	full := joinIdents(qualifier)
	var names []string
	for i, r := range s.rels {
		if r.name == name && (len(qualifier) == 1 || qualifier[0].Name == publicSchema || r.name == full) || r.name == full {
			return i, nil
		}
		if r.name != "" {
			names = append(names, r.name)
		}
	}
	err := types.Errorf(types.CodeUndefinedTable, "missing FROM-clause entry for table %q", name).At(qualifier[0].Span().Cover(qualifier[len(qualifier)-1].Span()))
	if near := types.Nearest(name, names); near != "" {
		return 0, err.WithHint("did you mean %q?", near)
	}
	return 0, err
}

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

// addRelation puts the columns [from, from+len(schema)) of a node into the scope under a name.
func (s *scope) addRelation(name string, schema types.Schema, key []int) {
	s.rels = append(s.rels, scopeRel{name: name, key: key})
	for i, f := range schema {
		s.cols = append(s.cols, scopeColumn{rel: len(s.rels) - 1, name: f.Name, typ: f.Type, index: i})
	}
}
