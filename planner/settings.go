package planner

import (
	"strconv"
	"strings"
	"time"

	"github.com/streamsql/streamsql/types"
)

// Settings are what a session, or the WITH options of a view or sink, say about how queries are planned. The zero value is
// the default: no bounds, dead letters, UTC.
type Settings struct {
	StateTTL        int64 // microseconds of the clock after which an unchanged group of an unbounded aggregation is forgotten; 0: never
	Retention       int64 // microseconds of the clock that a materialized view keeps a row after its last change; 0: for ever
	AllowedLateness int64 // microseconds after its end that a window still takes rows; 0: none, or what the source says
	OnError         *Policy
	OnLate          *Policy
	TimeZone        string // IANA name; "": UTC
}

// queryOptions are the settings that can be given in WITH (...) of materialized views and sinks, and by SET.
var queryOptions = []types.OptionSpec{
	{Name: "state_ttl", Kind: types.OptDuration, Default: "0", Doc: "after how long without change a group of an unbounded aggregation is forgotten; 0: never"},
	{Name: "retention", Kind: types.OptDuration, Default: "0", Doc: "how long a materialized view keeps a row after its last change; 0: for ever"},
	{Name: "allowed_lateness", Kind: types.OptDuration, Default: "0", Doc: "how long after its end a window still takes rows"},
	{Name: "on_error", Kind: types.OptEnum, Enum: []string{"dead_letter", "fail", "skip"}, Default: "dead_letter", Doc: "what happens with a row whose expressions fail"},
	{Name: "on_late", Kind: types.OptEnum, Enum: []string{"dead_letter", "fail", "skip"}, Default: "dead_letter", Doc: "what happens with a row behind the watermark whose window is closed"},
}

// QueryOptions returns the options of materialized views and sinks that govern their query; SET takes them too.
func QueryOptions() []types.OptionSpec { return append([]types.OptionSpec(nil), queryOptions...) }

// Set changes one setting by its name, as SET does; an empty value or "default" goes back to the default.
//
// Errors: CodeUndefinedObject if there is no such setting (ok to try elsewhere), CodeInvalidParameter for a wrong value.
func (s *Settings) Set(name, value string) error {
	name = strings.ToLower(name)
	if name == "timezone" || name == "time zone" {
		if value == "" || strings.EqualFold(value, "default") {
			value = ""
		} else if _, err := types.ParseZone(value); err != nil {
			return err
		}
		s.TimeZone = value
		return nil
	}
	known := make([]string, len(queryOptions))
	found := false
	for i, o := range queryOptions {
		known[i] = o.Name
		found = found || o.Name == name
	}
	if !found {
		return unknownName("setting", name, known)
	}
	given := map[string]string{}
	if value != "" && !strings.EqualFold(value, "default") {
		given[name] = value
	}
	o, err := types.ParseOptions("SET", queryOptions, given)
	if err != nil {
		return err
	}
	s.apply(o, name, len(given) == 0)
	return nil
}

// with returns s changed by the options that were given.
func (s Settings) with(o types.Options) Settings {
	for _, spec := range queryOptions {
		if o.Has(spec.Name) {
			s.apply(o, spec.Name, false)
		}
	}
	return s
}

func (s *Settings) apply(o types.Options, name string, reset bool) {
	switch name {
	case "state_ttl":
		s.StateTTL = o.Duration(name).Microseconds()
	case "retention":
		s.Retention = o.Duration(name).Microseconds()
	case "allowed_lateness":
		s.AllowedLateness = o.Duration(name).Microseconds()
	case "on_error":
		s.OnError = policyOf(o.String(name), reset)
	case "on_late":
		s.OnLate = policyOf(o.String(name), reset)
	}
}

func policyOf(text string, reset bool) *Policy {
	if reset {
		return nil
	}
	p := DeadLetter
	switch strings.ToLower(text) {
	case "fail":
		p = Fail
	case "skip":
		p = Skip
	}
	return &p
}

// String returns the policy as it is written in options.
func (p Policy) String() string {
	switch p {
	case Fail:
		return "fail"
	case Skip:
		return "skip"
	}
	return "dead_letter"
}

// formatMicros prints a number of microseconds as a duration with the largest fitting units: 1 day 2h, 90s as 1m30s, 500ms.
func formatMicros(us int64) string {
	if us < 0 {
		return "-" + formatMicros(-us)
	}
	const day = int64(24 * time.Hour / time.Microsecond)
	days, rest := us/day, us%day
	var parts []string
	if days == 1 {
		parts = append(parts, "1 day")
	} else if days > 1 {
		parts = append(parts, strconv.FormatInt(days, 10)+" days")
	}
	if rest > 0 || days == 0 {
		text := (time.Duration(rest) * time.Microsecond).String()
		if cut, ok := strings.CutSuffix(text, "m0s"); ok {
			text = cut + "m"
		}
		if cut, ok := strings.CutSuffix(text, "h0m"); ok {
			text = cut + "h"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}
