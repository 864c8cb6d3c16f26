package pgwire

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchInterval is how often it is looked whether the clients of running statements are still there.
const watchInterval = time.Second

// watch cancels the statements of clients that have gone. A connection's own goroutine cannot see that while it runs a statement, as it does
// not read; one goroutine looks after all.
func (s *Server) watch() {
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	for {
		select {
		case <-s.stopWatch:
			return
		case <-t.C:
			s.cancelVanished()
		}
	}
}

func (s *Server) cancelVanished() {
	s.mu.Lock()
	var busy []*conn
	for _, c := range s.conns {
		if c.isRunning() {
			busy = append(busy, c)
		}
	}
	s.mu.Unlock()
	for _, c := range busy {
		if vanished(c.raw) {
			c.interrupt(errVanished)
		}
	}
}

// vanished reports whether the other side has closed a connection, without reading from it.
func vanished(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = rc.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		gone = err == nil && n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}
