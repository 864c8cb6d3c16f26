package state

// rows are what Hash and Ordered share: value columns by slot, and what an epoch changed.
type rows struct{}

// Spec implements Table.
func (r *rows) Spec() *Spec { panic("unfinished") }

// I64 returns value column col, which must be of kind Int64. The pointer is good for the life of the table.
func (r *rows) I64(col int) *I64Column { panic("unfinished") }

// F64 returns value column col, which must be of kind Float64.
func (r *rows) F64(col int) *F64Column { panic("unfinished") }

// Wide returns value column col, which must be of kind Wide.
func (r *rows) Wide(col int) *WideColumn { panic("unfinished") }

// Blob returns value column col, which must be of kind Bytes.
func (r *rows) Blob(col int) *BytesColumn { panic("unfinished") }

// Touch marks a live row changed in this epoch and reports whether it was not so before: the moment to save the old row.
func (r *rows) Touch(slot uint32) (first bool) { panic("unfinished") }

// TouchAll touches all slots and returns first with those appended that were not changed before in this epoch.
func (r *rows) TouchAll(slots []uint32, first []uint32) []uint32 { panic("unfinished") }

// Changed returns the slots touched in this epoch, in order of their first touch, without deleted ones.
func (r *rows) Changed(dst []uint32) []uint32 { panic("unfinished") }

// Slots appends all live slots in ascending order.
func (r *rows) Slots(dst []uint32) []uint32 { panic("unfinished") }

// Live reports whether the slot holds a row.
func (r *rows) Live(slot uint32) bool { panic("unfinished") }

// Len returns the number of live rows.
func (r *rows) Len() int { panic("unfinished") }

// Bytes returns the memory held.
func (r *rows) Bytes() int64 { panic("unfinished") }
