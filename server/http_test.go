package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

func httpServer(t *testing.T, opts HTTPOptions) (*httptest.Server, *streamsql.DB) {
	t.Helper()
	db, err := streamsql.Open(streamsql.Options{Workers: 1})
	require.NoError(t, err)
	s := httptest.NewServer(HTTP(db, opts))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		require.NoError(t, db.Close())
	})
	return s, db
}

// post sends a body with more headers, as "Name: value".
func post(t *testing.T, s *httptest.Server, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/v1/sql", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	resp, err := s.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return strings.TrimSpace(string(b))
}

func TestHTTPAnswers(t *testing.T) {
	s, _ := httpServer(t, HTTPOptions{})
	for _, x := range []struct{ body, want string }{
		{`{"query": "SELECT 1 AS a, 'x\"' AS b, NULL AS c, 1.50 AS d, true AS e, ARRAY[1, NULL] AS f"}`,
			`{"results":[{"columns":[{"name":"a","type":"integer"},{"name":"b","type":"text"},{"name":"c","type":"text"},{"name":"d","type":"numeric"},` +
				`{"name":"e","type":"boolean"},{"name":"f","type":"integer[]"}],"rows":[[1,"x\"",null,1.50,true,[1,null]]],"tag":"SELECT 1"}]}`},
		{`{"query": "SELECT $1 + 1, $2 || 'x', $3::jsonb, $4::int[], $5::bool", "args": [1, "y", {"a": [1]}, [1, null], null]}`,
			`{"results":[{"columns":[{"name":"?column?","type":"integer"},{"name":"?column?","type":"text"},{"name":"jsonb","type":"jsonb"},` +
				`{"name":"int4","type":"integer[]"},{"name":"bool","type":"boolean"}],"rows":[[2,"yx",{"a": [1]},[1,null],null]],"tag":"SELECT 1"}]}`},
		{`{"query": "CREATE TABLE t (k INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)"}`, `{"results":[{"tag":"CREATE TABLE"},{"tag":"INSERT 0 2"}]}`},
		{`{"query": "SELECT count(*) AS n FROM t; SHOW timezone", "settings": {"timezone": "Europe/Berlin"}}`,
			`{"results":[{"columns":[{"name":"n","type":"bigint"}],"rows":[[2]],"tag":"SELECT 1"},` +
				`{"columns":[{"name":"timezone","type":"text"}],"rows":[["Europe/Berlin"]],"tag":"SHOW"}]}`},
	} {
		r := post(t, s, x.body)
		require.Equal(t, http.StatusOK, r.StatusCode, x.body)
		require.Equal(t, x.want, bodyOf(t, r))
	}
}

func TestHTTPErrors(t *testing.T) {
	s, _ := httpServer(t, HTTPOptions{MaxBody: 1000})
	for _, x := range []struct {
		body, header string
		status       int
		want         string // a part of the answer
	}{
		{`{"query": "SELECT 'ä',\n nope FROM (SELECT 1 AS a) x"}`, "", 400, `"code":"42703","message":"column \"nope\" does not exist","hint":"there is: a","position":14,"line":2,"column":2`},
		{`{"query": "SELEC"}`, "", 400, `"code":"42601"`},
		{`{"query": " "}`, "", 400, `"code":"42601"`},
		{`{"query": "SELECT 1/0"}`, "", 400, `"code":"22012"`},
		{`{"query": "SELECT $1::int", "args": ["x"]}`, "", 400, `"code":"22P02"`},
		{`{"query": "SELECT $1::int", "args": [1, 2]}`, "", 400, `"code":"22023"`},
		{`{"query": "SELECT 1", "nonsense": 1}`, "", 400, `"code":"22032"`},
		{`[]`, "", 400, `"code":"22032"`},
		{`{"query": "SELECT '` + strings.Repeat("x", 2000) + `'"}`, "", 413, `"code":"54001"`},
		{`{"query": "SELECT 1"}`, "Content-Type: text/plain", 415, `wanted application/json`},
		{`{"query": "SELECT 1"}`, "Accept: image/png", 406, `cannot answer`},
		{`{"query": "SELECT 1"}`, "Host: evil.example", 403, `may not be asked`},
		{`{"query": "SELECT 1"}`, "Origin: http://evil.example", 403, `may not ask`},
		{`{"query": "SELECT 1; SELECT 2"}`, "Accept: " + asArrow, 400, `wanted one`},
		{`{"query": "SET timezone = 'UTC'"}`, "Accept: " + asArrow, 400, `returns no rows`},
	} {
		var headers []string
		if x.header != "" {
			headers = append(headers, x.header)
		}
		r := post(t, s, x.body, headers...)
		body := bodyOf(t, r)
		require.Equal(t, x.status, r.StatusCode, "%s: %s", x.body, body)
		require.Contains(t, strings.ReplaceAll(body, "is not one that may be asked for", "may not be asked"), x.want)
		require.True(t, json.Valid([]byte(body)))
	}
	r, err := s.Client().Get(s.URL + "/v1/sql")
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
}

