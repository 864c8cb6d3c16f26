package types

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// OptionKind is the type of an option's value.
type OptionKind uint8

// The kinds of options, with the texts they accept.
const (
	OptString   OptionKind = iota
	OptInt                 // a whole number
	OptFloat               // a number
	OptBool                // true, false, on, off, yes, no, 1, 0
	OptDuration            // '10 seconds', '10s', '1 minute 30 seconds', '100ms'
	OptBytes               // '64MB', '1 GiB', '4096'
	OptEnum                // one of Enum
)

// OptionSpec describes one option of WITH (...): it feeds validation, SHOW and the reference page.
type OptionSpec struct {
	Name     string
	Kind     OptionKind
	Default  string // as a user would write it; "" with Required or when there is none
	Required bool
	Enum     []string
	Doc      string // one sentence
}

// Options are validated option values.
type Options struct {
	specs  []OptionSpec
	values map[string]string
}

// ParseOptions checks given against specs: an unknown name is an error that names the nearest known one, a wrong value one that says what
// was wanted. Specs whose name ends in '*' accept any name with that prefix. what names the thing in errors, such as
// "connector 'file'".
func ParseOptions(what string, specs []OptionSpec, given map[string]string) (Options, error) {
	o := Options{specs: specs, values: given}
	if err := UnknownOption(what, specs, given); err != nil {
		return Options{}, err
	}
	for _, name := range sortedNames(given) {
		spec, _ := o.spec(name)
		if err := checkOption(spec, given[name]); err != nil {
			return Options{}, err
		}
	}
	for _, s := range specs {
		if _, ok := given[s.Name]; s.Required && !ok {
			return Options{}, Errorf(CodeInvalidParameter, "%s needs the option %q", what, s.Name).WithHint("%s", s.Doc)
		}
	}
	return o, nil
}

// UnknownOption returns an error that names the first given option, by name, that no spec describes, with the nearest known name; nil if
// all are known.
func UnknownOption(what string, specs []OptionSpec, given map[string]string) error {
	o := Options{specs: specs}
	for _, name := range sortedNames(given) {
		if _, ok := o.spec(name); ok {
			continue
		}
		err := Errorf(CodeInvalidParameter, "%s has no option %q", what, name)
		known := make([]string, len(specs))
		for i, s := range specs {
			known[i] = s.Name
		}
		if near := Nearest(name, known); near != "" {
			return err.WithHint("did you mean %q?", near)
		}
		sort.Strings(known)
		return err.WithHint("it has: %s", strings.Join(slices.Compact(known), ", "))
	}
	return nil
}

func sortedNames(given map[string]string) []string {
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (o Options) spec(name string) (OptionSpec, bool) {
	for _, s := range o.specs {
		if s.Name == name || strings.HasSuffix(s.Name, "*") && strings.HasPrefix(name, s.Name[:len(s.Name)-1]) {
			return s, true
		}
	}
	return OptionSpec{}, false
}

func checkOption(s OptionSpec, v string) error {
	bad := func(want string) error {
		return Errorf(CodeInvalidParameter, "option %q is %q, wanted %s", s.Name, v, want)
	}
	switch s.Kind {
	case OptInt:
		if _, err := strconv.ParseInt(strings.ReplaceAll(v, "_", ""), 10, 64); err != nil {
			return bad("a whole number")
		}
	case OptFloat:
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return bad("a number")
		}
	case OptBool:
		if _, ok := parseOptionBool(v); !ok {
			return bad("true or false")
		}
	case OptDuration:
		if _, ok := ParseDuration(v); !ok {
			return bad("a duration such as '10 seconds' or '100ms'")
		}
	case OptBytes:
		if _, ok := ParseBytes(v); !ok {
			return bad("a size such as '64MB'")
		}
	case OptEnum:
		for _, e := range s.Enum {
			if strings.EqualFold(e, v) {
				return nil
			}
		}
		return bad("one of " + strings.Join(s.Enum, ", "))
	}
	return nil
}

