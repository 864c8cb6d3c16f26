package pgwire

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const nodeSession = `
const { Client, Pool } = require('pg');
const assert = require('assert');
const at = { host: process.argv[2], port: +process.argv[3], user: 'node', database: 'db' };
(async () => {
  const c = new Client(at);
  await c.connect();
  await c.query('CREATE TABLE t (k INT PRIMARY KEY, v TEXT, n NUMERIC, d TIMESTAMPTZ, j JSONB, a INT[], b BYTEA)');
  await c.query('INSERT INTO t VALUES ($1,$2,$3,$4,$5,$6,$7)', [1, 'ä', '1.50', new Date(0), { x: 1 }, [1, 2], Buffer.from('ab')]);
  const [row] = (await c.query('SELECT * FROM t')).rows;
  assert.deepStrictEqual(row, { k: 1, v: 'ä', n: '1.50', d: new Date(0), j: { x: 1 }, a: [1, 2], b: Buffer.from('ab') });
  for (const [k, want] of [[1, [{ v: 'ä' }]], [2, []]])
    assert.deepStrictEqual((await c.query({ name: 'q', text: 'SELECT v FROM t WHERE k = $1', values: [k] })).rows, want);
  await assert.rejects(c.query('SELECT nope'), { code: '42703', position: '8' });
  await c.query('BEGIN');
  await c.query('UPDATE t SET v = $1', ['z']);
  await c.query('ROLLBACK');
  assert.deepStrictEqual((await c.query('SELECT v FROM t; SELECT 2 AS b')).map(r => r.rows), [[{ v: 'ä' }], [{ b: 2 }]]);
  const pool = new Pool({ ...at, max: 5, statement_timeout: 5000 });
  const all = await Promise.all([...Array(20).keys()].map(i => pool.query('SELECT $1::int + 1 AS x', [i])));
  assert.strictEqual(all.reduce((sum, r) => sum + r.rows[0].x, 0), 210);
  await pool.end();
  await c.end();
})().catch(e => { console.error(e); process.exit(1); });
`

// TestNode runs a session of node-postgres, which speaks the protocol by itself. It gets the package from npm and passes over where that cannot
// be had.
func TestNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it asks npm for a package")
	}
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(name + " is not installed")
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund", "pg@8")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm install pg: %v: %s", err, out)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "session.js"), []byte(nodeSession), 0o644))
	s := start(t, Options{})
	host, port, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	node := exec.CommandContext(ctx, "node", "session.js", host, port)
	node.Dir = dir
	out, err := node.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