// TestHTTPTogether: statements of one request are one transaction; what failed leaves nothing, and the answer is JSON all the same.
func TestHTTPTogether(t *testing.T) {
	s, _ := httpServer(t, HTTPOptions{})
	require.Equal(t, 200, post(t, s, `{"query": "CREATE TABLE t (k INT PRIMARY KEY)"}`).StatusCode)
	r := post(t, s, `{"query": "INSERT INTO t VALUES (1); SELECT count(*) FROM t; INSERT INTO t VALUES (1)"}`)
	require.Equal(t, http.StatusConflict, r.StatusCode)
	require.Contains(t, bodyOf(t, r), `"code":"23505"`)
	require.Contains(t, bodyOf(t, post(t, s, `{"query": "SELECT count(*) AS n FROM t"}`)), `"rows":[[0]]`)

	// An error behind the first piece of the answer follows the results.
	rows := strings.Repeat("(1),", 20_000) + "(0)"
	r = post(t, s, fmt.Sprintf(`{"query": "SELECT 'a long text, so that much is sent' FROM (VALUES %s) v(a); SELECT 1/0"}`, rows))
	body := bodyOf(t, r)
	require.Equal(t, 200, r.StatusCode)
	require.True(t, json.Valid([]byte(body)), body[len(body)-200:])
	require.Contains(t, body, `"error":{"code":"22012"`)
}

func TestHTTPArrow(t *testing.T) {
	s, _ := httpServer(t, HTTPOptions{})
	r := post(t, s, `{"query": "SELECT a, a * 1.5 AS n, 'x' AS t, NULL AS u FROM (VALUES (1), (2), (2)) v(a) ORDER BY a"}`, "Accept: "+asArrow)
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, asArrow, r.Header.Get("Content-Type"))
	reader, err := ipc.NewReader(r.Body)
	require.NoError(t, err)
	defer reader.Release()
	var rows []string
	for reader.Next() {
		rec := reader.Record()
		for i := range int(rec.NumRows()) {
			var row []string
			for c := range int(rec.NumCols()) {
				row = append(row, rec.Column(c).ValueStr(i))
			}
			rows = append(rows, strings.Join(row, "|"))
		}
	}
	require.NoError(t, reader.Err())
	require.Equal(t, []string{"1|1.5|x|(null)", "2|3.0|x|(null)", "2|3.0|x|(null)"}, rows)
	typ, _ := reader.Schema().Field(1).Metadata.GetValue("streamsql.type")
	require.Equal(t, "numeric", typ)
}

// TestHTTPEvents follows a view while its table changes; when the client goes, the query ends.
func TestHTTPEvents(t *testing.T) {
	s, db := httpServer(t, HTTPOptions{})
	ctx := context.Background()
	_, err := db.Exec(ctx, "CREATE TABLE t (k INT PRIMARY KEY, v INT); CREATE MATERIALIZED VIEW m AS SELECT v, count(*) AS n FROM t GROUP BY v; INSERT INTO t VALUES (1, 5)")
	require.NoError(t, err)
	jobs := len(db.Stats().Jobs)
	r := post(t, s, `{"query": "SELECT * FROM m"}`, "Accept: text/event-stream")
	require.Equal(t, 200, r.StatusCode)
	lines := bufio.NewScanner(r.Body)
	event := func() (name, data string) {
		for lines.Scan() && lines.Text() != "" {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				name = value
			case "data":
				data = value
			}
		}
		return name, data
	}
	name, data := event()
	require.Equal(t, "columns", name)
	require.Equal(t, `[{"name":"v","type":"integer"},{"name":"n","type":"bigint"}]`, data)
	changes := func() string {
		name, data := event()
		require.Equal(t, "changes", name)
		var x struct {
			Epoch   int
			Changes json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(data), &x))
		require.Positive(t, x.Epoch)
		return string(x.Changes)
	}
	require.Equal(t, `[[1,[5,1]]]`, changes())
	_, err = db.Exec(ctx, "UPDATE t SET v = 6")
	require.NoError(t, err)
	require.Contains(t, []string{`[[-1,[5,1]],[1,[6,1]]]`, `[[1,[6,1]],[-1,[5,1]]]`}, changes())
	require.NoError(t, r.Body.Close())
	require.Eventually(t, func() bool { return len(db.Stats().Jobs) == jobs }, 10*time.Second, time.Millisecond)
}
