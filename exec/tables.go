package exec

import (
	"fmt"
	"sync"

	"github.com/streamsql/streamsql/state"
)

// vertexTable is one worker's part of a table of a vertex.
type vertexTable struct {
	name   string
	worker int
	table  state.Table
}

// tableOpener gives tables to the operators of one vertex on one worker.
type tableOpener struct {
	mu      *sync.Mutex // guards v.tables and meta: workers open at the same time
	v       *vertex
	worker  int
	workers int
	store   *state.Store // nil: the tables live in memory only
	meta    *meta
}

// open numbers the table and brings back its rows that this worker owns.
func (o *tableOpener) open(name string, spec *state.Spec, make func() state.Table) error {
	known, err := o.number(name, spec)
	if err != nil {
		return err
	}
	t := make()
	if known {
		if err := o.store.Load(t, func(hash uint64) bool { return owner(hash, o.workers) == o.worker }); err != nil {
			return fmt.Errorf("load table %s: %w", spec.Name, err)
		}
	}
	o.mu.Lock()
	o.v.tables = append(o.v.tables, vertexTable{name: name, worker: o.worker, table: t})
	o.mu.Unlock()
	return nil
}

// number gives the table its id and reports whether the log may know it.
func (o *tableOpener) number(name string, spec *state.Spec) (known bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.v.tables {
		if t.name == name && t.worker == o.worker {
			return false, fmt.Errorf("internal error: %s opens table %q twice", o.v.label, name)
		}
	}
	spec.Name = o.v.label + "." + name
	if o.store == nil {
		return false, nil
	}
	vm := o.meta.vertex(o.v.key)
	if spec.ID, known = vm.Tables[name]; !known {
		spec.ID = o.meta.NextTable
		o.meta.NextTable++
		if vm.Tables == nil {
			vm.Tables = map[string]state.TableID{}
		}
		vm.Tables[name] = spec.ID
	}
	return known, nil
}

// Hash implements Tables.
func (o *tableOpener) Hash(name string, spec state.Spec) (t *state.Hash, err error) {
	err = o.open(name, &spec, func() state.Table { t = state.NewHash(spec); return t })
	return t, err
}

// Windowed implements Tables.
func (o *tableOpener) Windowed(name string, spec state.Spec) (t *state.Windowed, err error) {
	spec.Windowed = true
	err = o.open(name, &spec, func() state.Table { t = state.NewWindowed(spec); return t })
	return t, err
}

// Ordered implements Tables.
func (o *tableOpener) Ordered(name string, spec state.Spec) (t *state.Ordered, err error) {
	err = o.open(name, &spec, func() state.Table { t = state.NewOrdered(spec); return t })
	return t, err
}

// Multi implements Tables.
func (o *tableOpener) Multi(name string, spec state.MultiSpec) (t *state.Multi, err error) {
	var s state.Spec
	err = o.open(name, &s, func() state.Table {
		spec.ID, spec.Name = s.ID, s.Name
		t = state.NewMulti(spec)
		return t
	})
	return t, err
}
