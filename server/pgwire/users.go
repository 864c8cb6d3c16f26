package pgwire

import (
	"bufio"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Users are who may connect, with what their passwords are checked against.
type Users struct {
	byName map[string]verifier
	secret [32]byte // of what unknown users are asked, so that they look like known ones
	proved sync.Map // by name, a keyed hash of what Check found to be right last
}

// verifier is what a server keeps of a password: it does not tell the password.
type verifier struct {
	iterations           int
	salt                 []byte
	storedKey, serverKey []byte
}

const scramIterations = 4096 // PostgreSQL's

// ReadUsers reads a password file: one user a line, name and password with a colon between. Instead of the password there may be its SCRAM
// verifier as PostgreSQL keeps it (SCRAM-SHA-256$iterations:salt$storedkey:serverkey). Empty lines and lines that begin with # do not count.
//
// Errors name the line.
func ReadUsers(r io.Reader) (*Users, error) {
	u := &Users{byName: map[string]verifier{}}
	rand.Read(u.secret[:]) //nolint:errcheck // it never fails
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		switch {
		case !ok || name == "":
			return nil, fmt.Errorf("line %d: wanted name:password", number)
		case password == "":
			return nil, fmt.Errorf("line %d: user %q has an empty password", number, name)
		}
		if _, twice := u.byName[name]; twice {
			return nil, fmt.Errorf("line %d: user %q stands here twice", number, name)
		}
		v, err := newVerifier(password)
		if err != nil {
			return nil, fmt.Errorf("line %d: user %q: %w", number, name, err)
		}
		u.byName[name] = v
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(u.byName) == 0 {
		return nil, fmt.Errorf("there is no user in it")
	}
	return u, nil
}

// newVerifier makes the verifier of a password, or reads one.
func newVerifier(password string) (verifier, error) {
	if rest, ok := strings.CutPrefix(password, scramSHA256+"$"); ok {
		return parseVerifier(rest)
	}
	var salt [16]byte
	rand.Read(salt[:]) //nolint:errcheck // it never fails
	return deriveVerifier(password, salt[:], scramIterations)
}

func deriveVerifier(password string, salt []byte, iterations int) (verifier, error) {
	salted, err := pbkdf2.Key(sha256.New, prepare(password), salt, iterations, sha256.Size)
	if err != nil {
		return verifier{}, err
	}
	stored := sha256.Sum256(mac(salted, []byte("Client Key")))
	return verifier{iterations: iterations, salt: salt, storedKey: stored[:], serverKey: mac(salted, []byte("Server Key"))}, nil
}

func parseVerifier(text string) (v verifier, err error) {
	bad := fmt.Errorf("wanted %s$iterations:salt$storedkey:serverkey", scramSHA256)
	head, keys, ok := strings.Cut(text, "$")
	iterations, salt, ok2 := strings.Cut(head, ":")
	stored, server, ok3 := strings.Cut(keys, ":")
	if !ok || !ok2 || !ok3 {
		return v, bad
	}
	if v.iterations, err = strconv.Atoi(iterations); err != nil || v.iterations < 1 {
		return v, bad
	}
	for _, part := range []struct {
		to   *[]byte
		text string
	}{{&v.salt, salt}, {&v.storedKey, stored}, {&v.serverKey, server}} {
		if *part.to, err = base64.StdEncoding.DecodeString(part.text); err != nil {
			return v, bad
		}
	}
	if len(v.storedKey) != sha256.Size || len(v.serverKey) != sha256.Size || len(v.salt) == 0 {
		return v, bad
	}
	return v, nil
}

// prepare brings a password into the form that clients hash (SASLprep, RFC 4013, without its prohibitions: what it would refuse is taken as it is).
func prepare(password string) string {
	if !utf8.ValidString(password) {
		return password
	}
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		switch r {
		case '\u00a0', '\u1680', '\u202f', '\u205f', '\u3000': // other spaces
			return ' '
		case '\u00ad', '\u034f', '\u1806', '\u180b', '\u180c', '\u180d', '\u2060', '\ufeff': // nothing
			return -1
		}
		switch {
		case r >= '\u2000' && r <= '\u200b':
			return ' '
		case r >= '\u200c' && r <= '\u200d', r >= '\ufe00' && r <= '\ufe0f':
			return -1
		}
		return r
	}, password))
}

// verifier returns what a user's password is checked against; of an unknown user, what nothing fits, always the same.
func (u *Users) verifier(name string) (verifier, bool) {
	if v, ok := u.byName[name]; ok {
		return v, true
	}
	h := hmac.New(sha256.New, u.secret[:])
	h.Write([]byte(name))
	salt := h.Sum(nil)
	return verifier{iterations: scramIterations, salt: salt[:16], storedKey: make([]byte, sha256.Size), serverKey: make([]byte, sha256.Size)}, false
}

// Check reports whether a user has a password, for protocols that send it.
func (u *Users) Check(name, password string) bool {
	h := hmac.New(sha256.New, u.secret[:])
	h.Write([]byte(name + "\x00" + password))
	sum := h.Sum(nil)
	if last, ok := u.proved.Load(name); ok && subtle.ConstantTimeCompare(last.([]byte), sum) == 1 {
		return true
	}
	v, known := u.verifier(name)
	have, err := deriveVerifier(password, v.salt, v.iterations)
	if err != nil || !known || subtle.ConstantTimeCompare(have.storedKey, v.storedKey) != 1 {
		return false
	}
	u.proved.Store(name, sum)
	return true
}
