package streamsql

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// activity is what a session does, for pg_stat_activity.
type activity struct {
	connected time.Time
	begun     time.Time // of the statement
	changed   time.Time // of the state
	state     string    // active, idle, idle in transaction ...
	query     string    // the last statement's text
}

// Active says that the session's client has sent statements; Idle that they are answered.
func (s *Session) Active(query string) {
	now := s.db.opts.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.does.begun, s.does.changed, s.does.state, s.does.query = now, now, "active", query
}

// Idle says that the statements of Active are answered.
func (s *Session) Idle() {
	state := map[byte]string{'I': "idle", 'T': "idle in transaction", 'E': "idle in transaction (aborted)"}[s.Status()]
	now := s.db.opts.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.does.changed, s.does.state = now, state
}

func (s *Session) activity() activity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.does
}

// clients returns the sessions of clients that are connected, in the order of their connections.
func (db *DB) clients() []*Session {
	db.mu.Lock()
	list := slices.Collect(maps.Keys(db.sessions))
	db.mu.Unlock()
	slices.SortFunc(list, func(a, b *Session) int { return cmp.Compare(a.Client().PID, b.Client().PID) })
	return list
}
