package pgwire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
)

func users(t *testing.T, text string) *Users {
	t.Helper()
	u, err := ReadUsers(strings.NewReader(text))
	require.NoError(t, err)
	return u
}

// connectAs connects with a password; the error is that of the first statement, or of connecting.
func connectAs(s *started, user, password, more string) error {
	ctx := context.Background()
	config, err := pgconn.ParseConfig("postgres://" + s.addr + "/db?" + more)
	if err != nil {
		return err
	}
	config.User, config.Password = user, password
	c, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "SELECT 1").ReadAll()
	return err
}

func TestPasswords(t *testing.T) {
	// The verifier is that of the password "secret", as PostgreSQL 15 keeps it.
	verifier := pgVerifier(t, "secret")
	s := start(t, Options{Users: users(t, "# users\n\nann:wörd:x\nbob:"+verifier+"\n")})
	require.NoError(t, connectAs(s, "ann", "wörd:x", ""))
	require.NoError(t, connectAs(s, "bob", "secret", ""))
	for _, x := range [][2]string{{"ann", "word"}, {"ann", ""}, {"bob", "wörd"}, {"eve", "secret"}} {
		e := sqlState(t, connectAs(s, x[0], x[1], ""))
		require.Equal(t, "28P01", e.Code)
		require.Equal(t, "FATAL", e.Severity)
	}
	require.Zero(t, s.Connections())
}

// pgVerifier lets PostgreSQL make the verifier of a password.
func pgVerifier(t *testing.T, password string) string {
	t.Helper()
	db := pgtest.Open(t)
	db.MustExec(t, "DROP ROLE IF EXISTS pgwire_test")
	db.MustExec(t, "CREATE ROLE pgwire_test PASSWORD '"+password+"'")
	defer db.MustExec(t, "DROP ROLE pgwire_test")
	return *db.MustQuery(t, "SELECT rolpassword FROM pg_authid WHERE rolname = 'pgwire_test'").Rows[0][0]
}

func TestReadUsersErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "there is no user in it",
		"# nobody\n":                    "there is no user in it",
		"ann\n":                         "line 1: wanted name:password",
		"a:b\n:x\n":                     "line 2: wanted name:password",
		"ann:\n":                        `line 1: user "ann" has an empty password`,
		"a:b\na:c\n":                    `line 2: user "a" stands here twice`,
		"a:SCRAM-SHA-256$x:y$z:w\n":     "line 1: user \"a\": wanted SCRAM-SHA-256$iterations:salt$storedkey:serverkey",
		"a:SCRAM-SHA-256$4096:YQ==$YQ=": "wanted SCRAM-SHA-256$",
	} {
		_, err := ReadUsers(strings.NewReader(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestCheckPassword(t *testing.T) {
	u := users(t, "ann:pw")
	for range 2 { // the second time by what was remembered
		require.True(t, u.Check("ann", "pw"))
		require.False(t, u.Check("ann", "pw2"))
		require.False(t, u.Check("bob", "pw"))
	}
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

func TestTLS(t *testing.T) {
	s := start(t, Options{TLS: selfSigned(t), RequireTLS: true, Users: users(t, "ann:pw")})
	require.NoError(t, connectAs(s, "ann", "pw", "sslmode=require"))
	e := sqlState(t, connectAs(s, "ann", "pw", "sslmode=disable"))
	require.Equal(t, "28000", e.Code)
	require.Contains(t, e.Message, "without TLS")

	// What stands behind the request for TLS, unencrypted, must not be taken for encrypted.
	nc, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x04\xd2\x16\x2f"))
	require.NoError(t, err)
	require.Contains(t, readAll(t, nc), "received unencrypted data after SSL request")

	// Without a certificate the client is told so, and decides.
	plain := start(t, Options{})
	require.NoError(t, connectAs(plain, "ann", "", "sslmode=prefer"))
	require.Error(t, connectAs(plain, "ann", "", "sslmode=require"))
}
