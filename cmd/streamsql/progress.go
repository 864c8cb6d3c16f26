package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/changelog"
)

// progress says on standard error how a run goes: on a terminal one line that is drawn anew twice a second, elsewhere a plain line every ten
// seconds and at the end.
type progress struct {
	db       *streamsql.DB
	w        io.Writer
	terminal bool
	begun    time.Time

	mu      sync.Mutex
	done    chan struct{}
	ended   chan struct{}
	last    streamsql.Stats
	lastAt  time.Time
	lastLen int
}

func newProgress(db *streamsql.DB, w io.Writer) *progress {
	p := &progress{db: db, w: w, begun: time.Now(), lastAt: time.Now()}
	if f, ok := w.(*os.File); ok {
		p.terminal = term.IsTerminal(int(f.Fd()))
	}
	return p
}

// start begins to print. It may be called more than once, and on nil.
func (p *progress) start() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		return
	}
	p.done, p.ended = make(chan struct{}), make(chan struct{})
	every := 10 * time.Second
	if p.terminal {
		every = 500 * time.Millisecond
	}
	go func() {
		defer close(p.ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.print(false)
			case <-p.done:
				return
			}
		}
	}()
}

// stop prints the last line, if there was anything to report.
func (p *progress) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return
	}
	close(done)
	<-p.ended
	p.print(true)
}

func (p *progress) print(final bool) {
	s := p.db.Stats()
	if final && s.RowsIn == 0 && len(s.Jobs) == 0 {
		return
	}
	now := time.Now()
	rate := float64(s.RowsIn-p.last.RowsIn) / now.Sub(p.lastAt).Seconds()
	if final {
		rate = float64(s.RowsIn) / now.Sub(p.begun).Seconds()
	}
	p.last, p.lastAt = s, now
	text := progressLine(s, rate, time.Now())
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	pad := max(0, p.lastLen-len(text))
	p.lastLen = len(text)
	end := ""
	if final {
		end = "\n"
	}
	fmt.Fprintf(p.w, "\r%s%s%s", text, strings.Repeat(" ", pad), end)
}

// progressLine puts the figures in one line: rows in and out, epoch, watermark and its lag, rejected rows, state.
func progressLine(s streamsql.Stats, rate float64, now time.Time) string {
	parts := []string{
		fmt.Sprintf("in %s (%s/s)", count(s.RowsIn), count(int64(rate))),
		fmt.Sprintf("out %s", count(s.RowsOut)),
		fmt.Sprintf("epoch %d", s.Epoch),
	}
	if w, ok := lowest(s.Watermarks); ok {
		switch w {
		case changelog.MaxWatermark:
			parts = append(parts, "all input read")
		case changelog.MinWatermark:
		default:
			at := time.UnixMicro(int64(w)).UTC()
			parts = append(parts, "watermark "+at.Format("2006-01-02 15:04:05"))
			if lag := now.Sub(at); lag > 0 && lag < 7*24*time.Hour {
				parts = append(parts, "lag "+lag.Round(100*time.Millisecond).String())
			}
		}
	}
	var rejected int64
	for _, r := range s.Rejected {
		rejected += r.Rows
	}
	if rejected > 0 {
		parts = append(parts, fmt.Sprintf("rejected %s", count(rejected)))
	}
	var bytes int64
	for _, t := range s.Tables {
		bytes += t.Bytes
	}
	parts = append(parts, "state "+size(bytes))
	for _, j := range s.Jobs {
		if j.State == streamsql.JobFailed {
			parts = append(parts, fmt.Sprintf("%s FAILED", j.Name))
		}
	}
	return strings.Join(parts, " | ")
}

func lowest(list []streamsql.PartitionStats) (changelog.Watermark, bool) {
	w := changelog.MaxWatermark
	for _, p := range list {
		w = min(w, p.SourceWM)
	}
	return w, len(list) > 0
}

// count prints a number of rows with three digits: 999, 12.3k, 4.56M.
func count(n int64) string {
	switch f := float64(n); {
	case n < 1000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%.3gk", f/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.3gM", f/1e6)
	default:
		return fmt.Sprintf("%.3gG", f/1e9)
	}
}

// size prints a number of bytes: 999 B, 12.3 kB, 4.56 MB.
func size(n int64) string {
	switch f := float64(n); {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.3g kB", f/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.3g MB", f/1e6)
	default:
		return fmt.Sprintf("%.3g GB", f/1e9)
	}
}
