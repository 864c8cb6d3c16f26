package streamsql

import (
	"context"
	"time"
)

// Client is who talks through a session: what current_user, current_database() and their like answer.
type Client struct {
	User     string
	Database string // as the client called it; there is one
	PID      uint32 // the number of its connection
	Address  string // where it comes from
	Version  string // of the server, as it was announced
}

// Identify says who talks through the session; until Close it stands in pg_stat_activity.
func (s *Session) Identify(c Client) {
	s.mu.Lock()
	s.client = c
	s.does.connected, s.does.state = s.db.opts.Clock(), "idle"
	s.mu.Unlock()
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.db.sessions == nil {
		s.db.sessions = map[*Session]bool{}
	}
	s.db.sessions[s] = true
}

// Client returns who talks through the session.
func (s *Session) Client() Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}

// Set changes a setting as SET does.
func (s *Session) Set(ctx context.Context, name, value string) error {
	return s.setTo(ctx, name, value)
}

// Setting returns the value of a setting as SHOW does; ok is false if there is none of that name.
func (s *Session) Setting(name string) (value string, ok bool) {
	for _, row := range s.showAll().rows {
		if row[0] == name {
			return row[1].(string), true
		}
	}
	return "", false
}

// isUTC reports whether a time zone is UTC, under any of its names.
func isUTC(zone *time.Location) bool {
	switch zone.String() {
	case "UTC", "Etc/UTC", "Etc/UCT", "UCT", "Etc/Zulu", "Zulu", "Etc/Universal", "Universal", "Etc/GMT", "GMT", "Etc/GMT0", "GMT0", "Etc/Greenwich", "Greenwich":
		return true
	}
	return false
}

// Zone is the session's time zone, in which texts of timestamps with zone are.
func (s *Session) Zone() *time.Location { return s.zone() }
