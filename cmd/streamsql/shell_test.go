package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// terminal is a shell that somebody types into.
type terminal struct {
	t      *testing.T
	socket string
}

func newTerminal(t *testing.T) *terminal {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	name, err := binary()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "ssql") // a socket's name must be short
	require.NoError(t, err)
	x := &terminal{t: t, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		exec.Command("tmux", "-S", x.socket, "kill-server").Run() //nolint:errcheck // it may have ended
		os.RemoveAll(dir)
	})
	cmd := exec.Command("tmux", "-u", "-S", x.socket, "-f", "/dev/null", "new-session", "-d", "-x", "90", "-y", "60", name+" shell; echo code $?; exec cat")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=xterm", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return x
}

func (x *terminal) tmux(args ...string) string {
	out, err := exec.Command("tmux", append([]string{"-u", "-S", x.socket}, args...)...).CombinedOutput()
	require.NoError(x.t, err, "%s", out)
	return string(out)
}

// line types a line and, once it is there, Enter.
func (x *terminal) line(text string) {
	x.tmux("send-keys", "-l", strings.ReplaceAll(text, ";", `\;`))
	x.until(text[max(0, len(text)-6):], 1)
	x.tmux("send-keys", "Enter")
}

// until waits until the screen holds a text, and as many prompts as given, the last of them empty.
func (x *terminal) until(part string, prompts int) {
	var screen string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		screen = x.tmux("capture-pane", "-p")
		if strings.Contains(screen, part) && strings.Count(screen, "streamsql>") >= prompts {
			return
		}
	}
	require.Fail(x.t, "the screen does not show it", "%q and %d prompts:\n%s", part, prompts, screen)
}

// ready waits until the screen holds a text and ends with an empty prompt: what is typed before that may be lost.
func (x *terminal) ready(part string) {
	var screen string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		screen = x.tmux("capture-pane", "-p")
		if strings.Contains(screen, part) && strings.HasSuffix(strings.TrimSpace(screen), "\nstreamsql>") {
			return
		}
	}
	require.Fail(x.t, "the screen does not show it and a prompt", "%q:\n%s", part, screen)
}

// At a terminal: a statement over several lines, an endless query that Ctrl-C ends, wide characters, an error, a line given up, and the end.
func TestInteractiveShell(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	x.ready("Ctrl-D to leave")
	x.line("SELECT 1 AS a,")
	x.line("  2 AS b;")
	x.ready(" 1 | 2")
	x.line("CREATE SOURCE g (id BIGINT) WITH (connector = 'datagen', rate = 50, 'fields.id.kind' = 'sequence');")
	x.ready("\nCREATE SOURCE")
	x.line("SELECT id FROM g;")
	x.until("| 12", 0)
	x.tmux("send-keys", "C-c")
	x.ready("streamsql>")
	x.line("SELECT '日本' AS x, 'ü' AS y;")
	x.ready(" 日本 | ü")
	x.line("SELECT nope;")
	x.ready(`column "nope" does not exist`)
	x.tmux("send-keys", "-l", "SELECT 1 AS gone")
	x.until("AS gone", 1)
	x.tmux("send-keys", "C-c")
	x.ready("AS gone^C")
	x.line("SELECT 3 AS three;")
	x.until("three", 1)
	x.ready("    3\n")
	x.tmux("send-keys", "C-d")
	x.until("code 0", 0)
}
