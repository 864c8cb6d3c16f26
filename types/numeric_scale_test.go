package types

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What has more than 38 digits only by zeros at its end is answered with fewer zeros; what has more of others is an error.
func TestNumericScaleThatDoesNotFit(t *testing.T) {
	n := func(s string) NumericValue {
		v, err := ParseNumeric(s)
		require.NoError(t, err)
		return v
	}
	zeros := func(k int) string { return strings.Repeat("0", k) }
	v, err := n("0.25" + zeros(18)).Mul(n("12.5" + zeros(20)))
	require.NoError(t, err)
	require.Zero(t, v.Cmp(n("3.125")), v.String())
	v, err = n("12345678901234567890.5" + zeros(15)).Mul(n("2." + zeros(30)))
	require.NoError(t, err)
	require.Zero(t, v.Cmp(n("24691357802469135781")), v.String())
	v, err = n("-100000000000000000000000").Div(n("8." + zeros(20)))
	require.NoError(t, err)
	require.Zero(t, v.Cmp(n("-12500000000000000000000")), v.String())
	v, err = n("0." + zeros(200)).Mul(n("0." + zeros(200)))
	require.NoError(t, err)
	require.Zero(t, v.Sign())
	for _, c := range [][2]string{{"12345678901234567890123", "12345678901234567890123"}, {"1." + zeros(19) + "1", "1." + zeros(19) + "1"},
		{"1" + zeros(20), "1" + zeros(20)}, {"1." + zeros(18) + "1", "7777777777777777777.7"}} {
		_, err := n(c[0]).Mul(n(c[1]))
		require.Equal(t, CodeNumericOutOfRange, CodeOf(err), c)
	}
}
