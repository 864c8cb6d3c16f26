package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
)

func now() time.Time { return time.Now() }

// versionsCommand lists the versions of a data directory, rolls back to one, or makes a savepoint.
func versionsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "state", Short: "list versions of a data directory, roll back, make a savepoint"}
	with := func(use, short string, args int, f func(cmd *cobra.Command, s *state.Store, args []string) error) {
		cmd.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(args), RunE: func(cmd *cobra.Command, args []string) error {
			s, err := state.Open(nil, args[0], state.Options{MustExist: true})
			if err != nil {
				return fail(cmd.ErrOrStderr(), "streamsql: "+err.Error())
			}
			err = f(cmd, s, args[1:])
			if err = errors.Join(err, s.Close()); err != nil {
				return fail(cmd.ErrOrStderr(), "streamsql: "+err.Error())
			}
			return nil
		}})
	}
	with("versions DIR", "list the versions that can be rolled back to", 1, func(cmd *cobra.Command, s *state.Store, _ []string) error {
		for _, v := range s.Versions() {
			fmt.Fprintf(cmd.OutOrStdout(), "%d\t%s\n", v.Epoch, time.UnixMicro(v.Clock).UTC().Format(time.RFC3339))
		}
		return nil
	})
	with("rollback DIR EPOCH", "make a version the newest state", 2, func(cmd *cobra.Command, s *state.Store, args []string) error {
		var epoch uint64
		if _, err := fmt.Sscan(args[0], &epoch); err != nil {
			return fmt.Errorf("epoch is %q, wanted a number", args[0])
		}
		return s.RollbackTo(changelog.Epoch(epoch))
	})
	with("savepoint DIR NEWDIR", "write a copy that can be opened, sharing files by hard links", 2, func(cmd *cobra.Command, s *state.Store, args []string) error {
		return s.Savepoint(args[0])
	})
	return cmd
}
