package expr

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

func (t *table) bytes() {
	t.cat = CatBytes
	bin, txt, i4 := types.ByteaType, types.TextType, types.Int4Type
	t.group("both byte strings, one after the other", `'\x12'::bytea || '\x34'::bytea`, `\x1234`)
	t.op("||", sig(bin, bin), bin, simple(concatTexts))
	t.group("the number of bytes", `length('\x1234'::bytea)`, "2")
	for _, name := range []string{"length", "octet_length"} {
		t.fn(name, sig(bin), i4, map1(func(s string) (int32, error) { return int32(len(s)), nil }))
	}
	t.fn("bit_length", sig(bin), i4, map1(func(s string) (int32, error) { return int32(len(s)) * 8, nil }))
	t.group("where the second byte string first occurs in the first, from 1; 0 if it does not", `position('\x5678'::bytea IN '\x1234567890'::bytea)`, "3")
	t.fn("position", sig(bin, bin), i4, map2(func(s, sub string) (int32, error) { return int32(strings.Index(s, sub)) + 1, nil }))
	t.group("the byte at a place, from 0", `get_byte('\x1234567890'::bytea, 4)`, "144")
	t.fn("get_byte", sig(bin, i4), i4, map2(func(s string, n int32) (int32, error) {
		if n < 0 || int(n) >= len(s) {
			return 0, types.Errorf("2202E", "index %d out of valid range, 0..%d", n, len(s)-1)
		}
		return int32(s[n]), nil
	}), fallible)
	sum := func(name, size, answer string, f func(dst []byte, s string) []byte) {
		t.group("the SHA-"+size+" hash", name+"('abc')", answer)
		t.fn(name, sig(bin), bin, text1(func(dst []byte, s string) ([]byte, error) { return f(dst, s), nil }))
	}
	sum("sha224", "224", `\x23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7`, func(dst []byte, s string) []byte {
		h := sha256.Sum224([]byte(s))
		return append(dst, h[:]...)
	})
	sum("sha256", "256", `\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad`, func(dst []byte, s string) []byte {
		h := sha256.Sum256([]byte(s))
		return append(dst, h[:]...)
	})
	sum("sha384", "384", `\xcb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7`,
		func(dst []byte, s string) []byte {
			h := sha512.Sum384([]byte(s))
			return append(dst, h[:]...)
		})
	sum("sha512", "512", `\xddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f`,
		func(dst []byte, s string) []byte {
			h := sha512.Sum512([]byte(s))
			return append(dst, h[:]...)
		})
	t.group("bytes as text: base64, hex or escape", `encode('123\000\001', 'base64')`, "MTIzAAE=")
	t.fn("encode", sig(bin, txt), txt, text2(encodeBytes), fallible)
	t.group("text as bytes: base64, hex or escape", "decode('MTIzAAE=', 'base64')", `\x3132330001`)
	t.fn("decode", sig(txt, txt), bin, text2(decodeBytes), fallible)
	t.group("bytes in an encoding (UTF8) as text", `convert_from('\x6869', 'UTF8')`, "hi")
	t.fn("convert_from", sig(bin, txt), txt, text2(func(dst []byte, s, enc string) ([]byte, error) {
		if err := onlyUTF8(enc); err != nil {
			return dst, err
		}
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return dst, types.Errorf(types.CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\"")
		}
		return append(dst, s...), nil
	}), fallible)
	t.group("text as bytes in an encoding (UTF8)", "convert_to('hi', 'UTF8')", `\x6869`)
	t.fn("convert_to", sig(txt, txt), bin, text2(func(dst []byte, s, enc string) ([]byte, error) {
		return append(dst, s...), onlyUTF8(enc)
	}), fallible)
	t.group("the bytes from a place on, for a count, replaced by the second byte string",
		`overlay('\x1234567890'::bytea PLACING '\x0203'::bytea FROM 2 FOR 3)`, `\x12020390`)
	t.fn("overlay", sig(bin, bin, i4), bin, text3(func(dst []byte, s, with string, from int32) ([]byte, error) {
		return overlayBytes(dst, s, with, from, int32(len(with)))
	}), fallible)
	t.fn("overlay", sig(bin, bin, i4, i4), bin, text4(overlayBytes), fallible)
}

func onlyUTF8(name string) error {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)) {
	case "utf8", "unicode":
		return nil
	}
	return types.NotSupported(types.Span{}, "the encoding %q; only UTF8 is", name)
}

func overlayBytes(dst []byte, s, with string, from, count int32) ([]byte, error) {
	if from <= 0 {
		return dst, errNegativeLen
	}
	end := int64(from) + int64(count)
	if end > 1<<31-1 || end < -1<<31 {
		return dst, errInt4Range
	}
	dst = append(dst, s[:min(int(from)-1, len(s))]...)
	dst = append(dst, with...)
	return append(dst, s[min(max(int(end), 1)-1, len(s)):]...), nil
}

func encodeBytes(dst []byte, s, form string) ([]byte, error) {
	switch strings.ToLower(form) {
	case "hex":
		return hex.AppendEncode(dst, []byte(s)), nil
	case "base64":
		b := []byte(s)
		const line = 57 // bytes that make 76 characters
		for len(b) > line {
			dst = append(base64.StdEncoding.AppendEncode(dst, b[:line]), '\n')
			b = b[line:]
		}
		return base64.StdEncoding.AppendEncode(dst, b), nil
	case "escape":
		for i := range len(s) {
			switch c := s[i]; {
			case c == '\\':
				dst = append(dst, '\\', '\\')
			case c == 0 || c >= 0x80:
				dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			default:
				dst = append(dst, c)
			}
		}
		return dst, nil
	}
	return dst, types.Errorf(types.CodeInvalidParameter, "unrecognized encoding: %q", form).WithHint("base64, hex and escape are known")
}

func decodeBytes(dst []byte, s, form string) ([]byte, error) {
	switch strings.ToLower(form) {
	case "hex":
		for i := 0; i < len(s); {
			if strings.IndexByte(" \n\t\r", s[i]) >= 0 { // between pairs of digits
				i++
				continue
			}
			pair := s[i:min(i+2, len(s))]
			n, err := strconv.ParseUint(pair, 16, 8)
			if err != nil || len(pair) < 2 {
				return dst, types.Errorf(types.CodeInvalidParameter, "invalid hexadecimal data")
			}
			dst = append(dst, byte(n))
			i += 2
		}
		return dst, nil
	case "base64":
		digits := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \n\t\r", r) {
				return -1
			}
			return r
		}, s)
		out, err := base64.StdEncoding.AppendDecode(dst, []byte(digits))
		if err != nil {
			return dst, types.Errorf(types.CodeInvalidParameter, "invalid base64 data")
		}
		return out, nil
	case "escape":
		for i := 0; i < len(s); i++ {
			if s[i] != '\\' {
				dst = append(dst, s[i])
				continue
			}
			octal := func(k int, most byte) bool { return i+k < len(s) && s[i+k] >= '0' && s[i+k] <= most }
			switch {
			case octal(1, '3') && octal(2, '7') && octal(3, '7'):
				dst = append(dst, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
				i += 3
			case i+1 < len(s) && s[i+1] == '\\':
				dst = append(dst, '\\')
				i++
			default:
				return dst, types.Errorf(types.CodeInvalidText, "invalid input syntax for type bytea")
			}
		}
		return dst, nil
	}
	return dst, types.Errorf(types.CodeInvalidParameter, "unrecognized encoding: %q", form).WithHint("base64, hex and escape are known")
}
