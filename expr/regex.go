package expr

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// regex is a compiled regular expression of PostgreSQL's advanced form, run by Go's engine in time linear in the text.
//
// Differences: back references and look-around are refused (0A000); a pattern with both greedy and non-greedy
// quantifiers follows Perl's preference rather than POSIX's.
type regex struct {
	re     *regexp.Regexp
	global bool
	groups int
}

// regexFlags are PostgreSQL's option letters.
type regexFlags struct {
	fold, newline, literal, expanded, global bool
	partial, weird                           bool // p and w: only one half of newline sensitivity
}

func parseRegexFlags(flags string, globalAllowed bool) (f regexFlags, err error) {
	for _, r := range flags {
		switch r {
		case 'g':
			if !globalAllowed {
				return f, types.Errorf(types.CodeInvalidParameter, "invalid regular expression option: \"g\" is not allowed here")
			}
			f.global = true
		case 'i':
			f.fold = true
		case 'c':
			f.fold = false
		case 'm', 'n':
			f.newline = true
		case 's':
			f.newline = false
		case 'p':
			f.partial = true
		case 'w':
			f.weird = true
		case 'x':
			f.expanded = true
		case 't':
			f.expanded = false
		case 'q':
			f.literal = true
		case 'e', 'b':
			if r == 'b' {
				return f, types.NotSupported(types.Span{}, "basic regular expressions (flag b)")
			}
		default:
			return f, types.Errorf(types.CodeInvalidParameter, "invalid regular expression option: %q", string(r))
		}
	}
	return f, nil
}

// compileRegex translates a pattern to Go's syntax.
func compileRegex(pattern string, f regexFlags) (*regex, error) {
	if strings.HasPrefix(pattern, "***=") {
		pattern, f.literal = pattern[4:], true
	} else if strings.HasPrefix(pattern, "***:") {
		pattern = pattern[4:]
	}
	if !f.literal && strings.HasPrefix(pattern, "(?") {
		if end := strings.IndexByte(pattern, ')'); end > 2 && isLetters(pattern[2:end]) {
			inner, err := parseRegexFlags(pattern[2:end], false)
			if err != nil {
				return nil, types.Errorf(types.CodeInvalidRegex, "invalid regular expression: invalid embedded option")
			}
			inner.fold = inner.fold || f.fold && !strings.Contains(pattern[2:end], "c")
			inner.newline = inner.newline || f.newline
			inner.expanded = inner.expanded || f.expanded
			inner.global = f.global
			f, pattern = inner, pattern[end+1:]
		}
	}
	flags := "(?s"
	if f.newline || f.partial {
		flags = "(?-s"
	}
	if f.newline || f.weird {
		flags = strings.Replace(flags, "(?", "(?m", 1)
	}
	if f.fold {
		flags = strings.Replace(flags, "(?", "(?i", 1)
	}
	body, lazy := regexp.QuoteMeta(pattern), false
	if !f.literal {
		var err error
		if body, lazy, err = translateRegex(pattern, f.expanded); err != nil {
			return nil, err
		}
	}
	re, err := regexp.Compile(flags + ")" + body)
	if err != nil {
		reason := err.Error()
		if i := strings.Index(reason, ": "); i >= 0 {
			reason = reason[i+2:]
		}
		return nil, types.Errorf(types.CodeInvalidRegex, "invalid regular expression: %s", reason)
	}
	if !lazy {
		re.Longest()
	}
	return &regex{re: re, global: f.global, groups: re.NumSubexp()}, nil
}

func isLetters(s string) bool {
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return s != ""
}

