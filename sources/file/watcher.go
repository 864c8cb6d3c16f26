package file

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// pollInterval bounds how late a change is seen on file systems that give no events.
const pollInterval = 500 * time.Millisecond

// watcher wakes a reader when something may have changed below the directories.
type watcher struct{ fs *fsnotify.Watcher }

func newWatcher(dirs []string) (*watcher, error) {
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		return &watcher{}, nil // no events to be had: polling alone
	}
	for _, dir := range dirs {
		if err := fw.Add(dir); err != nil {
			fw.Close()
			return nil, ioError("watch", dir, err)
		}
	}
	return &watcher{fs: fw}, nil
}

// wait returns after an event, after pollInterval, or when ctx is done.
func (w *watcher) wait(ctx context.Context) error {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	var events chan fsnotify.Event
	if w.fs != nil {
		events = w.fs.Events
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-events:
		for { // one wake-up for a burst
			select {
			case <-events:
				continue
			default:
			}
			return nil
		}
	}
	return nil
}

func (w *watcher) close() error {
	if w == nil || w.fs == nil {
		return nil
	}
	return w.fs.Close()
}
