package planner

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// Catalog is an immutable snapshot of all objects of an engine. Changes make a new snapshot, which shares the objects; an
// object is never changed either. It is safe for concurrent use.
//
// Invariants: ids are given out once and never again; names are unique; an object's Deps exist.
type Catalog struct {
	next   ObjectID
	byName map[string]*Object
	byID   map[ObjectID]*Object
	done   []DoneStatement
	// schemas are those that users have made.
	schemas []string
}

// Object is one catalog object; exactly one of the pointers behind Kind is set.
type Object struct {
	ID   ObjectID
	Name string
	Kind ObjectKind
	// Text is the statement that made the object, for SHOW CREATE.
	Text string
	// Declared is the statement of a table's CREATE if ALTER TABLE has changed it since, and Text with it.
	Declared string
	// Deps are the objects that this one's query reads, ascending.
	Deps []ObjectID
	// Paused: the object's query stands still until it is resumed.
	Paused bool

	Source *Source  // of KindSource, and of KindTable that can be read
	View   *View    // of KindView and KindMaterializedView
	Sink   *SinkDef // of KindSink, and of KindTable that can be written
	Table  *Table   // of KindTable that is kept here
	Index  *Index
	System *System
}

// ObjectKind is the kind of a catalog object.
type ObjectKind uint8

// The kinds, in the order of the stored form: append only.
const (
	KindSource           ObjectKind = iota
	KindTable                       // kept here, or with a connector: an external source, sink or both
	KindView                        // a name for a query
	KindMaterializedView            // kept up to date
	KindSink
	KindSystem // built in, such as streamsql.rejected
	KindIndex
)

// String returns the kind in words.
func (k ObjectKind) String() string {
	return [...]string{"source", "table", "view", "materialized view", "sink", "system relation", "index"}[k]
}

// Schema returns the visible columns of the object; nil for a sink, whose columns are its query's.
func (o *Object) Schema() types.Schema {
	switch {
	case o.Source != nil:
		return o.Source.Schema()
	case o.View != nil:
		return o.View.Schema
	case o.Table != nil:
		return o.Table.Schema()
	case o.System != nil:
		return o.System.Schema
	case o.Sink != nil:
		return o.Sink.Schema
	}
	return nil
}

// Kept returns the plan that keeps the rows of a materialized view or table, whose root is a Materialize; else nil.
func (o *Object) Kept() *Node {
	switch {
	case o.Kind == KindMaterializedView:
		return o.View.Physical.Root
	case o.Table != nil:
		return o.Table.Physical.Root
	}
	return nil
}

// NewCatalog returns a catalog with the system relations only.
func NewCatalog() *Catalog {
	c := &Catalog{next: FirstUserID, byName: map[string]*Object{}, byID: map[ObjectID]*Object{}}
	for _, o := range systemObjects() {
		c.byName[o.Name], c.byID[o.ID] = o, o
	}
	return c
}

// Lookup returns the object of that name, or nil. The names of system relations are qualified: "streamsql.rejected"; those of pg_catalog
// are found without it too.
func (c *Catalog) Lookup(name string) *Object {
	if o := c.byName[name]; o != nil {
		return o
	}
	return virtual(name)
}

// Object returns the object with that id, or nil.
func (c *Catalog) Object(id ObjectID) *Object {
	if o := c.byID[id]; o != nil {
		return o
	}
	return virtualByID(id)
}

// Objects returns all objects in the order of their creation, system relations first.
func (c *Catalog) Objects() []*Object {
	list := slices.Collect(maps.Values(c.byID))
	slices.SortFunc(list, func(a, b *Object) int { return int(a.ID) - int(b.ID) })
	return list
}

// Names returns the names of all objects, sorted.
func (c *Catalog) Names() []string { return slices.Sorted(maps.Keys(c.byName)) }

// NextID returns the id that the next object gets.
func (c *Catalog) NextID() ObjectID { return c.next }

// Add returns the catalog with one object more. The object's ID must be NextID, or 0 to have it set (on a copy).
//
// Errors: CodeDuplicateTable.
func (c *Catalog) Add(o *Object) (*Catalog, error) {
	if have := c.byName[o.Name]; have != nil {
		return nil, duplicateObject(have)
	}
	if o.ID == 0 {
		o2 := *o
		o2.ID = c.next
		o = &o2
	}
	if o.ID != c.next {
		return nil, types.Errorf(types.CodeInternal, "object %q has id %d, wanted %d", o.Name, o.ID, c.next)
	}
	n := c.clone()
	n.next++
	n.byName[o.Name], n.byID[o.ID] = o, o
	return n, nil
}

func duplicateObject(have *Object) *types.Error {
	return types.Errorf(types.CodeDuplicateTable, "%s %q already exists", have.Kind, have.Name)
}

// Rename returns the catalog with an object under another name.
//
// Errors: CodeDuplicateTable; CodeUndefinedTable.
func (c *Catalog) Rename(id ObjectID, name string) (*Catalog, error) {
	o := c.byID[id]
	if o == nil {
		return nil, types.Errorf(types.CodeUndefinedTable, "object %d does not exist", id)
	}
	if have := c.byName[name]; have != nil {
		return nil, duplicateObject(have)
	}
	n := c.clone()
	o2 := *o
	o2.Name = name
	delete(n.byName, o.Name)
	n.byName[name], n.byID[id] = &o2, &o2
	return n, nil
}

