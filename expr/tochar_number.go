package expr

import (
	"math"
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// numberFormat is a compiled template of to_char for numbers.
type numberFormat struct {
	nodes []numberNode
	pre   int // digits before the point
	post  int // digits after it
	shift int // digits after V: the value is multiplied by that power of ten

	zero, fill, decimal, blank         bool // 0, FM, point, B
	zeroStart, zeroEnd                 int
	sign                               signPlace // of S
	signAt                             int       // digits before S
	minus, plus, bracket, roman, power bool      // MI, PL, PR, RN, EEEE
	romanLower                         bool
}

type signPlace uint8

const (
	noSign signPlace = iota
	signBefore
	signAfter
)

// numberNode is one element of a template: a keyword in upper case (digits and point too), or a literal character.
type numberNode struct {
	word    string
	lower   bool
	literal bool
}

// numberWords are the keywords, longer ones first.
var numberWords = []string{"EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", ",", ".", "0", "9", "B", "C", "D", "E", "G", "L", "S", "V"}

func badFormat(format string, args ...any) error {
	return types.Errorf(types.CodeSyntax, format, args...)
}

// parseNumberFormat compiles a template. Errors: 42601, 0A000.
func parseNumberFormat(text string) (*numberFormat, error) {
	f := &numberFormat{}
	for text != "" {
		if text[0] == '"' {
			text = text[1:]
			for text != "" && text[0] != '"' {
				if text[0] == '\\' && len(text) > 1 {
					text = text[1:]
				}
				f.nodes = append(f.nodes, numberNode{word: text[:1], literal: true})
				text = text[1:]
			}
			text = strings.TrimPrefix(text, `"`)
			continue
		}
		word := ""
		for _, w := range numberWords {
			if len(text) >= len(w) && (text[:len(w)] == w || text[:len(w)] == strings.ToLower(w)) {
				word = w
				break
			}
		}
		if word == "E" || word == "C" || word == "SP" {
			word = ""
		}
		if word == "" {
			if strings.HasPrefix(text, `\"`) {
				text = text[1:]
			}
			f.nodes = append(f.nodes, numberNode{word: text[:1], literal: true})
			text = text[1:]
			continue
		}
		n := numberNode{word: word, lower: text[:len(word)] != word}
		text = text[len(word):]
		if err := f.note(n); err != nil {
			return nil, err
		}
		if word != "FM" && word != "B" {
			f.nodes = append(f.nodes, n)
		}
	}
	if f.power && (f.fill || f.sign != noSign || f.bracket || f.minus || f.plus || f.roman || f.shift > 0) {
		return nil, badFormat("\"EEEE\" is incompatible with other formats")
	}
	return f, nil
}

// note keeps what a keyword says about the whole.
func (f *numberFormat) note(n numberNode) error {
	if f.power && n.word != "EEEE" {
		return badFormat("\"EEEE\" must be the last pattern used")
	}
	switch n.word {
	case "9":
		if f.bracket {
			return badFormat("\"9\" must be ahead of \"PR\"")
		}
		switch {
		case f.shift > 0 || f.hasV():
			f.shift++
		case f.decimal:
			f.post++
		default:
			f.pre++
		}
	case "0":
		if f.bracket {
			return badFormat("\"0\" must be ahead of \"PR\"")
		}
		if !f.zero && !f.decimal {
			f.zero, f.zeroStart = true, f.pre+1
		}
		if f.decimal {
			f.post++
		} else {
			f.pre++
		}
		f.zeroEnd = f.pre + f.post
	case "B":
		if f.pre == 0 && f.post == 0 && !f.zero {
			f.blank = true
		}
	case ".", "D":
		if f.decimal {
			return badFormat("multiple decimal points")
		}
		if f.hasV() {
			return badFormat("cannot use \"V\" and decimal point together")
		}
		f.decimal = true
	case "FM":
		f.fill = true
	case "S":
		if f.sign != noSign {
			return badFormat("cannot use \"S\" twice")
		}
		if f.plus || f.minus || f.bracket {
			return badFormat("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together")
		}
		f.sign, f.signAt = signBefore, f.pre
		if f.decimal {
			f.sign = signAfter
		}
	case "MI", "PL", "SG":
		if f.sign != noSign {
			return badFormat("cannot use \"S\" and %q together", n.word)
		}
		f.minus = f.minus || n.word != "PL"
		f.plus = f.plus || n.word != "MI"
	case "PR":
		if f.sign != noSign || f.plus || f.minus {
			return badFormat("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together")
		}
		f.bracket = true
	case "RN":
		f.roman, f.romanLower = true, n.lower
	case "V":
		if f.decimal {
			return badFormat("cannot use \"V\" and decimal point together")
		}
	case "EEEE":
		if f.power {
			return badFormat("cannot use \"EEEE\" twice")
		}
		f.power = true
	}
	return nil
}

func (f *numberFormat) hasV() bool {
	for _, n := range f.nodes {
		if n.word == "V" && !n.literal {
			return true
		}
	}
	return false
}

// numberText is a number ready for a template: its digits without sign, and with the template's digits after the point.
type numberText struct {
	digits   string
	negative bool
}

// append writes a number by the template; one that does not fit becomes crosses.
func (f *numberFormat) append(dst []byte, x numberText) []byte {
	pre := f.pre + f.shift
	spaces := 0
	whole, _, _ := strings.Cut(x.digits, ".")
	switch {
	case len(whole) < pre:
		spaces = pre - len(whole)
	case len(whole) > pre:
		x.digits = strings.Repeat("#", pre) + "." + strings.Repeat("#", f.post)
	}
	w := numberWriter{f: f, out: dst, digits: x.digits, spaces: spaces, sign: '+', lastRelevant: -1, place: f.sign, bracket: f.bracket}
	if x.negative {
		w.sign = '-'
	}
	w.zeroStart = f.zeroStart
	if w.zeroStart > 0 {
		w.zeroStart--
	}
	switch {
	case f.plus || f.minus:
		w.signWritten = !f.plus || f.minus
	default:
		if w.sign == '+' && f.fill {
			w.bracket = false
		}
		w.signWritten = w.sign == '+' && f.fill && f.sign == noSign
		if f.sign == signBefore && f.pre == f.signAt {
			w.place = signAfter
		}
	}
	w.count = f.post + pre - 1
	if f.fill && f.decimal {
		w.lastRelevant = lastRelevantDigit(x.digits)
		if w.lastRelevant >= 0 && f.zeroEnd > spaces {
			w.lastRelevant = max(w.lastRelevant, min(len(x.digits)-1, f.zeroEnd-spaces))
		}
	}
	if !w.signWritten && spaces == 0 {
		w.count++
	}
	for _, n := range f.nodes {
		w.node(n, x.negative)
	}
	return w.out
}

// lastRelevantDigit returns the index of the last digit of the fraction that is not zero, of the point if all are, or -1.
func lastRelevantDigit(s string) int {
	at := strings.IndexByte(s, '.')
	if at < 0 {
		return -1
	}
	for i := at + 1; i < len(s); i++ {
		if s[i] != '0' {
			at = i
		}
	}
	return at
}

// numberWriter walks over a template.
type numberWriter struct {
	f                    *numberFormat
	out                  []byte
	digits               string
	at                   int // the next of digits
	spaces               int // places before the first digit
	current, count       int // digit places passed, and in all
	zeroStart            int
	sign                 byte
	signWritten, bracket bool
	place                signPlace
	started              bool // a digit was written
	lastRelevant         int
}

func (w *numberWriter) node(n numberNode, negative bool) {
	put := func(b byte) { w.out = append(w.out, b) }
	if n.literal {
		w.out = append(w.out, n.word...)
		return
	}
	switch n.word {
	case "9", "0", ".", "D":
		w.digit(n.word)
	case ",", "G":
		switch {
		case w.started:
			put(',')
		case !w.f.fill:
			put(' ')
		}
	case "L":
		put(' ')
	case "MI":
		switch {
		case negative:
			put('-')
		case !w.f.fill:
			put(' ')
		}
	case "PL":
		switch {
		case !negative:
			put('+')
		case !w.f.fill:
			put(' ')
		}
	case "SG":
		put(w.sign)
	case "TH":
		if strings.HasPrefix(w.digits, "#") || negative || w.f.decimal {
			return
		}
		w.out = appendOrdinal(w.out, w.digits, n.lower)
	}
}

func (w *numberWriter) beforePoint() bool {
	return !w.f.zero && w.at == 0 && strings.HasPrefix(w.digits, "0") && w.f.post != 0
}

func (w *numberWriter) relevantPoint() bool {
	return w.lastRelevant >= 0 && w.digits[w.lastRelevant] == '.'
}

func (w *numberWriter) digit(word string) {
	f := w.f
	put := func(b byte) { w.out = append(w.out, b) }
	w.started = false
	if !w.signWritten && (w.current >= w.spaces || f.zero && w.zeroStart == w.current) && (!w.beforePoint() || w.relevantPoint()) {
		switch {
		case w.place != noSign:
			if w.place == signBefore {
				put(w.sign)
				w.signWritten = true
			}
		case w.bracket:
			put(map[byte]byte{'+': ' ', '-': '<'}[w.sign])
			w.signWritten = true
		case w.sign == '-':
			put('-')
			w.signWritten = true
		default:
			if !f.fill {
				put(' ')
			}
			w.signWritten = true
		}
	}
	switch {
	case w.current < w.spaces && (w.zeroStart > w.current || !f.zero):
		if !f.fill {
			put(' ')
		}
	case f.zero && w.current < w.spaces && w.zeroStart <= w.current:
		put('0')
		w.started = true
	default:
		w.nextDigit(word)
	}
	end := w.count
	if w.spaces > 0 {
		end++
	}
	if f.decimal {
		end++
	}
	if w.lastRelevant >= 0 && w.lastRelevant == w.at {
		end = w.current
	}
	if w.current+1 == end {
		switch {
		case w.signWritten && w.bracket:
			put(map[byte]byte{'+': ' ', '-': '>'}[w.sign])
		case w.place == signAfter:
			put(w.sign)
		}
	}
	w.current++
}

// nextDigit writes the digit or point in hand.
func (w *numberWriter) nextDigit(word string) {
	c := byte(0)
	if w.at < len(w.digits) {
		c = w.digits[w.at]
	}
	switch {
	case c == '.':
		if w.lastRelevant < 0 || !w.relevantPoint() || w.f.fill {
			w.out = append(w.out, '.')
		}
	case w.lastRelevant >= 0 && w.at > w.lastRelevant && word != "0":
	case w.beforePoint():
		switch {
		case !w.f.fill:
			w.out = append(w.out, ' ')
		case w.relevantPoint():
			w.out = append(w.out, '0')
		}
	case c != 0:
		w.out = append(w.out, c)
		w.started = true
	}
	if c != 0 {
		w.at++
	}
}

// appendOrdinal appends st, nd, rd or th after a number.
func appendOrdinal(dst []byte, digits string, lower bool) []byte {
	suffix := "TH"
	teen := len(digits) > 1 && digits[len(digits)-2] == '1'
	if digits != "" && !teen {
		switch digits[len(digits)-1] {
		case '1':
			suffix = "ST"
		case '2':
			suffix = "ND"
		case '3':
			suffix = "RD"
		}
	}
	if lower {
		suffix = strings.ToLower(suffix)
	}
	return append(dst, suffix...)
}

// appendRoman writes 1 to 3999, right-aligned in 15 places unless the template says FM; anything else is crosses.
func (f *numberFormat) appendRoman(dst []byte, n int64, ok bool) []byte {
	text := strings.Repeat("#", 15)
	if ok && n >= 1 && n <= 3999 {
		text = roman(n)
		if f.romanLower {
			text = strings.ToLower(text)
		}
	}
	for _, node := range f.nodes {
		switch {
		case node.literal:
			dst = append(dst, node.word...)
		case node.word == "RN":
			if !f.fill && len(text) < 15 {
				dst = append(dst, strings.Repeat(" ", 15-len(text))...)
			}
			dst = append(dst, text...)
		}
	}
	return dst
}

func roman(n int64) string {
	var b strings.Builder
	for _, r := range []struct {
		value int64
		text  string
	}{
		{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"},
		{5, "V"}, {4, "IV"}, {1, "I"},
	} {
		for n >= r.value {
			b.WriteString(r.text)
			n -= r.value
		}
	}
	return b.String()
}

// appendScientific writes a number by a template with EEEE.
func (f *numberFormat) appendScientific(dst []byte, x types.NumericValue) []byte {
	if x.IsSpecial() {
		width := f.pre + f.post + 6
		out := []byte(strings.Repeat("#", width))
		out[0] = ' '
		if f.pre+1 < width {
			out[f.pre+1] = '.'
		}
		return append(dst, out...)
	}
	v, err := strconv.ParseFloat(x.String(), 64)
	if err != nil {
		return dst
	}
	text := scientific(x, f.post, v)
	if x.Sign() >= 0 {
		dst = append(dst, ' ')
	}
	return append(dst, text...)
}

// scientific writes x as d.ddde+dd.
func scientific(x types.NumericValue, post int, approx float64) string {
	if x.Sign() == 0 {
		return strconv.FormatFloat(0, 'e', post, 64)
	}
	exp := int(math.Floor(math.Log10(math.Abs(approx))))
	for {
		r, err := x.Round(post - exp)
		if err != nil {
			return strconv.FormatFloat(approx, 'e', post, 64)
		}
		digits := strings.TrimLeft(strings.Replace(r.Abs().String(), ".", "", 1), "0")
		for len(digits) < post+1 {
			digits += "0"
		}
		if lead := len(strings.TrimLeft(r.Abs().String(), "0.")); lead == 0 {
			exp--
			continue
		}
		// The digits after the leading one tell whether the estimate of the exponent was right.
		if shown := magnitudeOf(r); shown != exp {
			exp = shown
			continue
		}
		text := digits[:1]
		if post > 0 {
			text += "." + digits[1:post+1]
		}
		sign := "+"
		e := exp
		if e < 0 {
			sign, e = "-", -e
		}
		text += "e" + sign
		if e < 10 {
			text += "0"
		}
		text += strconv.Itoa(e)
		if x.Sign() < 0 {
			text = "-" + text
		}
		return text
	}
}

// magnitudeOf returns the power of ten of the leading digit.
func magnitudeOf(x types.NumericValue) int {
	whole, fraction, _ := strings.Cut(x.Abs().String(), ".")
	if whole = strings.TrimLeft(whole, "0"); whole != "" {
		return len(whole) - 1
	}
	return -(len(fraction) - len(strings.TrimLeft(fraction, "0")) + 1)
}

// appendNumeric writes a numeric by the template.
func (f *numberFormat) appendNumeric(dst []byte, x types.NumericValue) ([]byte, error) {
	switch {
	case f.roman:
		n, err := x.ToInt(types.Int4)
		return f.appendRoman(dst, n, true), err
	case f.power:
		return f.appendScientific(dst, x), nil
	}
	if f.shift > 0 && !x.IsSpecial() {
		factor, err := types.NumericFromInt64(10).Power(types.NumericFromInt64(int64(f.shift)))
		if err == nil {
			factor, err = factor.Round(0)
		}
		if err == nil {
			x, err = x.Mul(factor)
		}
		if err != nil {
			return dst, err
		}
	}
	if !x.IsSpecial() {
		var err error
		if x, err = x.Round(f.post); err != nil {
			return dst, err
		}
	}
	text := x.String()
	negative := strings.HasPrefix(text, "-")
	return f.append(dst, numberText{strings.TrimPrefix(text, "-"), negative}), nil
}

// appendInt writes an integer by the template.
func (f *numberFormat) appendInt(dst []byte, x int64) ([]byte, error) {
	if f.roman && x != int64(int32(x)) {
		return dst, errInt4Range
	}
	if f.shift > 0 {
		factor := math.Pow10(f.shift)
		if factor > math.MaxInt64 || math.Abs(float64(x))*factor > math.MaxInt64 {
			return dst, errInt8Range
		}
	}
	return f.appendNumeric(dst, types.NumericFromInt64(x))
}

// appendFloat writes a float by the template; digits is how many its type can show: 6 or 15.
func (f *numberFormat) appendFloat(dst []byte, x float64, digits int) ([]byte, error) {
	switch {
	case f.roman:
		r := math.RoundToEven(x)
		return f.appendRoman(dst, int64(r), r >= 1 && r <= 3999), nil
	case f.power:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return f.appendScientific(dst, types.NaN), nil
		}
		text := strconv.FormatFloat(x, 'e', f.post, 64)
		if !math.Signbit(x) {
			dst = append(dst, ' ')
		}
		return append(dst, text...), nil
	}
	if f.shift > 0 {
		x *= math.Pow(10, float64(f.shift))
	}
	post := f.post
	text := strings.TrimPrefix(string(types.AppendFloat(nil, math.Abs(x), 64)), "-")
	finite := !math.IsNaN(x) && !math.IsInf(x, 0)
	if finite {
		text = strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
	}
	switch {
	case len(text) >= digits:
		post = 0
	case len(text)+post > digits:
		post = digits - len(text)
	}
	if finite {
		text = strconv.FormatFloat(math.Abs(x), 'f', post, 64)
	}
	g := *f
	g.post = post
	return g.append(dst, numberText{text, x < 0}), nil
}
