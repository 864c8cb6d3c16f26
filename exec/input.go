package exec

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// inputs reads sources ahead of the driver: a goroutine per partition reads chunks within a budget, a pool decodes them. The
// driver takes what is decoded, partition by partition in order.
type inputs struct {
	clock  func() int64
	log    *slog.Logger
	wake   func()
	chunk  int // bytes asked for in one read
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	cond   *sync.Cond // budget became free, or work for decoders came
	budget int64      // bytes that may be queued
	queued int64
	busy   int // readers that have more to read; each may queue its share of the budget, so that event times stay together
	work   []*fetched
	done   bool
	// decoders are started with the first reader; then it is 0.
	decoders int
}

// partition is one partition of a scan. The first fields are the driver's; those below mu's comment are guarded by inputs.mu.
type partition struct {
	name       string
	position   Position // after the last prepared epoch
	from, to   Position // of the epoch that is being run
	ended      bool     // bounded, and everything has been taken in
	gaveAt     int64    // clock of the last epoch that took something in; 0: none
	gave       bool     // in this process
	quiet      bool     // its reader stood at the end and nothing has come since
	quietSince int64    // clock at which that was seen first
	confirmed  int64    // clock of the last read that found the end, while quiet
	asked      bool     // the reader was asked to confirm
	seen       int64    // ends, as refresh took note of it last

	// guarded by inputs.mu
	queue    []*fetched
	queued   int64 // bytes of queue
	piece    int   // bytes asked for in one read; 0: inputs.chunk
	atEnd    bool  // the reader confirmed its end, and waits
	readAt   int64 // clock at which that read began
	finished bool  // the reader got ReadEnded; nothing follows the queue
	ends     int64 // how often the reader found its end
	err      error
	nudge    context.CancelFunc // ends Wait, for a new read
}

// fetched is a chunk on its way to the driver.
type fetched struct {
	part    *partition
	chunk   Chunk
	bytes   int64
	ready   bool
	decoded []Decoded
	err     error
	next    int // first of decoded that was not taken yet
}

func newInputs(decoders int, budget int64, chunk int, clock func() int64, wake func(), log *slog.Logger) *inputs {
	in := &inputs{clock: clock, log: log, wake: wake, chunk: chunk, budget: budget}
	in.cond = sync.NewCond(&in.mu)
	in.ctx, in.cancel = context.WithCancel(context.Background())
	in.decoders = decoders
	return in
}

// close ends all goroutines.
func (in *inputs) close() {
	in.cancel()
	in.mu.Lock()
	in.done = true
	in.cond.Broadcast()
	in.mu.Unlock()
	in.wg.Wait()
}

// setBudget changes how much may be queued.
func (in *inputs) setBudget(bytes int64) {
	in.mu.Lock()
	if in.budget != bytes {
		in.budget = bytes
		in.cond.Broadcast()
	}
	in.mu.Unlock()
}

// decode is a decoder's loop.
func (in *inputs) decode() {
	for {
		in.mu.Lock()
		for len(in.work) == 0 && !in.done {
			in.cond.Wait()
		}
		if in.done {
			in.mu.Unlock()
			return
		}
		f := in.work[0]
		in.work[0] = nil
		in.work = in.work[1:]
		in.mu.Unlock()

		decoded, err := decodeChunk(f.chunk)

		in.mu.Lock()
		f.decoded, f.err, f.ready = decoded, err, true
		in.mu.Unlock()
		in.wake()
	}
}

func decodeChunk(c Chunk) (d []Decoded, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = types.Errorf(types.CodeInternal, "internal error in a decoder: %v\n%s", p, debug.Stack())
		}
	}()
	return c.Decode()
}

// start begins to read a partition after its position. stop ends it and returns at once.
func (in *inputs) start(src Source, calls *sync.Mutex, readers *sync.WaitGroup, p *partition) (stop func()) {
	for ; in.decoders > 0; in.decoders-- {
		in.wg.Go(in.decode)
	}
	ctx, cancel := context.WithCancel(in.ctx)
	readers.Add(1)
	in.wg.Go(func() {
		defer readers.Done()
		in.read(ctx, src, calls, p)
	})
	return func() {
		cancel()
		in.mu.Lock()
		in.queued -= p.queued
		p.queue, p.queued = nil, 0
		in.cond.Broadcast()
		in.mu.Unlock()
	}
}

