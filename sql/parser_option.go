package sql

import "strings"

// with reads WITH (key = value, ...), if it is there.
func (p *parser) withOptions() []*Option {
	if !p.accept("with") {
		return nil
	}
	return p.options()
}

// options reads (key = value, ...).
func (p *parser) options() []*Option {
	p.expect("(")
	if p.accept(")") {
		return nil
	}
	options := list(p, func() *Option { return p.option(true) })
	p.expect(")")
	return options
}

// looseOptions reads (key value, key = value, key), as COPY and EXPLAIN have them.
func (p *parser) looseOptions() []*Option {
	return parenList(p, func() *Option { return p.option(false) })
}

func (p *parser) option(equals bool) *Option {
	start := p.start()
	o := &Option{Key: p.optionKey()}
	o.KeySpan = p.from(start).Place
	switch {
	case p.accept("="):
		o.Value = p.optionValue()
	case p.is("=="), p.is("=>"), p.is(":"), p.is(":="):
		p.unexpectedHint(`"="`, "write key = 'value'")
	case !equals && !p.is(",") && !p.is(")"):
		o.Value = p.optionValue()
	case equals && !p.is(",") && !p.is(")"):
		p.unexpected(`"=" and a value`)
	}
	o.At = p.from(start)
	return o
}

// optionKey reads 'any text', or words joined by dots: fields.id.kind.
func (p *parser) optionKey() string {
	t := p.tok()
	if t.kind == tokString {
		p.skip(1)
		return t.text
	}
	key := p.label("an option's name").Name
	for p.err == nil {
		switch n := p.peek(1); {
		case p.is(".") && (n.kind == tokWord || n.kind == tokNumber):
			p.skip(2)
			key += "." + n.text
		case p.is("-") && n.kind == tokWord && n.start == p.tok().end && p.tok().start == p.toks[p.i-1].end:
			p.skip(2)
			key += "-" + n.text
		default:
			return key
		}
	}
	return key
}

// optionValue reads the value of an option or parameter; a bare word is a string.
func (p *parser) optionValue() Expr {
	t := p.tok()
	start := t.start
	switch {
	case t.kind == tokString:
		p.skip(1)
		return &StringLit{At: tokenAt(t), Value: t.text}
	case t.kind == tokNumber:
		p.skip(1)
		return &NumberLit{At: tokenAt(t), Text: t.text}
	case t.is("-") || t.is("+"):
		p.skip(1)
		sign := strings.TrimPrefix(t.text, "+")
		if n := p.tok(); n.kind == tokNumber {
			p.skip(1)
			return &NumberLit{At: p.from(start), Text: sign + n.text}
		}
		p.unexpected("a number")
		return &NullLit{}
	case t.is("true") || t.is("false"):
		p.skip(1)
		return &BoolLit{At: tokenAt(t), Value: t.text == "true"}
	case t.is("null"):
		p.skip(1)
		return &NullLit{At: tokenAt(t)}
	case t.is("interval") && p.peek(1).kind != tokEOF && !p.peek(1).is(",") && !p.peek(1).is(")"):
		return p.interval()
	case t.kind == tokWord && t.quoted:
		p.unexpectedHint("a value", "strings are written in single quotes; double quotes and backticks make a name")
		return &NullLit{}
	case t.kind == tokWord:
		// The word as it was written: a bare path or a name keeps its capitals.
		p.skip(1)
		end := t.end
		for n := p.tok(); (n.is(".") || n.is("-") || n.kind == tokWord && !n.quoted) && n.start == end && p.err == nil; n = p.tok() {
			end = n.end
			p.skip(1)
		}
		return &StringLit{At: p.from(start), Value: p.src[start:end]}
	}
	p.unexpected("a value")
	return &NullLit{}
}

// format reads FORMAT kind [ENCODE encoding] [(options)] [KEY ENCODE encoding [(options)]], if it is there.
func (p *parser) format() *FormatSpec {
	if !p.is("format") {
		return nil
	}
	start := p.start()
	p.expect("format")
	kind := func(what string) string {
		if p.is("=") {
			p.unexpectedHint(what, "write FORMAT JSON, or put format = 'json' into WITH")
		}
		if t := p.tok(); t.kind == tokString {
			p.skip(1)
			return strings.ToLower(t.text)
		}
		return strings.ToLower(p.label(what).Name)
	}
	f := &FormatSpec{Kind: kind("a format such as JSON")}
	options := func() []*Option {
		if p.is("(") {
			return p.options()
		}
		return nil
	}
	f.Options = options()
	if p.accept("encode") {
		f.Encode = kind("an encoding such as JSON")
		if p.is("(") {
			f.Options = append(f.Options, p.options()...)
		}
	}
	if p.accept("key", "encode") {
		f.KeyEncode = kind("an encoding such as TEXT")
		f.KeyOptions = options()
	}
	f.At = p.from(start)
	return f
}
