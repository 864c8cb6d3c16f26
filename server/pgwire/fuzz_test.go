package pgwire

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

// message makes a message of a kind.
func message(kind byte, body string) string {
	return string(kind) + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
}

// TestMalformedMessages: what cannot be understood ends the connection with 08P01 and nothing else.
func TestMalformedMessages(t *testing.T) {
	s := start(t, Options{MaxMessage: 1 << 20})
	for name, bytes := range map[string]string{
		"unknown kind":                   message('?', ""),
		"negative length":                "Q\xff\xff\xff\xff",
		"short length":                   "Q\x00\x00\x00\x03",
		"too long":                       "Q\x7f\xff\xff\xff",
		"query without end":              message('Q', "SELECT 1"),
		"bind cut off":                   message('B', "\x00\x00\x00\x01"),
		"bind: value beyond the message": message('B', "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x64abc"),
		"parse cut off":                  message('P', "x\x00SELECT 1\x00\x00\x05"),
		"describe what":                  message('D', ""),
		"execute cut off":                message('E', "\x00"),
		"password outside of its time":   message('p', "secret\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			r := s.raw(t)
			_, err := r.Write([]byte(bytes))
			require.NoError(t, err)
			require.Contains(t, readAll(t, r.Conn), "C08P01\x00")
		})
	}
	for name, bytes := range map[string]string{
		"length":     "\x00\x00\x00\x01",
		"huge":       "\x7f\x00\x00\x00",
		"not ended":  "\x00\x00\x00\x0c\x00\x03\x00\x00user",
		"version 2":  "\x00\x00\x00\x08\x00\x02\x00\x00",
		"only TLS":   "\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x04\xd2\x16\x2f",
		"no user":    string(startupPacket("database", "x")),
		"HTTP":       "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"cut cancel": "\x00\x00\x00\x09\x04\xd2\x16\x2ex",
	} {
		t.Run("startup: "+name, func(t *testing.T) {
			nc, err := net.Dial("tcp", s.addr)
			require.NoError(t, err)
			defer nc.Close()
			_, err = nc.Write([]byte(bytes))
			require.NoError(t, err)
			got := readAll(t, nc)
			require.NotContains(t, got, "XX000")
			require.NotContains(t, got, "R\x00\x00\x00\x08\x00\x00\x00\x00", "nobody was let in")
		})
	}
	_, err := s.plain(t).Exec(context.Background(), "SELECT 1").ReadAll()
	require.NoError(t, err)
}

// FuzzMessages sends anything after the startup: no panic (which would be an error XX000), no connection that hangs.
func FuzzMessages(f *testing.F) {
	db, err := streamsql.Open(streamsql.Options{Workers: 1})
	require.NoError(f, err)
	defer db.Close()
	_, err = db.Exec(context.Background(), "CREATE TABLE t (k INT PRIMARY KEY, v TEXT)")
	require.NoError(f, err)
	s := New(db, Options{MaxMessage: 1 << 16})
	for _, seed := range []string{
		message('Q', "SELECT 1\x00"), message('Q', "COPY t FROM STDIN\x00") + message('d', "1\ta\n") + message('c', ""),
		message('Q', "COPY t FROM STDIN (FORMAT binary)\x00") + message('d', "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02") + message('f', "no\x00"),
		message('P', "s\x00SELECT $1::numeric, $2::int[]\x00\x00\x00") + message('B', "\x00s\x00\x00\x01\x00\x01\x00\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00"+
			"\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00") + message('E', "\x00\x00\x00\x00\x00") + message('S', ""),
		message('D', "Ss\x00") + message('C', "Ss\x00") + message('H', "") + message('S', ""), message('F', "\x00\x00\x00\x01"), message('X', ""),
		message('Q', "BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH 5 FROM c\x00") + message('Q', "COPY (SELECT 1) TO STDOUT\x00"),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		client, server := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.mu.Lock()
			s.waiting++
			s.mu.Unlock()
			newConn(s, server).serve()
		}()
		got := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(client) // up to the end of the connection
			got <- b
		}()
		_ = client.SetDeadline(time.Now().Add(wait))
		_, err := client.Write(startupPacket("user", "fuzz"))
		require.NoError(t, err)
		_, _ = client.Write(append(data, message('X', "")...)) // the server may have left
		// What is in the middle of a message, or of a COPY, waits for more.
		_ = client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		answer := <-got
		client.Close()
		<-ended
		require.NotContains(t, string(answer), "XX000")
	})
}
