package probes

import (
	"errors"
	"runtime/debug"
	"time"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/bench/measure"
)

// used is what some work took.
type used struct {
	cpu, wall time.Duration
	peak      int64 // resident bytes
	left      int64 // bytes of the state tables behind it
}

// spend opens a database, makes it ready, and measures the work.
func spend(open func() (*streamsql.DB, error), ready, work func(*streamsql.DB) error) (u used, err error) {
	debug.FreeOSMemory()
	if err := measure.ResetPeak(); err != nil {
		return u, err
	}
	db, err := open()
	if err != nil {
		return u, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := ready(db); err != nil {
		return u, err
	}
	before, err := measure.CPU()
	if err != nil {
		return u, err
	}
	start := time.Now()
	if err := work(db); err != nil {
		return u, err
	}
	u.wall = time.Since(start)
	after, err := measure.CPU()
	if err != nil {
		return u, err
	}
	u.cpu = after - before
	if _, u.peak, err = measure.Memory(); err != nil {
		return u, err
	}
	for _, t := range db.Stats().Tables {
		u.left += t.Bytes
	}
	return u, nil
}
