package types_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/streamsql/streamsql/types"
)

func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(20) {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1 - 2*r.IntN(2))
	case 2:
		return math.Copysign(0, -1)
	}
	f := (r.Float64()*2 - 1) * math.Pow(10, float64(r.IntN(50)-25))
	switch r.IntN(3) {
	case 0:
		f = math.Trunc(f)
	case 1:
		f = math.Trunc(f*100) / 100
	}
	return f
}

func TestScalarsLikePostgreSQL(t *testing.T) {
	o := newOracle(t)
	for _, kind := range []types.Kind{types.Float4, types.Float8} {
		name, size := "float8", 64
		if kind == types.Float4 {
			name, size = "float4", 32
		}
		texts := []string{"", " ", "1", " 1.5 ", "nan", "NaN", "inf", "-inf", "Infinity", "+Infinity", "-infinity", "infin", "1e400", "1e-400",
			"1e39", "1e-50", "-1e400", "1e20", "1e15", "1e14", "123456789012345678", "1234567", "999999", "1e5", "1e6", "0.0001",
			"0.00001", "-0", "1_0", "1.5.5", "abc", ".5", "5.", "1e", "0", "3.4028235e38", "3.5e38", "1.7976931348623157e308", "1e-320", "1e-45"}
		for _, text := range texts {
			f, err := types.ParseFloat(kind, text)
			o.add(quote(text)+"::"+name, string(types.AppendFloat(nil, f, size)), err)
		}
		r := rand.New(rand.NewPCG(7, uint64(size)))
		for range 2000 {
			f := randomFloat(r)
			if size == 32 {
				f = float64(float32(f))
			}
			text := string(types.AppendFloat(nil, f, size))
			o.add(quote(text)+"::"+name, text, nil)
		}
	}
	for kind, name := range map[types.Kind]string{types.Int2: "int2", types.Int4: "int4", types.Int8: "int8"} {
		for _, text := range []string{"", " ", "0", "-0", "+5", " 12 ", "32767", "32768", "-32768", "-32769", "2147483647", "2147483648", "-2147483648",
			"-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "99999999999999999999999",
			"1.5", "1e3", "abc", "-", "+", "1 2", "\t7\n"} {
			v, err := types.ParseInt(kind, text)
			o.add(quote(text)+"::"+name, string(types.AppendValueText(nil, types.Int8Type, v)), err)
		}
	}
	for _, text := range []string{"t", "T", "tr", "true", "TRUE", "truex", "f", "fals", "y", "ye", "yes", "n", "no", "on", "o", "of", "off", "offf", "1", "0", "2", "10", "",
		" true ", " ", "onn"} {
		v, err := types.ParseBool(text)
		shown := "false"
		if v {
			shown = "true"
		}
		o.add(quote(text)+"::bool", shown, err)
	}
	for _, text := range []string{"", "abc", `\x`, `\x00ff`, `\xDEADbeef`, `\x0`, `\xzz`, `\x 00 11`, `\x0 0`, `a\\b`, `a\001b`, `a\400`, `a\9`, `\`, `\12`, "é"} {
		v, err := types.ParseBytea(text)
		o.add(quote(text)+"::bytea", string(types.AppendBytea(nil, v)), err)
	}
	for _, text := range []string{"{}", "{1,2,NULL}", "{ 1 , 2 }", "{1,,2}", "{", "}", "{1}x", "1,2", "{a}", `{"1",2}`, "{null}", "{1,2", "", " {1} "} {
		addText(o, types.ArrayOf(types.Int4Type), "int4[]", text)
	}
	for _, text := range []string{`{a,"b c",NULL,"NULL",""}`, `{a b , c}`, `{"a\"b",c\,d}`, `{a\ }`, `{"a"b}`, `{"x,y","{"}`, `{é}`, `{a,}`} {
		addText(o, types.ArrayOf(types.TextType), "text[]", text)
	}
	for _, text := range []string{`{}`, `[]`, `{"b":1,"a":2,"aa":3,"b":4}`, `[1, 2.50, 1e2, -0, 1E-3, -0.0]`, `"a\u00e9\n\t\"\\\/"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\u0000"`,
		`null`, `true`, ` {"a" : [ {"c":null} ] } `, `{"a":1,}`, `[1,]`, `{a:1}`, `01`, `1.`, `.5`, `-`, `1e`, `nul`, `"abc`, `"a` + "\n" + `b"`, ``, `1 2`, `{"a" 1}`,
		`123456789012345678901234567890123456789012345678901234567890.5`, `1e100`, `1e-50`, `0.1e-40`, `"\u001f\u007f"`, `NaN`} {
		addText(o, types.JSONBType, "jsonb", text)
	}
	addText(o, types.Type{Kind: types.Text, Precision: 3}, "varchar(3)", "abc  ")
	o.flush()
}

func addText(o *oracle, t types.Type, name, text string) {
	v, err := types.ParseText(t, text)
	o.add(quote(text)+"::"+name, string(types.AppendValueText(nil, t, v)), err)
}
