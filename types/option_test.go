package types

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseOptions(t *testing.T) {
	specs := []OptionSpec{
		{Name: "path", Required: true, Doc: "the file"},
		{Name: "watch", Kind: OptBool, Default: "true"},
		{Name: "roll_interval", Kind: OptDuration, Default: "1 minute 30 seconds"},
		{Name: "size", Kind: OptBytes, Default: "64MiB"},
		{Name: "mode", Kind: OptEnum, Enum: []string{"a", "b"}, Default: "a"},
		{Name: "col.*"},
	}
	o, err := ParseOptions("connector 'file'", specs, map[string]string{"path": "x", "mode": "B", "col.a": "1"})
	require.NoError(t, err)
	require.Equal(t, "b", o.String("mode"))
	require.True(t, o.Bool("watch"))
	require.Equal(t, 90*time.Second, o.Duration("roll_interval"))
	require.Equal(t, int64(64<<20), o.Bytes("size"))
	require.Equal(t, map[string]string{"a": "1"}, o.WithPrefix("col."))

	for given, want := range map[[2]string]string{
		{"pth", "x"}:            `connector 'file' has no option "pth"; did you mean "path"?`,
		{"watch", "maybe"}:      `option "watch" is "maybe", wanted true or false`,
		{"roll_interval", "10"}: `option "roll_interval" is "10", wanted a duration such as '10 seconds' or '100ms'`,
		{"mode", "c"}:           `option "mode" is "c", wanted one of a, b`,
	} {
		_, err := ParseOptions("connector 'file'", specs, map[string]string{"path": "x", given[0]: given[1]})
		require.EqualError(t, err, want)
	}
	_, err = ParseOptions("connector 'file'", specs, nil)
	require.EqualError(t, err, `connector 'file' needs the option "path"; the file`)
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10s": 10 * time.Second, "1m30s": 90 * time.Second, "0": 0, "1.5 hours": 90 * time.Minute, "100ms": 100 * time.Millisecond,
	} {
		got, ok := ParseDuration(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "s", "-1s", "10 parsecs", "10"} {
		_, ok := ParseDuration(text)
		require.False(t, ok, text)
	}
}
