package pgwire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamsql/streamsql/types"
)

const scramSHA256 = "SCRAM-SHA-256"

// authenticate makes the client prove that it knows its user's password, by SCRAM-SHA-256 (RFC 5802, RFC 7677); channel binding is
// not offered. Without users everybody is who she says.
func (c *conn) authenticate() error {
	if c.srv.opts.Users == nil {
		return nil
	}
	failed := types.Errorf(codeInvalidPassword, "password authentication failed for user %q", c.user)
	v, known := c.srv.opts.Users.verifier(c.user)
	c.out.send(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramSHA256}})
	kind, body, err := c.ask()
	if err != nil {
		return err
	}
	var first pgproto3.SASLInitialResponse
	if kind != 'p' || first.Decode(body) != nil || first.AuthMechanism != scramSHA256 {
		return types.Errorf(codeProtocol, "client selected an invalid SASL authentication mechanism")
	}
	x, err := newExchange(string(first.Data), v)
	if err != nil {
		return types.Errorf(codeProtocol, "malformed SCRAM message: %v", err)
	}
	c.out.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(x.serverFirst)})
	kind, body, err = c.ask()
	if err != nil {
		return err
	}
	if kind != 'p' {
		return types.Errorf(codeProtocol, "expected SASL response, got message type %q", kind)
	}
	final, ok, err := x.finish(string(body))
	if err != nil {
		return types.Errorf(codeProtocol, "malformed SCRAM message: %v", err)
	}
	if !ok || !known {
		return failed
	}
	c.out.send(&pgproto3.AuthenticationSASLFinal{Data: []byte(final)})
	return nil
}

// ask sends what is there and takes the client's answer.
func (c *conn) ask() (byte, []byte, error) {
	if err := c.out.flush(); err != nil {
		return 0, nil, err
	}
	return c.in.message()
}

// exchange is the server's side of one SCRAM authentication.
type exchange struct {
	v           verifier
	gs2         string // header of the client's first message
	clientBare  string
	serverFirst string
	nonce       string
}

var errSCRAM = errors.New("unexpected field")

// newExchange takes the client's first message: gs2 header, user name (PostgreSQL's clients leave it empty), nonce.
func newExchange(message string, v verifier) (*exchange, error) {
	binding, rest, ok := strings.Cut(message, ",")
	if !ok || binding != "n" && binding != "y" { // p=: channel binding, which was not offered
		return nil, errSCRAM
	}
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok || authzid != "" {
		return nil, errSCRAM
	}
	name, nonce, ok := strings.Cut(bare, ",")
	if !ok || !strings.HasPrefix(name, "n=") {
		return nil, errSCRAM
	}
	nonce, _, _ = strings.Cut(nonce, ",")
	if !strings.HasPrefix(nonce, "r=") || len(nonce) == 2 {
		return nil, errSCRAM
	}
	var own [18]byte
	rand.Read(own[:]) //nolint:errcheck // it never fails
	x := &exchange{v: v, gs2: binding + ",,", clientBare: bare}
	x.nonce = nonce[2:] + base64.StdEncoding.EncodeToString(own[:])
	x.serverFirst = "r=" + x.nonce + ",s=" + base64.StdEncoding.EncodeToString(v.salt) + ",i=" + strconv.Itoa(v.iterations)
	return x, nil
}

// finish takes the client's last message: channel binding, nonce, proof. It returns the server's signature, and whether the proof is right.
func (x *exchange) finish(message string) (final string, ok bool, err error) {
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return "", false, errSCRAM
	}
	without, proof64 := message[:at], message[at+3:]
	proof, err := base64.StdEncoding.DecodeString(proof64)
	if err != nil {
		return "", false, err
	}
	want := "c=" + base64.StdEncoding.EncodeToString([]byte(x.gs2)) + ",r=" + x.nonce
	if without != want && !strings.HasPrefix(without, want+",") || len(proof) != sha256.Size {
		return "", false, errSCRAM
	}
	authMessage := []byte(x.clientBare + "," + x.serverFirst + "," + without)
	signature := mac(x.v.storedKey, authMessage)
	key := make([]byte, sha256.Size)
	subtle.XORBytes(key, proof, signature)
	stored := sha256.Sum256(key)
	ok = subtle.ConstantTimeCompare(stored[:], x.v.storedKey) == 1
	return "v=" + base64.StdEncoding.EncodeToString(mac(x.v.serverKey, authMessage)), ok, nil
}

func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}
