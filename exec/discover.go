package exec

import (
	"context"
	"fmt"
	"time"

	"github.com/streamsql/streamsql/changelog"
)

// watch opens the source of a scan, if that is still to be done, and asks it now and then for new partitions.
//
// Sources are called from one goroutine at a time: calls holds the lock for them and for the readers.
func (l *scanLeaf) watch(e *Engine, v *vertex, open bool, known map[string]*partMeta) {
	ctx, cancel := context.WithCancel(l.in.ctx)
	l.unwatch = cancel
	source := l.source
	l.in.wg.Go(func() {
		defer cancel()
		if open {
			src, names, err := l.openSource(ctx, e)
			if err != nil && ctx.Err() != nil {
				return
			}
			used := false
			derr := e.later(ctx, func() {
				if l.unwatch == nil || v.dead.Load() { // closed meanwhile
					return
				}
				l.opening = false
				if err != nil {
					e.run.fail(v, err)
					return
				}
				used = true
				l.source = src
				l.discover(names, known)
			})
			e.Wake()
			if !used && src != nil {
				_ = src.Close()
			}
			if err != nil || derr != nil || !used {
				return
			}
			source = src
		}
		tick := time.NewTicker(e.cfg.Partitions)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-l.relist:
			}
			l.calls.Lock()
			names, err := source.Partitions(ctx)
			l.calls.Unlock()
			if err != nil {
				if ctx.Err() != nil {
					return
				}
				e.cfg.Logger.Warn("list the partitions of a source", "source", l.op.Name, "err", err)
			}
			if err := e.later(ctx, func() {
				l.listed++
				if l.unwatch != nil && !v.dead.Load() && l.watermark(v) != changelog.MaxWatermark {
					l.discover(names, known)
				}
			}); err != nil {
				return
			}
			e.Wake()
		}
	})
}

// openSource opens the source and lists its partitions, again and again while errors may pass.
func (l *scanLeaf) openSource(ctx context.Context, e *Engine) (Source, []string, error) {
	again := backoff{}
	for {
		src, err := e.cfg.OpenSource(ctx, l.op)
		if err == nil {
			names, perr := src.Partitions(ctx)
			if perr == nil {
				return src, names, nil
			}
			_ = src.Close()
			err = perr
		}
		if !Transient(err) || ctx.Err() != nil {
			return nil, nil, fmt.Errorf("open source %q: %w", l.op.Name, err)
		}
		e.cfg.Logger.Warn("opening a source failed, trying again", "source", l.op.Name, "err", err)
		if !again.wait(ctx) {
			return nil, nil, ctx.Err()
		}
	}
}
