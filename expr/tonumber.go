package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// numberReader reads a text by a template of to_char, node by node, each of which takes one character or none.
type numberReader struct {
	f      *numberFormat
	s      string
	digits []byte
	neg    bool
	signed bool // a sign was read
	begun  bool // a digit or the point was read
	point  bool
	post   int
}

// read reads a text as to_number does. Errors: 22P02 without a digit; 22003 with more than the template has; 0A000 for RN, EEEE and V.
func (f *numberFormat) read(s string) (types.NumericValue, error) {
	if f.roman || f.power || f.shift > 0 || f.hasV() {
		return types.NumericValue{}, types.NotSupported(types.Span{}, "to_number with RN, EEEE or V")
	}
	r := &numberReader{f: f, s: s}
	for _, n := range f.nodes {
		if r.s == "" {
			break
		}
		r.node(n)
	}
	text := string(r.digits)
	if r.neg {
		text = "-" + text
	}
	v, err := types.ParseNumeric(text)
	if err != nil {
		return v, types.Errorf(types.CodeInvalidText, "invalid input syntax for type numeric: \"%s\"", s)
	}
	if _, err := v.WithModifier(min(f.pre+f.post, 38), f.post); err != nil { // more digits than the template has
		return v, err
	}
	return v, nil
}

func (r *numberReader) skip() {
	if r.s != "" {
		_, size := utf8.DecodeRuneInString(r.s)
		r.s = r.s[size:]
	}
}

// sign takes a sign at the start of the text, if one stands there.
func (r *numberReader) sign(chars string) bool {
	if r.s == "" || strings.IndexByte(chars, r.s[0]) < 0 {
		return false
	}
	r.neg = r.neg || r.s[0] == '-' || r.s[0] == '<'
	r.signed = true
	r.s = r.s[1:]
	return true
}

func (r *numberReader) node(n numberNode) {
	if n.literal {
		r.skip()
		return
	}
	switch n.word {
	case "9", "0", ".", "D":
		r.digit()
	case ",", "G":
		if !r.begun && r.f.fill {
			return
		}
		if r.s[0] == ',' {
			r.s = r.s[1:]
		}
	case "MI":
		if !r.sign("-") {
			r.junk(1)
		}
	case "PL":
		if !r.sign("+") {
			r.junk(1)
		}
	case "SG":
		if !r.sign("+-") {
			r.junk(1)
		}
	case "L", "C":
		r.junk(1)
	case "TH":
		r.junk(2)
	}
}

// junk skips characters that cannot belong to a number.
func (r *numberReader) junk(n int) {
	for ; n > 0 && r.s != "" && strings.IndexByte("0123456789.,+-", r.s[0]) < 0; n-- {
		r.skip()
	}
}

// digit reads what stands for a digit or the point of the template: the sign may stand before the first one and behind the last.
func (r *numberReader) digit() {
	if r.s[0] == ' ' {
		if r.s = r.s[1:]; r.s == "" {
			return
		}
	}
	if !r.begun && !r.signed {
		signs := "+-"
		if r.f.bracket {
			signs += "<"
		}
		if r.sign(signs) && r.s == "" {
			return
		}
	}
	c := r.s[0]
	switch {
	case isDigit(c):
		if r.point && r.post == r.f.post {
			return
		}
		if r.point {
			r.post++
		}
		r.digits = append(r.digits, c)
		r.begun = true
		r.s = r.s[1:]
	case c == '.' && r.f.decimal && !r.point:
		r.digits = append(r.digits, c)
		r.begun, r.point = true, true
		r.s = r.s[1:]
	default:
		r.skip()
		return
	}
	if (r.f.sign != noSign || r.f.minus || r.f.plus) && !r.signed && r.s != "" && (r.s[0] == '-' || r.s[0] == '+') { // S behind the number
		if r.s[0] == '-' {
			r.neg = true
		}
		r.signed = true
		r.s = r.s[1:]
	}
}