// translateRegex rewrites what PostgreSQL writes differently. lazy says that there is a non-greedy quantifier.
func translateRegex(p string, expanded bool) (out string, lazy bool, err error) {
	var b strings.Builder
	invalid := func(format string, args ...any) error {
		return types.Errorf(types.CodeInvalidRegex, "invalid regular expression: "+format, args...)
	}
	quantifiable := false // the last thing can take a quantifier
	for i := 0; i < len(p); {
		c := p[i]
		switch {
		case c == '\\':
			if i+1 >= len(p) {
				return "", false, invalid("invalid escape \\ sequence")
			}
			text, size, err := translateEscape(p[i:])
			if err != nil {
				return "", false, err
			}
			b.WriteString(text)
			i += size
			quantifiable = true
		case c == '[':
			if strings.HasPrefix(p[i:], "[[:<:]]") || strings.HasPrefix(p[i:], "[[:>:]]") {
				return "", false, types.NotSupported(types.Span{}, "word boundaries %s in regular expressions; use \\y", p[i:i+7])
			}
			text, size, err := translateSet(p[i:])
			if err != nil {
				return "", false, err
			}
			b.WriteString(text)
			i += size
			quantifiable = true
		case c == '(':
			switch {
			case strings.HasPrefix(p[i:], "(?:"):
				b.WriteString("(?:")
				i += 3
			case strings.HasPrefix(p[i:], "(?#"):
				end := strings.IndexByte(p[i:], ')')
				if end < 0 {
					return "", false, invalid("parentheses () not balanced")
				}
				i += end + 1
				continue
			case strings.HasPrefix(p[i:], "(?=") || strings.HasPrefix(p[i:], "(?!") || strings.HasPrefix(p[i:], "(?<"):
				return "", false, types.NotSupported(types.Span{}, "look-around in regular expressions")
			case strings.HasPrefix(p[i:], "(?"):
				return "", false, invalid("quantifier operand invalid")
			default:
				b.WriteByte('(')
				i++
			}
			quantifiable = false
		case c == '*' || c == '+' || c == '?' || c == '{' && i+1 < len(p) && p[i+1] >= '0' && p[i+1] <= '9':
			if !quantifiable {
				return "", false, invalid("quantifier operand invalid")
			}
			size := 1
			if c == '{' {
				end := strings.IndexByte(p[i:], '}')
				if end < 0 {
					return "", false, invalid("braces {} not balanced")
				}
				size = end + 1
				if err := checkBraces(p[i+1 : i+end]); err != nil {
					return "", false, err
				}
			}
			b.WriteString(p[i : i+size])
			i += size
			if i < len(p) && p[i] == '?' {
				b.WriteByte('?')
				i++
				lazy = true
			}
			quantifiable = false
			if i < len(p) && (p[i] == '*' || p[i] == '+' || p[i] == '?') {
				return "", false, invalid("quantifier operand invalid")
			}
		case expanded && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			i++
		case expanded && c == '#':
			for i < len(p) && p[i] != '\n' {
				i++
			}
		case c == '^' || c == '$' || c == '|':
			b.WriteByte(c)
			i++
			quantifiable = false
		case c == '{':
			b.WriteString(`\{`)
			i++
			quantifiable = true
		default:
			_, size := utf8.DecodeRuneInString(p[i:])
			b.WriteString(p[i : i+size])
			i += size
			quantifiable = true
		}
	}
	return b.String(), lazy, nil
}

func checkBraces(s string) error {
	low, high, two := strings.Cut(s, ",")
	a, err := strconv.Atoi(low)
	if err == nil && two && high != "" {
		var z int
		if z, err = strconv.Atoi(high); err == nil && z < a {
			err = strconv.ErrRange
		}
		a = max(a, z)
	}
	if err != nil || a > 255 {
		return types.Errorf(types.CodeInvalidRegex, "invalid regular expression: invalid repetition count(s)")
	}
	return nil
}

