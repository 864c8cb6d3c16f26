package expr

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// concatAny adds the functions that take arguments of any type and use their text forms.
func (t *table) concatAny() {
	txt, anything := types.TextType, types.UnknownType
	t.group("the text forms of the arguments, one after the other; NULLs are passed over", "concat('a', 2, NULL, true)", "a2t")
	t.fn("concat", sig(anything), txt, simple(func(c *call) { concatWith(c, false) }), lax, stable, variadic)
	t.group("the text forms of all arguments but the first, with the first between them; NULLs are passed over",
		"concat_ws(',', 'a', 2, NULL, true)", "a,2,t")
	t.fn("concat_ws", sig(txt, anything), txt, simple(func(c *call) { concatWith(c, true) }), lax, stable, variadic)
	t.group("a text and the text form of a value, one after the other", "'Value: ' || 42", "Value: 42")
	for _, typ := range castKinds {
		if typ.Kind == types.Text || typ.Kind == types.Bytea {
			continue
		}
		t.op("||", sig(txt, typ), txt, simple(func(c *call) { concatStrict(c) }), stable)
		t.op("||", sig(typ, txt), txt, simple(func(c *call) { concatStrict(c) }), stable)
	}
	t.group("formats arguments after a pattern: %s is the text form, %I an identifier, %L a literal; %2$s is the second, %-10s has a width",
		"format('Hello %s, %1$s', 'World')", "Hello World, World")
	t.fn("format", sig(txt), txt, simple(formatText), lax, stable, fallible)
	t.fn("format", sig(txt, anything), txt, simple(formatText), lax, stable, fallible, variadic)
}

// printer appends the text form of row i of an argument.
type printer func(dst []byte, i int) []byte

// printers returns how to print each argument.
func printers(c *call) []printer {
	out := make([]printer, len(c.args))
	for k, v := range c.args {
		out[k] = printerOf(c, v)
	}
	return out
}

func printerOf(c *call, v *vec) printer {
	at := func(i int) int {
		if v.konst {
			return 0
		}
		return i
	}
	switch v.t.Kind {
	case types.Text, types.JSONB:
		return func(dst []byte, i int) []byte { return append(dst, textAt(v, at(i))...) }
	case types.TimestampTZ:
		zone := c.ctx.zone()
		return func(dst []byte, i int) []byte { return types.AppendTimestampTZ(dst, view[int64](v.buf)[at(i)], zone) }
	}
	var arr arrow.Array
	return func(dst []byte, i int) []byte {
		if arr == nil {
			if arr = v.arr; arr == nil || v.konst {
				one := *v
				one.konst, one.n, one.arr = false, v.physical(), nil
				if v.arr != nil && v.arr.Len() == one.n {
					one.arr = v.arr
				}
				arr = one.toArrow()
			}
		}
		return types.AppendText(dst, v.t, arr, at(i))
	}
}

func concatWith(c *call, separated bool) {
	print := printers(c)
	first := 0
	if separated {
		first = 1
		c.valid, c.listed = bitmapOf(c.args[0], c.n), false
	}
	texted(c, func(dst []byte, i int) ([]byte, error) {
		any := false
		for k := first; k < len(c.args); k++ {
			if c.args[k].null(i) {
				continue
			}
			if any && separated {
				dst = print[0](dst, i)
			}
			any = true
			dst = print[k](dst, i)
		}
		return dst, nil
	})
}

// bitmapOf returns the validity of v, written out for a constant.
func bitmapOf(v *vec, n int) []byte {
	if v.konst && v.null(0) {
		return make([]byte, (n+7)/8)
	}
	if v.konst {
		return nil
	}
	return v.valid
}

// concatStrict prints bool as true and false, as the cast to text does.
func concatStrict(c *call) {
	print := printers(c)
	for k, v := range c.args {
		if v.t.Kind == types.Bool {
			print[k] = func(dst []byte, i int) []byte { return strconv.AppendBool(dst, v.bit(i)) }
		}
	}
	texted(c, func(dst []byte, i int) ([]byte, error) { return print[1](print[0](dst, i), i), nil })
}

var (
	errFormatEnd    = types.Errorf(types.CodeInvalidParameter, "unterminated format() type specifier").WithHint("for a single %%, use %%%%")
	errFormatFew    = types.Errorf(types.CodeInvalidParameter, "too few arguments for format()")
	errFormatZero   = types.Errorf(types.CodeInvalidParameter, "format specifies argument 0, but arguments are numbered from 1")
	errFormatWidth  = types.Errorf(types.CodeInvalidParameter, "width argument position must be ended by \"$\"")
	errFormatIdent  = types.Errorf(types.CodeNullNotAllowed, "null values cannot be formatted as an SQL identifier")
	errFormatNumber = types.Errorf(types.CodeNumericOutOfRange, "number is out of range")
)

