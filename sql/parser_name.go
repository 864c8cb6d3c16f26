package sql

import (
	"math"
	"strconv"
	"strings"
)

// word reads an identifier if the class of the next word allows it there.
func (p *parser) word(what string, allowed func(wordClass) bool) Ident {
	t := p.tok()
	if t.kind == tokWord && allowed(t.class()) && p.err == nil {
		p.skip(1)
		return Ident{At: tokenAt(t), Name: t.text, Quoted: t.quoted}
	}
	hint := ""
	switch {
	case t.kind == tokString:
		hint = "write names without quotes or in double quotes; single quotes make a string"
	case t.kind == tokWord && t.class() >= wordFunction && p.guess(t, what) == "":
		hint = keywordHint(t.text)
	}
	p.unexpectedHint(what, hint)
	return Ident{Name: "?"}
}

func keywordHint(word string) string {
	return strings.ToUpper(word) + ` is a keyword; to use it as a name, write "` + word + `"`
}

func isName(c wordClass) bool         { return c <= wordColumn }
func isFunctionName(c wordClass) bool { return c <= wordFree || c == wordFunction }
func isLabel(wordClass) bool          { return true }

// ident reads the name of a column, table or alias.
func (p *parser) ident(what string) Ident { return p.word(what, isName) }

// label reads a name where any word may stand: after AS or a dot.
func (p *parser) label(what string) Ident { return p.word(what, isLabel) }

// idents reads (a, b, c).
func (p *parser) idents(what string) []Ident {
	return parenList(p, func() Ident { return p.ident(what) })
}

// name reads a possibly qualified name.
func (p *parser) name(what string) *Name {
	start := p.start()
	n := &Name{Parts: []Ident{p.ident(what)}}
	for p.accept(".") {
		n.Parts = append(n.Parts, p.label("a name after the dot"))
	}
	n.At = p.from(start)
	return n
}

func (p *parser) names(what string) []*Name {
	return list(p, func() *Name { return p.name(what) })
}

// string reads a string literal's value.
func (p *parser) string(what string) string {
	t := p.tok()
	if t.kind == tokString {
		p.skip(1)
		return t.text
	}
	hint := ""
	if t.kind == tokWord && t.quoted {
		hint = "strings are written in single quotes; double quotes and backticks make a name"
	}
	p.unexpectedHint(what, hint)
	return ""
}

// int reads an unsigned whole number that fits an int32.
func (p *parser) int(what string) int {
	t := p.tok()
	if t.kind == tokNumber {
		if n, err := strconv.ParseInt(t.text, 0, 32); err == nil && (len(t.text) == 1 || t.text[0] != '0' || t.text[1] > '9') {
			p.skip(1)
			return int(n)
		}
		if n, err := strconv.ParseInt(t.text, 10, 32); err == nil {
			p.skip(1)
			return int(n)
		}
		p.errorAt(tokenAt(t), "", "unexpected number %s, expected %s (a whole number up to %d)", t.text, what, math.MaxInt32)
		return 0
	}
	p.unexpected(what)
	return 0
}

// parenInts reads (1, 2); signs are allowed.
func (p *parser) parenInts(what string) []int {
	return parenList(p, func() int {
		if p.accept("-") {
			return -p.int(what)
		}
		return p.int(what)
	})
}

// unitWords maps the unit words of intervals to their canonical form.
var unitWords = map[string]string{
	"year": "year", "years": "year", "month": "month", "months": "month", "week": "week", "weeks": "week", "day": "day",
	"days": "day", "hour": "hour", "hours": "hour", "minute": "minute", "minutes": "minute", "second": "second",
	"seconds": "second", "millisecond": "millisecond", "milliseconds": "millisecond", "microsecond": "microsecond",
	"microseconds": "microsecond",
}

// unit returns the canonical interval unit that the next token names, or "". Only the standard's six words are
// keywords; the others (week, plurals) are taken behind a literal only.
func (p *parser) unit(literal bool) string {
	t := p.tok()
	if t.kind != tokWord || t.quoted || !literal && wordClasses[t.text] == wordPlain {
		return ""
	}
	return unitWords[t.text]
}

// intervalFields reads SECOND, SECOND(3), DAY TO SECOND(3) and so on, if there are any.
func (p *parser) intervalFields(literal bool) *IntervalFields {
	start := p.start()
	f := &IntervalFields{From: p.unit(literal), Precision: -1}
	if f.From == "" {
		return nil
	}
	p.skip(1)
	last := f.From
	if p.is("to") {
		p.skip(1)
		if f.To = p.unit(literal); f.To == "" {
			p.unexpected("a unit such as SECOND")
			return f
		}
		p.skip(1)
		last = f.To
	}
	if last == "second" && p.is("(") {
		p.skip(1)
		f.Precision = p.int("the precision of seconds")
		p.expect(")")
	}
	f.At = p.from(start)
	return f
}