// translateEscape translates the escape at the start of p, outside of brackets.
func translateEscape(p string) (text string, size int, err error) {
	switch c := p[1]; c {
	case 'd', 'D', 's', 'S', 'w', 'W':
		// Unicode's classes, as in a UTF-8 locale.
		classes := map[byte]string{
			'd': `\d`, 'D': `\D`, 's': `[\s\v]`, 'S': `[^\s\v]`, 'w': `[\pL\pN\pM_]`, 'W': `[^\pL\pN\pM_]`,
		}
		return classes[c], 2, nil
	case 'A':
		return `\A`, 2, nil
	case 'Z':
		return `\z`, 2, nil
	case 'y':
		return `\b`, 2, nil
	case 'Y':
		return `\B`, 2, nil
	case 'm', 'M':
		return "", 0, types.NotSupported(types.Span{}, "word boundaries \\%c in regular expressions; use \\y", c)
	case 'a':
		return `\x07`, 2, nil
	case 'b':
		return `\x08`, 2, nil
	case 'B':
		return `\\`, 2, nil
	case 'e':
		return `\x1b`, 2, nil
	case 'f', 'n', 'r', 't', 'v':
		return `\` + string(c), 2, nil
	case 'u', 'U', 'x':
		digits := map[byte]int{'u': 4, 'U': 8, 'x': 255}[c]
		k := 2
		for k < len(p) && k-2 < digits && strings.IndexByte("0123456789abcdefABCDEF", p[k]) >= 0 {
			k++
		}
		if k == 2 || c != 'x' && k-2 < digits {
			return "", 0, types.Errorf(types.CodeInvalidRegex, "invalid regular expression: invalid escape \\ sequence")
		}
		hex := strings.TrimLeft(p[2:k], "0")
		if len(hex) > 6 {
			return "", 0, types.Errorf(types.CodeInvalidRegex, "invalid regular expression: invalid escape \\ sequence")
		}
		return `\x{` + "0" + hex + `}`, k, nil
	case '0':
		return `\x00`, 2, nil
	default:
		if c >= '1' && c <= '9' {
			return "", 0, types.NotSupported(types.Span{}, "back references in regular expressions")
		}
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return "", 0, types.Errorf(types.CodeInvalidRegex, "invalid regular expression: invalid escape \\ sequence")
		}
		_, n := utf8.DecodeRuneInString(p[1:])
		return regexp.QuoteMeta(p[1 : 1+n]), 1 + n, nil
	}
}

// translateSet translates the bracket expression at the start of p.
func translateSet(p string) (text string, size int, err error) {
	unbalanced := types.Errorf(types.CodeInvalidRegex, "invalid regular expression: brackets [] not balanced")
	var b strings.Builder
	b.WriteByte('[')
	i := 1
	if i < len(p) && p[i] == '^' {
		b.WriteByte('^')
		i++
	}
	first := true
	for i < len(p) {
		switch {
		case p[i] == ']' && !first:
			b.WriteByte(']')
			return b.String(), i + 1, nil
		case strings.HasPrefix(p[i:], "[:"):
			end := strings.Index(p[i:], ":]")
			if end < 0 {
				return "", 0, unbalanced
			}
			class, ok := posixClasses[p[i+2:i+end]]
			if !ok {
				return "", 0, types.Errorf(types.CodeInvalidRegex, "invalid regular expression: invalid character class")
			}
			b.WriteString(class)
			i += end + 2
		case strings.HasPrefix(p[i:], "[.") || strings.HasPrefix(p[i:], "[="):
			return "", 0, types.NotSupported(types.Span{}, "collating elements in regular expressions")
		case p[i] == '\\':
			if i+1 >= len(p) {
				return "", 0, unbalanced
			}
			text, size, err := translateEscape(p[i:])
			if err != nil {
				return "", 0, err
			}
			if strings.HasPrefix(text, "[^") {
				return "", 0, types.Errorf(types.CodeInvalidRegex, "invalid regular expression: invalid escape \\ sequence")
			}
			b.WriteString(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
			i += size
		default:
			_, n := utf8.DecodeRuneInString(p[i:])
			if strings.IndexByte(`[]\^&~`, p[i]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteString(p[i : i+n])
			i += n
		}
		first = false
	}
	return "", 0, unbalanced
}

var posixClasses = map[string]string{
	"alpha": `\pL`, "digit": `0-9`, "alnum": `\pL\pN`, "upper": `\p{Lu}`, "lower": `\p{Ll}`, "space": `\s\v`,
	"punct": `!-/:-@\[-` + "`" + `{-~`, "blank": ` \t`, "cntrl": `\x00-\x1f\x7f`, "graph": `!-~\pL\pN`, "print": ` -~\pL\pN`,
	"xdigit": `0-9A-Fa-f`, "word": `\pL\pN_`,
}

// regexCache compiles the patterns of a call: one if it is constant, else the last few.
type regexCache struct {
	known map[string]regexEntry
	last  string
	entry regexEntry
}

type regexEntry struct {
	re  *regex
	err error
}

func (c *regexCache) get(pattern, flags string, global, fold bool) (*regex, error) {
	key := flags + "\x00" + pattern
	if c.known != nil && key == c.last {
		return c.entry.re, c.entry.err
	}
	e, ok := c.known[key]
	if !ok {
		const most = 256
		if len(c.known) >= most || c.known == nil {
			c.known = map[string]regexEntry{}
		}
		f, err := parseRegexFlags(flags, global)
		if err == nil {
			f.fold = f.fold || fold
			e.re, err = compileRegex(pattern, f)
		}
		e.err = err
		key = strings.Clone(key)
		c.known[key] = e
	}
	c.last, c.entry = strings.Clone(key), e
	return e.re, e.err
}