// Replace returns the catalog with another version of an object, of the same id and name.
func (c *Catalog) Replace(o *Object) *Catalog {
	n := c.clone()
	n.byName[o.Name], n.byID[o.ID] = o, o
	return n
}

// SetPaused returns the catalog in which the queries of the objects stand still, or go on.
func (c *Catalog) SetPaused(ids []ObjectID, paused bool) *Catalog {
	n := c.clone()
	for _, id := range ids {
		o := *n.byID[id]
		o.Paused = paused
		n.byName[o.Name], n.byID[id] = &o, &o
	}
	return n
}

// Drop returns the catalog without the object, and what was dropped, dependents first. Without cascade an object that
// others depend on is not dropped.
//
// Errors: CodeDependentObjects naming the dependents; CodeWrongObjectType for system relations.
func (c *Catalog) Drop(id ObjectID, cascade bool) (*Catalog, []*Object, error) {
	o := c.byID[id]
	if o == nil {
		return nil, nil, types.Errorf(types.CodeUndefinedTable, "object %d does not exist", id)
	}
	if o.Kind == KindSystem {
		return nil, nil, types.Errorf(types.CodeWrongObjectType, "%q is a system relation and cannot be dropped", o.Name)
	}
	deps := c.Dependents(id)
	others := slices.DeleteFunc(slices.Clone(deps), func(d *Object) bool { return d.Index != nil && d.Index.Table == id })
	if len(others) > 0 && !cascade { // indexes go with what they are of
		names := make([]string, len(others))
		for i, d := range others {
			names[i] = fmt.Sprintf("%s %q", d.Kind, d.Name)
		}
		return nil, nil, types.Errorf(types.CodeDependentObjects, "cannot drop %s %q because other objects depend on it", o.Kind, o.Name).
			WithHint("%s: drop them first, or use DROP ... CASCADE", strings.Join(names, ", "))
	}
	slices.Reverse(deps) // a dependent is younger than what it reads
	dropped := append(deps, o)
	n := c.clone()
	for _, d := range dropped {
		delete(n.byName, d.Name)
		delete(n.byID, d.ID)
		n.done = slices.DeleteFunc(slices.Clone(n.done), func(x DoneStatement) bool { return x.Table == d.ID })
	}
	return n, dropped, nil
}

// Dependents returns the objects that read id, directly or through others, in the order of their creation.
func (c *Catalog) Dependents(id ObjectID) []*Object {
	found := map[ObjectID]bool{id: true}
	var list []*Object
	for _, o := range c.Objects() {
		if slices.ContainsFunc(o.Deps, func(d ObjectID) bool { return found[d] }) {
			found[o.ID] = true
			list = append(list, o)
		}
	}
	return list
}

func (c *Catalog) clone() *Catalog {
	return &Catalog{next: c.next, byName: maps.Clone(c.byName), byID: maps.Clone(c.byID), done: c.done, schemas: c.schemas}
}

// catalogRecord is the stored form of a catalog.
type catalogRecord struct {
	Version int
	Next    ObjectID
	Objects []*Object
	Done    []DoneStatement
	Schemas []string
}

const catalogVersion = 1

// Encode returns the stored form of the user's objects; DecodeCatalog reads it.
func (c *Catalog) Encode() ([]byte, error) {
	registerGob()
	rec := catalogRecord{Version: catalogVersion, Next: c.next, Done: c.done, Schemas: c.schemas}
	for _, o := range c.Objects() {
		if o.Kind != KindSystem {
			rec.Objects = append(rec.Objects, o)
		}
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(rec); err != nil {
		return nil, fmt.Errorf("encode catalog: %w", err)
	}
	return buf.Bytes(), nil
}

// DecodeCatalog reads what Encode wrote.
//
// Errors: CodeDataCorrupted.
func DecodeCatalog(data []byte) (*Catalog, error) {
	registerGob()
	var rec catalogRecord
	if err := decodeGob(data, &rec); err != nil {
		return nil, types.Errorf(types.CodeDataCorrupted, "decode catalog: %v", err)
	}
	if rec.Version != catalogVersion {
		return nil, types.Errorf(types.CodeDataCorrupted, "the catalog has version %d, this program reads %d", rec.Version, catalogVersion)
	}
	c := NewCatalog()
	for _, o := range rec.Objects {
		if o.ID < FirstUserID || o.ID >= rec.Next || c.byID[o.ID] != nil || c.byName[o.Name] != nil {
			return nil, types.Errorf(types.CodeDataCorrupted, "decode catalog: object %q has the impossible id %d or occurs twice", o.Name, o.ID)
		}
		c.byName[o.Name], c.byID[o.ID] = o, o
	}
	c.next, c.done, c.schemas = max(rec.Next, FirstUserID), rec.Done, rec.Schemas
	return c, nil
}
