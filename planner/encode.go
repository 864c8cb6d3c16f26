package planner

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"sync"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// Plan is a stored plan: a DAG with one root. The zero Plan is empty. Its gob form keeps shared nodes shared.
type Plan struct{ Root *Node }

// registerGob makes the concrete types behind the interfaces of plans known to gob, once.
var registerGob = sync.OnceFunc(func() {
	for _, v := range expr.GobTypes() {
		gob.Register(v)
	}
	for _, op := range []Op{
		&Scan{}, &Watermark{}, &Values{}, &ViewScan{}, &Filter{}, &Project{}, &Union{}, &WindowExpand{}, &SessionExpand{},
		&Aggregate{}, &WindowAggregate{}, &EmitEvery{}, &Sink{}, &Materialize{}, &Output{},
		&Join{}, &TemporalJoin{}, &AsofJoin{}, &Over{}, &TopN{}, &TableFunc{}, &TemporalFilter{}, &TableInput{},
	} {
		gob.Register(op)
	}
})

// planRecord is the stored form of a plan: nodes in an order in which inputs precede their users; the root is last.
type planRecord struct {
	Version int
	Nodes   []nodeRecord
}

type nodeRecord struct {
	ID     OpID
	Op     Op
	Inputs []int // indices of earlier nodes
	Schema types.Schema
	Props  Props
}

const planVersion = 1

// EncodePlan returns the stored form of a plan.
func EncodePlan(root *Node) ([]byte, error) {
	registerGob()
	rec := planRecord{Version: planVersion}
	if root != nil {
		index := map[*Node]int{}
		var add func(n *Node) int
		add = func(n *Node) int {
			if i, ok := index[n]; ok {
				return i
			}
			r := nodeRecord{ID: n.ID, Op: n.Op, Schema: n.Schema, Props: n.Props}
			for _, in := range n.Inputs {
				r.Inputs = append(r.Inputs, add(in))
			}
			rec.Nodes = append(rec.Nodes, r)
			index[n] = len(rec.Nodes) - 1
			return index[n]
		}
		add(root)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(rec); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return buf.Bytes(), nil
}

// DecodePlan reads what EncodePlan wrote.
//
// Errors: CodeDataCorrupted.
func DecodePlan(data []byte) (*Node, error) {
	registerGob()
	var rec planRecord
	if err := decodeGob(data, &rec); err != nil {
		return nil, types.Errorf(types.CodeDataCorrupted, "decode plan: %v", err)
	}
	if rec.Version != planVersion {
		return nil, types.Errorf(types.CodeDataCorrupted, "the plan has version %d, this program reads %d", rec.Version, planVersion)
	}
	nodes := make([]*Node, len(rec.Nodes))
	for i, r := range rec.Nodes {
		if r.Op == nil {
			return nil, types.Errorf(types.CodeDataCorrupted, "decode plan: node %d has no operator", i)
		}
		n := &Node{ID: r.ID, Op: r.Op, Schema: r.Schema, Props: r.Props}
		for _, in := range r.Inputs {
			if in < 0 || in >= i {
				return nil, types.Errorf(types.CodeDataCorrupted, "decode plan: node %d reads node %d", i, in)
			}
			n.Inputs = append(n.Inputs, nodes[in])
		}
		nodes[i] = n
	}
	if len(nodes) == 0 {
		return nil, nil
	}
	return nodes[len(nodes)-1], nil
}

// decodeGob decodes data into v; gob panics on some damaged input, which becomes an error here.
func decodeGob(data []byte, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged: %v", r)
		}
	}()
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// GobEncode implements gob.GobEncoder.
func (p Plan) GobEncode() ([]byte, error) { return EncodePlan(p.Root) }

// GobDecode implements gob.GobDecoder.
func (p *Plan) GobDecode(data []byte) error {
	root, err := DecodePlan(data)
	p.Root = root
	return err
}

// GobEncode implements gob.GobEncoder, which refuses structs without fields.
func (*Union) GobEncode() ([]byte, error) { return []byte{}, nil }

// GobDecode implements gob.GobDecoder.
func (*Union) GobDecode([]byte) error { return nil }

// GobEncode implements gob.GobEncoder, which refuses structs without fields.
func (*Output) GobEncode() ([]byte, error) { return []byte{}, nil }

// GobDecode implements gob.GobDecoder.
func (*Output) GobDecode([]byte) error { return nil }