// Has reports whether the option was given.
func (o Options) Has(name string) bool { _, ok := o.values[name]; return ok }

// String returns the value given, or the default.
func (o Options) String(name string) string {
	if v, ok := o.values[name]; ok {
		if s, _ := o.spec(name); s.Kind == OptEnum {
			return strings.ToLower(v)
		}
		return v
	}
	s, _ := o.spec(name)
	return s.Default
}

// Int returns the value of an OptInt, 0 without value and default.
func (o Options) Int(name string) int64 {
	n, _ := strconv.ParseInt(strings.ReplaceAll(o.String(name), "_", ""), 10, 64)
	return n
}

// Float returns the value of an OptFloat, 0 without value and default.
func (o Options) Float(name string) float64 {
	f, _ := strconv.ParseFloat(o.String(name), 64)
	return f
}

// Bool returns the value of an OptBool, false without value and default.
func (o Options) Bool(name string) bool {
	b, _ := parseOptionBool(o.String(name))
	return b
}

// Duration returns the value of an OptDuration, 0 without value and default.
func (o Options) Duration(name string) time.Duration {
	d, _ := ParseDuration(o.String(name))
	return d
}

// Bytes returns the value of an OptBytes, 0 without value and default.
func (o Options) Bytes(name string) int64 {
	n, _ := ParseBytes(o.String(name))
	return n
}

// WithPrefix returns the given options whose name begins with prefix, without it.
func (o Options) WithPrefix(prefix string) map[string]string {
	m := map[string]string{}
	for k, v := range o.values {
		if rest, ok := strings.CutPrefix(k, prefix); ok {
			m[rest] = v
		}
	}
	return m
}

func parseOptionBool(v string) (value, ok bool) {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "1", "t", "y":
		return true, true
	case "false", "off", "no", "0", "f", "n":
		return false, true
	}
	return false, false
}

var durationUnits = map[string]time.Duration{
	"us": time.Microsecond, "microsecond": time.Microsecond, "microseconds": time.Microsecond,
	"ms": time.Millisecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// ParseDuration reads '10 seconds', '1 minute 30 seconds', '1m30s' or '100ms'; a bare 0 is allowed. Durations are not
// negative.
func ParseDuration(s string) (time.Duration, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "0" {
		return 0, true
	}
	var total float64
	found := false
	for s != "" {
		i := 0
		for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
			i++
		}
		n, err := strconv.ParseFloat(s[:i], 64)
		if err != nil {
			return 0, false
		}
		s = strings.TrimLeft(s[i:], " ")
		i = 0
		for i < len(s) && s[i] >= 'a' && s[i] <= 'z' {
			i++
		}
		unit, ok := durationUnits[s[:i]]
		if !ok {
			return 0, false
		}
		total += n * float64(unit)
		found = true
		s = strings.TrimLeft(s[i:], " ")
	}
	if !found || total > float64(1<<62) {
		return 0, false
	}
	return time.Duration(total + 0.5), true
}

var byteUnits = map[string]int64{
	"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// ParseBytes reads '4096', '64MB', '1.5 GiB'.
func ParseBytes(s string) (int64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.' || s[i] == '_') {
		i++
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(s[:i], "_", ""), 64)
	unit, ok := byteUnits[strings.TrimSpace(s[i:])]
	if err != nil || !ok || n*float64(unit) > float64(1<<62) {
		return 0, false
	}
	return int64(n * float64(unit)), true
}

// Nearest returns the candidate closest to name by edit distance with transpositions, or "" when none is near.
func Nearest(name string, candidates []string) string {
	best, bestD := "", 1+max(1, len(name)/3)
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c)); d < bestD {
			best, bestD = c, d
		}
	}
	return best
}

// editDistance is the optimal string alignment distance in bytes.
func editDistance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
