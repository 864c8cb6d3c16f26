package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/streamsql/streamsql/bench/measure"
)

// Options say what to run and how.
type Options struct {
	Rows   int            // bids in a case; 0 is 10 million
	Repeat int            // repetitions of each case; 0 is 3
	Only   *regexp.Regexp // cases, sides and probes by "case / side" or name; nil is all
	Quick  bool           // passed to probes
	Dir    string         // where files and state are kept meanwhile; empty is the system's place for such
	Binary string         // the streamsql command; passed to probes
	// Profiles is a directory into which every child process writes CPU profiles, named for what it did; empty is none.
	Profiles string
	Log      io.Writer // a line for each thing begun; nil is silent
}

func (o Options) withDefaults() Options {
	if o.Rows == 0 {
		o.Rows = 10_000_000
	}
	if o.Repeat == 0 {
		o.Repeat = 3
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// Bench is everything that can be run.
type Bench struct {
	Cases  []Case
	Sides  []Side
	Probes []Probe
}

// ProbeResult is what a probe found, or why it found nothing.
type ProbeResult struct {
	Name, Want string
	Figures    []Figure
	Err        string
}

// Result is what a run found.
type Result struct {
	Measurements []Measurement
	Probes       []ProbeResult
	Failed       []string // "case / side: error", a wrong answer among them
}

// job is what a child process is asked to do, as JSON in the environment.
type job struct {
	Case, Side, Probe string // indexes by name; a probe, or a case and a side
	Rows, Repeat      int
	Data              Data
	Env               Env
	Profile           string // file of the CPU profile; empty is none
}

// childEnv names the environment variable with the job; a process that has it is a child.
const childEnv = "STREAMSQL_BENCH_JOB"

// reply is what a child writes on its standard output, as JSON.
type reply struct {
	Measurement *Measurement
	Figures     []Figure
}

// Child does the job of a child process and reports whether this process is one. It must be called first in main.
func (b Bench) Child(ctx context.Context) (isChild bool, err error) {
	text, isChild := os.LookupEnv(childEnv)
	if !isChild {
		return false, nil
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return true, err
	}
	stop, err := profile(j.Profile)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var r reply
	if j.Probe != "" {
		for _, p := range b.Probes {
			if p.Name == j.Probe {
				r.Figures, err = p.Run(ctx, j.Env)
			}
		}
	} else {
		r.Measurement, err = b.measure(ctx, j)
	}
	if err != nil {
		return true, err
	}
	return true, json.NewEncoder(os.Stdout).Encode(r)
}

// profile writes a CPU profile into a file until stop.
func profile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

// profileName is the file of a child's profile.
func (o Options) profileName(label string) string {
	if o.Profiles == "" {
		return ""
	}
	return filepath.Join(o.Profiles, strings.Trim(unnamable.ReplaceAllString(label, "-"), "-")+".pprof")
}

var unnamable = regexp.MustCompile(`[^A-Za-z0-9]+`)

// measure runs one side of one case in this process.
func (b Bench) measure(ctx context.Context, j job) (m *Measurement, err error) {
	c, side, err := b.find(j.Case, j.Side)
	if err != nil {
		return nil, err
	}
	runner, err := side.New(side.Threads)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, runner.Close()) }()
	if err := runner.Load(ctx, c, j.Data); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	debug.FreeOSMemory() // also collects: the garbage of loading is not the query's
	if err := measure.ResetPeak(); err != nil {
		return nil, err
	}
	m = &Measurement{Side: side.Name, Case: c.Name, Rows: j.Data.Bids.Rows, Threads: side.Threads}
	if m.Loaded, _, err = measure.Memory(); err != nil {
		return nil, err
	}
	for i := range j.Repeat {
		before, err := measure.CPU()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		check, err := runner.Run(ctx)
		wall := time.Since(start)
		if err != nil {
			return nil, err
		}
		after, err := measure.CPU()
		if err != nil {
			return nil, err
		}
		if i > 0 && check != m.Check {
			return nil, fmt.Errorf("answers %v, and at the first time %v", check, m.Check)
		}
		m.Check = check
		m.CPU, m.Wall = append(m.CPU, after-before), append(m.Wall, wall)
	}
	_, m.Peak, err = measure.Memory()
	return m, err
}

