package column

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseDigits(t *testing.T) {
	for n := 1; n <= 22; n++ {
		for _, tail := range []string{"", ",", "}", ".5", "e5", "          ", "\xff\xff\xff\xff\xff\xff\xff\xff", "::::::::", "////////"} {
			digits := "9876543210123456789012"[:n]
			got, end, ok := ParseDigits([]byte("x"+digits+tail), 1)
			if n > 18 {
				require.False(t, ok)
				continue
			}
			require.True(t, ok, "%s%s", digits, tail)
			require.Equal(t, n+1, end)
			require.Equal(t, digits, fmt.Sprint(got))
		}
	}
	_, _, ok := ParseDigits([]byte("abc"), 0)
	require.False(t, ok)
}

func TestShortNumbers(t *testing.T) {
	for _, text := range []string{"", "-", "0", "-0", "12", "-123456789012345678", "1234567890123456789", "1.5", "-0.001", "123456789012345", "0.1", "1..5", ".", "1e5", "+1", "1 "} {
		if v, ok := ShortInt([]byte(text)); ok {
			want, err := strconv.ParseInt(text, 10, 64)
			require.NoError(t, err, text)
			require.Equal(t, want, v)
		}
		if f, ok := ShortFloat([]byte(text)); ok {
			want, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err, text)
			require.Equal(t, want, f)
		}
	}
	v, ok := ShortInt([]byte("-123456789012345678"))
	require.True(t, ok)
	require.Equal(t, int64(-123456789012345678), v)
	f, ok := ShortFloat([]byte("-12.25"))
	require.True(t, ok)
	require.Equal(t, -12.25, f)
}
