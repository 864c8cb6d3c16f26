// Package pgwire speaks PostgreSQL's wire protocol, version 3, for a database: what psql and the drivers of all languages connect to.
//
// One goroutine serves one connection, with a streamsql.Session of its own. An idle connection holds its goroutine and no buffers. The codecs
// of the messages are pgproto3's; framing, rows and the state of a session are ours (docs/decisions/wire.md says why).
package pgwire
