package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// texts adds the set-returning functions that cut texts.
func (t *tableFunctionTable) texts() {
	text := types.TextType
	t.group("the parts of a text between delimiters; without delimiter (NULL) its characters. Parts equal to the third argument are NULL",
		"string_to_table('a,b,', ',')", "a\nb\n")
	for _, args := range [][]types.Type{sig(text, text), sig(text, text, text)} {
		f := t.add("string_to_table", args, oneColumn("string_to_table", text), splitToTable)
		f.Strict, f.Fallible = false, false
	}
	t.group("the parts of a text between the matches of a regular expression", "regexp_split_to_table('a1b22c', '[0-9]+')", "a\nb\nc")
	for _, args := range [][]types.Type{sig(text, text), sig(text, text, text)} {
		t.add("regexp_split_to_table", args, oneColumn("regexp_split_to_table", text), regexSplitToTable)
	}
	t.group("the groups of a regular expression's first match, or with the flag g of all, as arrays",
		"regexp_matches('a1b2', '([a-z])([0-9])', 'g')", "{a,1}\n{b,2}")
	for _, args := range [][]types.Type{sig(text, text), sig(text, text, text)} {
		t.add("regexp_matches", args, oneColumn("regexp_matches", types.ArrayOf(text)), regexMatches)
	}
}

// textArg returns the text of an argument; ok is false for NULL.
func textArg(args []arrow.Array, i, row int) (s string, ok bool) {
	if i >= len(args) || args[i].IsNull(row) {
		return "", false
	}
	return args[i].(*array.String).Value(row), true
}

// splitter cuts a text at a delimiter, as string_to_array does.
type splitter struct {
	text, delim string
	chars       bool // into characters
	done        bool
}

// newSplitter begins with a text; split is false where there is no delimiter (NULL).
func newSplitter(text, delim string, split bool) splitter {
	return splitter{text: text, delim: delim, chars: !split, done: text == ""}
}

// next returns the next part.
func (s *splitter) next() (part string, ok bool) {
	switch {
	case s.done:
		return "", false
	case s.chars:
		_, size := utf8.DecodeRuneInString(s.text)
		part, s.text = s.text[:size], s.text[size:]
		s.done = s.text == ""
		return part, true
	case s.delim == "":
		s.done = true
		return s.text, true
	}
	part, rest, found := strings.Cut(s.text, s.delim)
	s.text, s.done = rest, !found
	return part, true
}

func splitToTable(_ *Context, args []arrow.Array) Generator {
	var s splitter
	var null string
	var nulls bool
	return &generator{
		start: func(row int) (bool, error) {
			text, ok := textArg(args, 0, row)
			delim, split := textArg(args, 1, row)
			null, nulls = textArg(args, 2, row)
			s = newSplitter(text, delim, split)
			return !ok || s.done, nil
		},
		next: func(most int, out []array.Builder) (n int, done bool) {
			b := out[0].(*array.StringBuilder)
			for ; n < most && !s.done; n++ {
				part, _ := s.next()
				if nulls && part == null {
					b.AppendNull()
				} else {
					b.Append(part)
				}
			}
			return n, s.done
		},
	}
}

// splitMatches returns the matches at which PostgreSQL cuts: all but empty ones at the start, at the end and just after another.
func splitMatches(re *regex, s string) [][]int {
	var cuts [][]int
	last := 0
	for _, loc := range re.re.FindAllStringIndex(s, -1) {
		if loc[0] < len(s) && loc[1] > last {
			cuts = append(cuts, loc)
		}
		last = loc[1]
	}
	return cuts
}

func regexSplitToTable(_ *Context, args []arrow.Array) Generator {
	cache := &regexCache{}
	var text string
	var cuts [][]int
	var at int
	var ended bool
	return &generator{
		start: func(row int) (bool, error) {
			if anyNull(args, row) {
				return true, nil
			}
			pattern, _ := textArg(args, 1, row)
			flags, _ := textArg(args, 2, row)
			re, err := cache.get(pattern, flags, false, false)
			if err != nil {
				return true, err
			}
			text, _ = textArg(args, 0, row)
			cuts, at, ended = splitMatches(re, text), 0, false
			return false, nil
		},
		next: func(most int, out []array.Builder) (n int, done bool) {
			b := out[0].(*array.StringBuilder)
			for ; n < most && !ended; n++ {
				if len(cuts) == 0 {
					b.Append(text[at:])
					ended = true
					continue
				}
				b.Append(text[at:cuts[0][0]])
				at, cuts = cuts[0][1], cuts[1:]
			}
			return n, ended
		},
	}
}

func regexMatches(_ *Context, args []arrow.Array) Generator {
	cache := &regexCache{}
	var text string
	var found [][]int
	return &generator{
		start: func(row int) (bool, error) {
			if anyNull(args, row) {
				return true, nil
			}
			pattern, _ := textArg(args, 1, row)
			flags, _ := textArg(args, 2, row)
			re, err := cache.get(pattern, flags, true, false)
			if err != nil {
				return true, err
			}
			text, _ = textArg(args, 0, row)
			most := 1
			if re.global {
				most = -1
			}
			found = re.re.FindAllStringSubmatchIndex(text, most)
			return len(found) == 0, nil
		},
		next: func(most int, out []array.Builder) (n int, done bool) {
			b := out[0].(*array.ListBuilder)
			for ; n < most && len(found) > 0; n++ {
				b.Append(true)
				appendGroups(b.ValueBuilder().(*array.StringBuilder), text, found[0])
				found = found[1:]
			}
			return n, len(found) == 0
		},
	}
}

// appendGroups appends the groups of a match, or the whole match where there are none.
func appendGroups(b *array.StringBuilder, text string, loc []int) {
	if len(loc) > 2 {
		loc = loc[2:]
	}
	for ; len(loc) > 0; loc = loc[2:] {
		if loc[0] < 0 {
			b.AppendNull()
		} else {
			b.Append(text[loc[0]:loc[1]])
		}
	}
}