// read is a partition's loop: it opens the reader, and opens it again after errors that may pass.
func (in *inputs) read(ctx context.Context, src Source, calls *sync.Mutex, p *partition) {
	at := p.position
	retry := backoff{}
	for {
		err := in.pump(ctx, src, calls, p, &at, &retry)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !Transient(err) {
			in.mu.Lock()
			p.err = err
			in.mu.Unlock()
			in.wake()
			return
		}
		in.log.Warn("reading a source failed, trying again", "partition", p.name, "err", err)
		if !retry.wait(ctx) {
			return
		}
	}
}

// pump reads until the partition ends (nil), an error, or the end of ctx.
func (in *inputs) pump(ctx context.Context, src Source, calls *sync.Mutex, p *partition, at *Position, retry *backoff) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = types.Errorf(types.CodeInternal, "internal error in a reader: %v\n%s", r, debug.Stack())
		}
	}()
	calls.Lock()
	rd, err := src.OpenPartition(ctx, p.name, *at)
	calls.Unlock()
	if err != nil {
		return err
	}
	defer rd.Close()
	in.working(1)
	defer in.working(-1)
	for {
		if err := in.room(ctx, p); err != nil {
			return err
		}
		began := in.clock()
		c, status, err := rd.Read(ctx, in.pieceOf(p))
		if err != nil {
			return err
		}
		retry.reset()
		in.mu.Lock()
		if c != nil {
			*at = c.To()
			f := &fetched{part: p, chunk: c, bytes: int64(c.Bytes()) + 256}
			p.queue = append(p.queue, f)
			p.queued += f.bytes
			in.queued += f.bytes
			in.work = append(in.work, f)
			in.cond.Broadcast()
		}
		var wait context.Context
		switch status {
		case ReadEnded:
			p.finished = true
		case ReadAtEnd:
			p.atEnd, p.readAt = true, began
			p.ends++
			wait, p.nudge = context.WithCancel(ctx)
		}
		nudge := p.nudge
		in.mu.Unlock()
		if status != ReadMore {
			in.wake()
		}
		switch status {
		case ReadEnded:
			return nil
		case ReadAtEnd:
			in.working(-1)
			err := rd.Wait(wait)
			in.working(1)
			nudge()
			in.mu.Lock()
			p.atEnd, p.nudge = false, nil
			in.mu.Unlock()
			if err != nil && wait.Err() == nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// pieceOf returns how many bytes a reader is asked for.
func (in *inputs) pieceOf(p *partition) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if p.piece > 0 {
		return p.piece
	}
	return in.chunk
}

// working counts the readers that have more to read.
func (in *inputs) working(n int) {
	in.mu.Lock()
	in.busy += n
	in.cond.Broadcast()
	in.mu.Unlock()
}

// room waits until the partition may read: always one chunk, more within its share of the budget.
func (in *inputs) room(ctx context.Context, p *partition) error {
	stop := context.AfterFunc(ctx, func() {
		in.mu.Lock()
		in.cond.Broadcast()
		in.mu.Unlock()
	})
	defer stop()
	in.mu.Lock()
	defer in.mu.Unlock()
	for (in.queued >= in.budget || p.queued >= in.budget/int64(in.busy)) && (len(p.queue) > 0 || in.budget <= 0) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in.cond.Wait()
	}
	return ctx.Err()
}

// scanLeaf feeds a Scan vertex.
type scanLeaf struct {
	op      *planner.Scan
	source  Source
	in      *inputs
	parts   []*partition
	stops   map[*partition]func()
	intake  []task
	bad     []badRecord
	taken   int64 // bytes taken in by this epoch
	rate    rateLimit
	opening bool               // the source is being opened in the background
	unwatch context.CancelFunc // ends watch; nil once the leaf is closed
	calls   *sync.Mutex        // held for calls of the source
	readers sync.WaitGroup
	relist  chan struct{} // a token asks for the partitions to be listed again
	listed  int64         // how often they were
	// idleAfter is the smallest idle timeout of the watermarks above; 0: none.
	idleAfter int64
	nextPart  int
	piece     int // of its partitions
}

// badRecord is a record that could not be decoded, in its place.
type badRecord struct {
	BadRecord
	ord int // tasks before it
}

// discover adds partitions that the source names and are not known yet, and begins to read them.
func (l *scanLeaf) discover(names []string, known map[string]*partMeta) {
	for _, name := range names {
		if l.part(name) != nil {
			continue
		}
		p := &partition{name: name, piece: l.piece}
		if m := known[name]; m != nil {
			p.position, p.ended, p.gaveAt = m.Pos, m.Ended, m.At
		}
		l.parts = append(l.parts, p)
		if !p.ended {
			l.stops[p] = l.in.start(l.source, l.calls, &l.readers, p)
		} else {
			p.finished = true
		}
	}
}

