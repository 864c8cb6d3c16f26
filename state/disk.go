package state

import (
	"iter"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// disk is the durable part of a Store.
type disk struct{}

func openDisk(fs vfs.FS, dir string, opts Options) (*Store, error) { panic("unfinished") }

func (d *disk) close() error                                      { panic("unfinished") }
func (d *disk) generation() uint64                                { panic("unfinished") }
func (d *disk) prepare(rec *Record) error                         { panic("unfinished") }
func (d *disk) load(t Table, accept func(hash uint64) bool) error { panic("unfinished") }
func (d *disk) catalog() iter.Seq2[CatalogEntry, error]           { panic("unfinished") }
func (d *disk) outbox(sink uint64, after changelog.Epoch) iter.Seq2[OutboxEntry, error] {
	panic("unfinished")
}
func (d *disk) rejected(after changelog.Epoch) iter.Seq2[RejectedEntry, error] { panic("unfinished") }
func (d *disk) fold() error                                                    { panic("unfinished") }
func (d *disk) stats() Stats                                                   { panic("unfinished") }