// formatText is format(pattern, ...).
func formatText(c *call) {
	print := printers(c)
	c.valid, c.listed = bitmapOf(c.args[0], c.n), false
	var pattern, arg []byte
	texted(c, func(dst []byte, i int) ([]byte, error) {
		pattern = print[0](pattern[:0], i)
		size := len(dst)
		next := 1
		f := string(pattern)
		for f != "" {
			k := strings.IndexByte(f, '%')
			if k < 0 {
				dst = append(dst, f...)
				break
			}
			dst = append(dst, f[:k]...)
			f = f[k+1:]
			if strings.HasPrefix(f, "%") {
				dst = append(dst, '%')
				f = f[1:]
				continue
			}
			spec, rest, err := parseFormatSpec(f)
			if err != nil {
				return dst[:size], err
			}
			f = rest
			if spec.widthArg >= 0 { // the width is an argument, which counts
				at := spec.widthArg
				if at == 0 {
					at = next
					next++
				} else {
					next = at + 1
				}
				if at >= len(c.args) {
					return dst[:size], errFormatFew
				}
				if !c.args[at].null(i) {
					w, err := strconv.Atoi(string(print[at](nil, i)))
					if err != nil {
						return dst[:size], errFormatNumber
					}
					if w < 0 {
						spec.left, w = true, -w
					}
					spec.width = w
				}
			}
			at := spec.arg
			if at == 0 {
				at = next
			}
			next = at + 1
			if at >= len(c.args) {
				return dst[:size], errFormatFew
			}
			null := c.args[at].null(i)
			arg = arg[:0]
			if !null {
				arg = print[at](arg, i)
			}
			switch spec.verb {
			case 's':
			case 'I':
				if null {
					return dst[:size], errFormatIdent
				}
				arg = appendIdent(nil, string(arg))
			case 'L':
				if null {
					arg = append(arg, "NULL"...)
				} else {
					arg = appendLiteral(nil, string(arg))
				}
			default:
				return dst[:size], types.Errorf(types.CodeInvalidParameter, "unrecognized format() type specifier %q", string(spec.verb)).
					WithHint("for a single %%, use %%%%")
			}
			fill := max(spec.width-utf8.RuneCount(arg), 0)
			if fill > maxText {
				return dst[:size], errTextTooLong
			}
			if !spec.left {
				dst = append(dst, strings.Repeat(" ", fill)...)
			}
			dst = append(dst, arg...)
			if spec.left {
				dst = append(dst, strings.Repeat(" ", fill)...)
			}
		}
		return dst, nil
	})
}

type formatSpec struct {
	arg, width, widthArg int // widthArg: -1 none, 0 the next, else its number
	left                 bool
	verb                 rune
}

// parseFormatSpec reads what follows %: [n$][-][width | * | *n$]verb.
func parseFormatSpec(f string) (spec formatSpec, rest string, err error) {
	spec.widthArg = -1
	number := func() (int, bool, error) {
		k := 0
		for k < len(f) && f[k] >= '0' && f[k] <= '9' {
			k++
		}
		if k == 0 {
			return 0, false, nil
		}
		n, err := strconv.ParseInt(f[:k], 10, 32)
		f = f[k:]
		if err != nil {
			return 0, false, errFormatNumber
		}
		return int(n), true, nil
	}
	n, ok, err := number()
	if err != nil {
		return spec, f, err
	}
	if ok {
		if !strings.HasPrefix(f, "$") {
			spec.width = n
		} else {
			if n == 0 {
				return spec, f, errFormatZero
			}
			spec.arg, f = n, f[1:]
			ok = false
		}
	}
	if !ok {
		for strings.HasPrefix(f, "-") {
			spec.left, f = true, f[1:]
		}
		if strings.HasPrefix(f, "*") {
			f = f[1:]
			spec.widthArg = 0
			if n, ok, err = number(); err != nil {
				return spec, f, err
			}
			if ok {
				if !strings.HasPrefix(f, "$") {
					return spec, f, errFormatWidth
				}
				if n == 0 {
					return spec, f, errFormatZero
				}
				spec.widthArg, f = n, f[1:]
			}
		} else if n, ok, err = number(); err != nil {
			return spec, f, err
		} else if ok {
			spec.width = n
		}
	}
	if f == "" {
		return spec, f, errFormatEnd
	}
	verb, size := utf8.DecodeRuneInString(f)
	spec.verb = verb
	return spec, f[size:], nil
}
