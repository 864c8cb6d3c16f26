package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

func TestMetricsAndHealth(t *testing.T) {
	db, err := streamsql.Open(streamsql.Options{})
	require.NoError(t, err)
	_, err = db.Exec(context.Background(), `CREATE SOURCE g (n INT) WITH (connector = 'datagen', events = 100, 'fields.n.kind' = 'sequence');
		CREATE SINK o WITH (connector = 'blackhole') AS SELECT n FROM g WHERE n < 10`)
	require.NoError(t, err)
	require.NoError(t, db.Wait(context.Background()))

	page := httptest.NewRecorder()
	promhttp.HandlerFor(Metrics(db), promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, page.Code)
	for _, want := range []string{"streamsql_rows_read_total 100\n", "streamsql_rows_delivered_total 10\n", `streamsql_job_up{job="o"} 1`} {
		require.True(t, strings.Contains(page.Body.String(), want), "%s in\n%s", want, page.Body.String())
	}
	health := httptest.NewRecorder()
	Health(db).ServeHTTP(health, httptest.NewRequest("GET", "/healthz", nil))
	require.Equal(t, "ok\n", health.Body.String())

	require.NoError(t, db.Close())
	health = httptest.NewRecorder()
	Health(db).ServeHTTP(health, httptest.NewRequest("GET", "/healthz", nil))
	require.Equal(t, 503, health.Code)
}