func (l *scanLeaf) part(name string) *partition {
	for _, p := range l.parts {
		if p.name == name {
			return p
		}
	}
	return nil
}

// close stops the readers and closes the source once they have ended.
func (l *scanLeaf) close(log *slog.Logger) {
	l.halt()
	if l.unwatch != nil {
		l.unwatch()
		l.unwatch = nil
	}
	if src := l.source; src != nil {
		l.source = nil
		l.in.wg.Go(func() {
			l.readers.Wait()
			if err := src.Close(); err != nil {
				log.Warn("close a source", "source", l.op.Name, "err", err)
			}
		})
	}
}

// refresh takes note of where the readers stand. It returns the first error of a reader.
func (l *scanLeaf) refresh(clock int64) (err error) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	for _, p := range l.parts {
		if p.err != nil && len(p.queue) == 0 && err == nil {
			err = p.err
		}
		if len(p.queue) > 0 {
			p.quiet, p.asked = false, false
			if f := p.queue[0]; f.err != nil && err == nil {
				err = f.err
			}
			continue
		}
		p.ended = p.ended || p.finished
		if p.atEnd {
			p.seen = p.ends
		}
		if p.atEnd && !p.quiet {
			p.quiet, p.quietSince, p.confirmed = true, clock, clock
			if !p.gave && p.gaveAt > 0 { // after a restart: nothing has come since the last epoch before it
				p.quietSince = min(p.gaveAt, clock)
			}
		}
		if !p.quiet || p.ended {
			continue
		}
		if p.atEnd && p.readAt > p.confirmed {
			p.confirmed, p.asked = p.readAt, false
		}
		if l.idleAfter > 0 && !p.asked && clock-p.quietSince >= l.idleAfter && p.confirmed-p.quietSince < l.idleAfter && p.nudge != nil {
			p.asked = true
			p.nudge()
		}
	}
	return err
}

// ready reports how much is decoded and may be taken, and whether more is on its way right now.
func (l *scanLeaf) ready() (rows int, bytes int64, more bool) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	for _, p := range l.parts {
		for _, f := range p.queue {
			if !f.ready {
				more = true
				break
			}
			bytes += f.bytes
			rows++
			for _, d := range f.decoded[f.next:] {
				if d.Batch != nil {
					rows += d.Batch.Rows()
				}
			}
		}
		more = more || !p.atEnd && !p.finished && p.err == nil
	}
	return rows, bytes, more
}

// settled reports whether every partition stands at its end, found often enough, and nothing waits; only what refresh, and so the
// driver's last look, has taken note of counts.
func (l *scanLeaf) settled(reads map[*partition]int64) bool {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	if l.opening {
		return false
	}
	for _, p := range l.parts {
		if len(p.queue) > 0 || !(p.atEnd && p.quiet && p.seen >= reads[p] || p.finished) || p.finished && !p.ended {
			return false
		}
	}
	return true
}

// halt stops the readers; what they have read is dropped.
func (l *scanLeaf) halt() {
	for _, stop := range l.stops {
		stop()
	}
	l.stops = nil
	l.intake, l.bad = nil, nil
}

// collect takes decoded batches, a chunk of each partition in turn, until about maxRows or maxBytes. It cuts only where the
// source has a position.
func (l *scanLeaf) collect(clock int64, maxRows int, maxBytes int64) (rows int, bytes int64) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	for _, p := range l.parts {
		p.from, p.to = p.position, nil
	}
	idle := 0
	for n := len(l.parts); idle < n && rows < maxRows && bytes < maxBytes; {
		p := l.parts[l.nextPart%n]
		l.nextPart = (l.nextPart + 1) % n
		got, size, ok := l.takeChunk(p, maxRows-rows)
		if !ok {
			idle++
			continue
		}
		idle = 0
		p.gaveAt, p.gave = clock, true
		rows += got
		bytes += size
	}
	for _, p := range l.parts {
		if len(p.queue) == 0 && p.finished {
			p.ended = true
		}
	}
	l.taken = bytes
	l.in.cond.Broadcast()
	return rows, bytes
}