func (b Bench) find(caseName, sideName string) (c Case, s Side, err error) {
	for _, c = range b.Cases {
		if c.Name != caseName {
			continue
		}
		for _, s = range b.Sides {
			if s.Name == sideName {
				return c, s, nil
			}
		}
	}
	return c, s, fmt.Errorf("no case %q with side %q", caseName, sideName)
}

// Run runs all that the options ask for, one child process at a time. Its error is one of the bench itself; what went
// wrong in a case is in the result.
func (b Bench) Run(ctx context.Context, o Options) (result *Result, err error) {
	o = o.withDefaults()
	dir, err := os.MkdirTemp(o.Dir, "streamsql-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	result = &Result{}
	for _, c := range b.Cases {
		if err := b.runCase(ctx, o, dir, c, result); err != nil {
			return nil, err
		}
	}
	for _, p := range b.Probes {
		if o.Only != nil && !o.Only.MatchString(p.Name) {
			continue
		}
		fmt.Fprintf(o.Log, "%s ...\n", p.Name)
		own, err := os.MkdirTemp(dir, "probe-")
		if err != nil {
			return nil, err
		}
		r := ProbeResult{Name: p.Name, Want: p.Want}
		answer, err := spawn(ctx, job{Probe: p.Name, Profile: o.profileName(p.Name), Env: Env{Dir: own, Binary: o.Binary, Quick: o.Quick}}, 0)
		if err != nil {
			r.Err = err.Error()
			result.Failed = append(result.Failed, p.Name+": "+r.Err)
		} else {
			r.Figures = answer.Figures
		}
		result.Probes = append(result.Probes, r)
		if err := os.RemoveAll(own); err != nil {
			return nil, err
		}
	}
	return result, ctx.Err()
}

// runCase runs the sides of a case on the same data and compares their answers.
func (b Bench) runCase(ctx context.Context, o Options, dir string, c Case, result *Result) (err error) {
	var sides []Side
	for _, s := range b.Sides {
		if (s.Skips == nil || !s.Skips(c)) && (o.Only == nil || o.Only.MatchString(c.Name+" / "+s.Name)) {
			sides = append(sides, s)
		}
	}
	if len(sides) == 0 {
		return nil
	}
	data := Data{Bids: c.config(o.Rows)}
	switch c.Input {
	case Parquet:
		data.File = filepath.Join(dir, "bids.parquet")
		err = data.Bids.WriteParquet(data.File)
	case NDJSON:
		data.File = filepath.Join(dir, "bids.ndjson")
		err = data.Bids.WriteNDJSON(data.File)
	}
	if err != nil {
		return err
	}
	if data.File != "" {
		defer func() { err = errors.Join(err, os.Remove(data.File)) }()
	}

	var first *Measurement
	for _, s := range sides {
		label := c.Name + " / " + s.Name
		fmt.Fprintf(o.Log, "%s ...\n", label)
		if data.Dir, err = os.MkdirTemp(dir, "side-"); err != nil {
			return err
		}
		answer, err := spawn(ctx, job{Case: c.Name, Side: s.Name, Rows: o.Rows, Repeat: o.Repeat, Data: data, Profile: o.profileName(label)}, s.Threads)
		if removeErr := os.RemoveAll(data.Dir); removeErr != nil {
			return removeErr
		}
		switch {
		case err != nil:
			result.Failed = append(result.Failed, label+": "+err.Error())
			continue
		case first == nil:
			first = answer.Measurement
		case answer.Measurement.Check != first.Check:
			result.Failed = append(result.Failed, fmt.Sprintf("%s: answers %v, but %s answers %v", label,
				answer.Measurement.Check, first.Side, first.Check))
			continue
		}
		result.Measurements = append(result.Measurements, *answer.Measurement)
	}
	return nil
}

// spawn runs a job in a child process. threads is its GOMAXPROCS; 0 leaves that as it is.
func spawn(ctx context.Context, j job, threads int) (*reply, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	if threads > 0 {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(threads))
	}
	var failure tail
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, failure)
	}
	var r reply
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, fmt.Errorf("the child's answer: %w", err)
	}
	return &r, nil
}

// tail keeps the last few thousand bytes written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	const keep = 4096
	*t = append(*t, p...)
	if len(*t) > keep {
		*t = append((*t)[:0], (*t)[len(*t)-keep:]...)
	}
	return len(p), nil
}
