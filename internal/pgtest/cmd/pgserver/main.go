// Command pgserver runs a command with a PostgreSQL beside it:
//
//	go run ./internal/pgtest/cmd/pgserver -- go test ./...
//
// The server is new and empty, its connection string stands in STREAMSQL_TEST_POSTGRES, and it is gone when the
// command ends. The exit status is the command's.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/streamsql/streamsql/internal/pgtest"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: pgserver -- COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	status, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgserver:", err)
	}
	os.Exit(status)
}

// run returns the command's exit status, and 1 with any error of ours.
func run(args []string) (status int, err error) {
	// An interrupt reaches the command too, from the terminal; this process outlives it to stop the server.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := pgtest.Start(ctx)
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := server.Stop(); stopErr != nil {
			status, err = 1, errors.Join(err, stopErr)
		}
	}()

	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), pgtest.EnvServer+"="+server.URL())
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		if killErr := cmd.Process.Signal(syscall.SIGTERM); killErr != nil && !errors.Is(killErr, os.ErrProcessDone) {
			return 1, killErr
		}
		err = <-done
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return max(failed.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