// takeChunk takes the rest of the partition's first chunk, or as much of it as has maxRows rows.
func (l *scanLeaf) takeChunk(p *partition, maxRows int) (rows int, bytes int64, ok bool) {
	if len(p.queue) == 0 || !p.queue[0].ready || p.queue[0].err != nil {
		return 0, 0, false
	}
	f := p.queue[0]
	for f.next < len(f.decoded) {
		d := &f.decoded[f.next]
		f.next++
		for _, bad := range d.Bad {
			l.bad = append(l.bad, badRecord{bad, len(l.intake)})
		}
		t := task{item: item{part: p}, skipped: d.SkippedMax}
		if d.Batch != nil && d.Batch.Rows() > 0 {
			t.item.batch = d.Batch
			rows += d.Batch.Rows()
		}
		if t.item.batch != nil || t.skipped != 0 && t.skipped != changelog.MinWatermark {
			l.intake = append(l.intake, t)
		}
		rows += len(d.Bad)
		*d = Decoded{To: d.To}
		if d.To != nil {
			p.to = d.To
			if rows >= maxRows && f.next < len(f.decoded) {
				return rows, 0, true
			}
		}
	}
	p.to = f.chunk.To()
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.queued -= f.bytes
	l.in.queued -= f.bytes
	return rows, f.bytes, true
}

// moved reports whether any position changed in this epoch.
func (l *scanLeaf) moved() bool {
	for _, p := range l.parts {
		if p.to != nil {
			return true
		}
	}
	return false
}

// committed ends the epoch: what was taken in is prepared.
func (l *scanLeaf) committed() {
	for _, p := range l.parts {
		if p.to != nil {
			p.position = p.to
		}
		p.from, p.to = nil, nil
	}
	l.intake, l.bad, l.taken = nil, nil, 0
}

func (l *scanLeaf) tasks(v *vertex) []task {
	for i := range l.intake {
		l.intake[i].v = v
	}
	out := l.intake
	l.intake = nil // so that batches go as soon as they are used
	return out
}

func (l *scanLeaf) pending(v *vertex) bool {
	return len(l.intake) > 0 || l.watermark(v) > v.watermark
}

func (l *scanLeaf) partitions() []*partition { return l.parts }

func (l *scanLeaf) watermark(*vertex) changelog.Watermark {
	if len(l.parts) == 0 {
		return changelog.MinWatermark
	}
	for _, p := range l.parts {
		if !p.ended {
			return changelog.MinWatermark
		}
	}
	return changelog.MaxWatermark
}

// rateLimit is a token bucket in rows, one second deep.
type rateLimit struct {
	perSecond float64 // 0: no limit
	tokens    float64
	at        int64
}

// limitRate sets the most rows per second. As a chunk is taken as a whole, readers are asked for pieces of about a tenth of a second, taking a
// row for a hundred bytes.
func (l *scanLeaf) limitRate(rows float64) {
	l.rate.perSecond = rows
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	l.piece = 0
	if bytes := rows * 10; rows > 0 && bytes < float64(l.in.chunk) {
		l.piece = max(1, int(bytes))
	}
	for _, p := range l.parts {
		p.piece = l.piece
	}
}

// allow returns how many rows may be taken at that clock.
func (r *rateLimit) allow(clock int64, most int) int {
	if r.perSecond <= 0 {
		return most
	}
	if r.at == 0 {
		r.at, r.tokens = clock, r.perSecond/10
	}
	r.tokens = min(r.perSecond, r.tokens+float64(clock-r.at)/1e6*r.perSecond)
	r.at = clock
	return min(most, max(0, int(r.tokens)))
}

// next is the clock at which rows may be taken again.
func (r *rateLimit) next(clock int64) int64 {
	if r.perSecond <= 0 || r.tokens >= 1 {
		return clock
	}
	return addTime(clock, int64((1-r.tokens)/r.perSecond*1e6)+1000)
}

// Transient reports whether an error of a connector may pass by itself: connection trouble (SQLSTATE class 08), lack of
// resources (53), an I/O error (58030), a timeout, or what says so by a method Temporary.
func Transient(err error) bool {
	var temporary interface{ Temporary() bool }
	if errors.As(err, &temporary) && temporary.Temporary() {
		return true
	}
	var e *types.Error
	if errors.As(err, &e) {
		return strings.HasPrefix(string(e.Code), "08") || strings.HasPrefix(string(e.Code), "53") || e.Code == types.CodeIO
	}
	var n net.Error
	if errors.As(err, &n) {
		return true
	}
	var p *fs.PathError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &p) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}

// backoff waits longer with every failure: 10 ms doubling up to 5 s.
type backoff struct{ failures int }

func (b *backoff) reset() { b.failures = 0 }

// wait sleeps and reports whether ctx is still good.
func (b *backoff) wait(ctx context.Context) bool {
	d := 10 * time.Millisecond << min(b.failures, 9)
	b.failures++
	t := time.NewTimer(min(d, 5*time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
