// Package collector sets how often the garbage collector of a whole program runs. The state of queries is in few large objects without
// pointers, so that the live heap is small beside what batches allocate on their way through; Go's default, which lets the heap grow
// by its own size, then collects many times a second.
package collector

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Slack is the least that the heap may grow, in bytes, between two collections.
const Slack = 256 << 20

// Tune lets the heap grow by Slack or by half of what is live, whatever is more, until ctx ends. It changes a setting of the whole
// process, and does nothing where the environment sets GOGC or GOMEMLIMIT.
func Tune(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	adjust := func() {
		metrics.Read(live)
		if p := percent(live[0].Value.Uint64()); set == 0 || p < set*9/10 || p > set*11/10 {
			debug.SetGCPercent(p)
			set = p
		}
	}
	adjust()
	go func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				adjust()
			case <-ctx.Done():
				return
			}
		}
	}()
}

// percent is the GOGC that gives the slack for a live heap of so many bytes.
func percent(live uint64) int {
	live = max(live, 4<<20) // the runtime takes no smaller heap for its reckoning
	return max(50, int(Slack*100/live))
}