// typeName reads a type with its modifiers and array dimensions.
func (p *parser) typeName() *TypeName {
	p.enter()
	defer p.leave()
	start := p.start()
	t := p.simpleType()
	for p.err == nil {
		switch {
		case p.accept("["):
			n := -1
			if !p.is("]") {
				n = p.int("the size of the array")
			}
			p.expect("]")
			t.Dims = append(t.Dims, n)
			continue
		case p.is("array") && p.peek(1).is("["):
			p.skip(2)
			t.Dims = append(t.Dims, p.int("the size of the array"))
			p.expect("]")
			continue
		case p.accept("array"):
			t.Dims = append(t.Dims, -1)
			continue
		}
		break
	}
	t.At = p.from(start)
	return t
}

func (p *parser) builtinType(at At, name string) *TypeName {
	return &TypeName{At: at, Name: &Name{At: at, Parts: []Ident{{At: at, Name: name}}}}
}

// simpleType reads a type without array dimensions.
func (p *parser) simpleType() *TypeName {
	start := p.start()
	p.accept("setof")
	one := func(name string, words ...string) *TypeName {
		if !p.accept(words...) {
			return nil
		}
		return p.builtinType(p.from(start), name)
	}
	for _, f := range []struct {
		name  string
		words []string
	}{
		{"double precision", []string{"double", "precision"}},
		{"varchar", []string{"character", "varying"}}, {"varchar", []string{"char", "varying"}},
		{"varchar", []string{"national", "character", "varying"}}, {"varchar", []string{"national", "char", "varying"}},
		{"varchar", []string{"nchar", "varying"}},
		{"char", []string{"national", "character"}}, {"char", []string{"national", "char"}},
		{"char", []string{"character"}}, {"char", []string{"nchar"}},
		{"varbit", []string{"bit", "varying"}},
	} {
		if t := one(f.name, f.words...); t != nil {
			t.Mods = p.typeMods()
			return t
		}
	}
	if p.is("interval") {
		return p.intervalType()
	}
	if t := one("struct", "row", "<"); t != nil {
		return p.structType(t, ">")
	}
	if t := one("struct", "struct", "<"); t != nil {
		return p.structType(t, ">")
	}
	if t := one("struct", "row", "("); t != nil {
		return p.structType(t, ")")
	}
	if t := one("map", "map", "<"); t != nil {
		t.Args = append(t.Args, p.typeName())
		p.expect(",")
		t.Args = append(t.Args, p.typeName())
		p.closeAngle()
		return t
	}
	if p.accept("array", "<") {
		t := p.typeName()
		t.Dims = append([]int{-1}, t.Dims...)
		p.closeAngle()
		return t
	}
	t := &TypeName{Name: &Name{Parts: []Ident{p.word("a type", func(c wordClass) bool { return c <= wordFunction })}}}
	for p.accept(".") {
		t.Name.Parts = append(t.Name.Parts, p.label("a type name after the dot"))
	}
	t.Name.At = p.from(start)
	t.Mods = p.typeMods()
	if n := t.Name.Parts[0]; len(t.Name.Parts) == 1 && !n.Quoted && (n.Name == "time" || n.Name == "timestamp") {
		switch {
		case p.accept("with", "time", "zone"):
			t.TimeZone = WithTimeZone
		case p.accept("without", "time", "zone"):
			t.TimeZone = WithoutTimeZone
		}
	}
	return t
}

func (p *parser) typeMods() []int {
	if !p.is("(") {
		return nil
	}
	return p.parenInts("a number (the size or precision of the type)")
}

func (p *parser) intervalType() *TypeName {
	t := p.builtinType(tokenAt(p.tok()), "interval")
	p.expect("interval")
	if p.is("(") {
		t.Mods = p.typeMods()
		return t
	}
	t.Interval = p.intervalFields(false)
	return t
}

func (p *parser) structType(t *TypeName, closing string) *TypeName {
	t.Fields = list(p, func() StructField {
		start := p.start()
		f := StructField{Name: p.label("a field name")}
		p.accept(":")
		f.Type = p.typeName()
		f.At = p.from(start)
		return f
	})
	if closing == ">" {
		p.closeAngle()
	} else {
		p.expect(closing)
	}
	return t
}

// closeAngle reads one > of a type; the scanner gives >> for two.
func (p *parser) closeAngle() {
	t := p.tok()
	if t.kind == tokOp && len(t.text) > 1 && t.text[0] == '>' && strings.Trim(t.text, ">") == "" {
		t.text = t.text[1:]
		t.start++
		return
	}
	p.expect(">")
}
