// Package measure reads what a process has used, and how long the disk takes to make something durable.
package measure

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time this process has used so far, user and system, all threads.
func CPU() (time.Duration, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// ResetPeak makes the present resident size the peak that Memory reports. Linux only.
func ResetPeak() error {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return fmt.Errorf("reset the peak of resident memory: %w", err)
	}
	return nil
}

// Memory returns the resident size of this process, in bytes: now, and the peak since it started or ResetPeak.
func Memory() (now, peak int64, err error) { return memoryOf("/proc/self/status") }

// MemoryOf is Memory of another process.
func MemoryOf(pid int) (now, peak int64, err error) {
	return memoryOf(fmt.Sprintf("/proc/%d/status", pid))
}

func memoryOf(path string) (now, peak int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %s: %w", path, name, err)
		}
		if name == "VmRSS" {
			now = kilobytes << 10
		} else {
			peak = kilobytes << 10
		}
	}
	if now == 0 || peak == 0 {
		return 0, 0, fmt.Errorf("%s: no VmRSS or VmHWM", path)
	}
	return now, peak, nil
}

// Sync appends size bytes to a file in dir and makes them durable by fdatasync, times times, and returns the sorted
// durations of append and sync together. The first few, in which the file system finds its feet, are left out.
func Sync(dir string, size, times int) (took []time.Duration, err error) {
	file, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return nil, fmt.Errorf("measure a sync: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	const warmUp = 5
	block := make([]byte, size)
	for i := range warmUp + times {
		start := time.Now()
		if _, err := file.Write(block); err != nil {
			return nil, fmt.Errorf("measure a sync: %w", err)
		}
		if err := unix.Fdatasync(int(file.Fd())); err != nil {
			return nil, fmt.Errorf("measure a sync: %w", err)
		}
		if i >= warmUp {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return took, nil
}

// Quantile returns the value below which the share q of sorted values lies; q = 0.5 is the median. It returns 0 for
// no values.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
