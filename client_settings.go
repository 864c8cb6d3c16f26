package streamsql

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamsql/streamsql/types"
)

// clientSetting is a setting of PostgreSQL that clients set or ask for. Where there is only one way here, that way can be set and nothing else:
// a client that asks for dates in another style must not be told that it gets them.
type clientSetting struct {
	name  string
	value string   // the default
	only  []string // what it may be set to, beside the default, in lower case; nil: anything
	fixed bool     // it cannot be set
	check func(value string) (string, error)
	doc   string
}

var clientSettings = []*clientSetting{
	{name: "application_name", doc: "how the client calls itself"},
	{name: "bytea_output", value: "hex", only: []string{}, doc: "always hex"},
	{name: "client_encoding", value: "UTF8", only: []string{"utf-8", "unicode", "auto"}, doc: "always UTF8"},
	{name: "client_min_messages", value: "notice", only: []string{"debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "warning", "error"},
		doc: "notices are left out at warning and error"},
	{name: "datestyle", value: "ISO, MDY", only: []string{"iso", "iso,mdy"}, doc: "always ISO, MDY"},
	{name: "default_transaction_isolation", value: "read committed", only: []string{"readuncommitted"}, doc: "always read committed"},
	{name: "default_transaction_read_only", value: "off", only: []string{}, doc: "always off; BEGIN READ ONLY"},
	{name: "extra_float_digits", value: "1", check: checkInt, doc: "floats are always exact"},
	{name: "idle_in_transaction_session_timeout", value: "0", only: []string{}, doc: "always 0: none"},
	{name: "in_hot_standby", value: "off", fixed: true, doc: "whether this is a standby"},
	{name: "integer_datetimes", value: "on", fixed: true, doc: "always on"},
	{name: "intervalstyle", value: "postgres", only: []string{}, doc: "always postgres"},
	{name: "is_superuser", value: "on", fixed: true, doc: "every user may do everything"},
	{name: "lc_collate", value: "C", fixed: true, doc: "text is compared by bytes"},
	{name: "lc_ctype", value: "C.UTF-8", fixed: true, doc: "the kind of characters"},
	{name: "lock_timeout", value: "0", check: checkMillis, doc: "nothing waits for locks"},
	{name: "max_identifier_length", value: "63", fixed: true, doc: "names of more bytes are not refused here"},
	{name: "max_index_keys", value: "32", fixed: true, doc: "keys of more columns are not refused here"},
	{name: "row_security", value: "on", only: []string{"off"}, doc: "there are no policies"},
	{name: "server_encoding", value: "UTF8", fixed: true, doc: "always UTF8"},
	{name: "server_version", fixed: true, doc: "the version of PostgreSQL that is spoken, and ours"},
	{name: "server_version_num", value: "150000", fixed: true, doc: "server_version as a number"},
	{name: "session_authorization", fixed: true, doc: "the user"},
	{name: "standard_conforming_strings", value: "on", only: []string{}, doc: "always on: a backslash in '...' is a backslash"},
	{name: "statement_timeout", value: "0", check: checkMillis, doc: "after how long a statement of a client is cancelled, in milliseconds or with a unit; 0: never"},
	{name: "synchronous_commit", value: "on", only: []string{}, doc: "always on: what is acknowledged is synced"},
	{name: "transaction_isolation", value: "read committed", only: []string{"readuncommitted"}, doc: "always read committed"},
}

func clientSettingOf(name string) *clientSetting {
	for _, c := range clientSettings {
		if c.name == name {
			return c
		}
	}
	for _, c := range inertSettings {
		if c.name == name {
			return &clientSetting{name: c.name, value: c.value, doc: c.doc}
		}
	}
	return nil
}

// accept returns a value as it is kept.
func (c *clientSetting) accept(value string) (string, error) {
	folded := strings.ToLower(strings.ReplaceAll(strings.Trim(value, "'\""), " ", ""))
	switch {
	case c.fixed:
		return "", types.Errorf("55P02", "parameter %q cannot be changed", c.name)
	case c.check != nil:
		return c.check(value)
	case c.only == nil:
		return value, nil
	case folded == strings.ToLower(strings.ReplaceAll(c.value, " ", "")):
		return c.value, nil
	case c.name == "row_security", c.name == "client_min_messages":
		if slices.Contains(c.only, folded) {
			return folded, nil
		}
	case slices.Contains(c.only, folded):
		return c.value, nil
	case c.value == "on" && slices.Contains([]string{"true", "yes", "1"}, folded), c.value == "off" && slices.Contains([]string{"false", "no", "0"}, folded):
		return c.value, nil
	}
	return "", types.Errorf(types.CodeInvalidParameter, "invalid value for parameter %q: %q", c.name, value).WithHint("%s: %s", c.name, c.doc)
}

func checkInt(value string) (string, error) {
	if _, err := strconv.Atoi(strings.TrimSpace(value)); err != nil {
		return "", types.Errorf(types.CodeInvalidParameter, "%q is not a number", value)
	}
	return strings.TrimSpace(value), nil
}

func checkMillis(value string) (string, error) {
	_, err := parseMillis(value)
	return value, err
}

// parseMillis reads a duration as PostgreSQL's settings have it: milliseconds, or a number with a unit.
func parseMillis(value string) (time.Duration, error) {
	text := strings.TrimSpace(value)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n <= 1<<31 {
		return time.Duration(n) * time.Millisecond, nil
	}
	if d, ok := types.ParseDuration(text); ok && d >= 0 {
		return d, nil
	}
	return 0, types.Errorf(types.CodeInvalidParameter, "%q is no duration in milliseconds", value)
}

// clientSetting returns the value of a setting in this session.
func (s *Session) clientSetting(c *clientSetting) string {
	switch c.name {
	case "server_version":
		if v := s.Client().Version; v != "" {
			return v
		}
		return "15.0 (streamsql " + Version() + ")"
	case "session_authorization":
		return s.Client().User
	}
	if v := s.setting(c.name); v != "" {
		return v
	}
	return c.value
}

// StatementTimeout is after how long a statement is to be cancelled; 0: never.
func (s *Session) StatementTimeout() time.Duration {
	d, _ := parseMillis(s.clientSetting(clientSettingOf("statement_timeout")))
	return d
}
