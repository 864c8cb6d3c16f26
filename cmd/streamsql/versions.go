package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
)

func now() time.Time { return time.Now() }

// versionsCommand lists the versions of a data directory, rolls back to one, or makes a savepoint.
func versionsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "state", Short: "list versions of a data directory, roll back, make a savepoint",
		Long: `Works on the data directory of a command that does not run: that of "streamsql run x.sql" is x.streamsql.`,
		Args: cobra.ArbitraryArgs, RunE: chooseCommand}
	with := func(use, short, what string, n int, f func(cmd *cobra.Command, s *state.Store, args []string) error) {
		cmd.AddCommand(&cobra.Command{Use: use, Short: short, Args: wantArgs(n, n, what), RunE: func(cmd *cobra.Command, args []string) error {
			if n == 2 && cmd.Name() == "rollback" { // before anything is opened
				if _, err := parseEpoch(args[1]); err != nil {
					return err
				}
			}
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
	with("versions DIR", "list the versions that can be rolled back to", "a data directory", 1, func(cmd *cobra.Command, s *state.Store, _ []string) error {
		for _, v := range s.Versions() {
			fmt.Fprintf(cmd.OutOrStdout(), "%d\t%s\n", v.Epoch, time.UnixMicro(v.Clock).UTC().Format(time.RFC3339))
		}
		return nil
	})
	with("rollback DIR EPOCH", "make a version the newest state", "a data directory and an epoch", 2, func(cmd *cobra.Command, s *state.Store, args []string) error {
		epoch, err := parseEpoch(args[0])
		if err != nil {
			return err
		}
		if err := s.RollbackTo(epoch); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "rolled back to epoch %d\n", epoch)
		return err
	})
	with("savepoint DIR NEWDIR", "write a copy that can be opened, sharing files by hard links", "a data directory and a new one", 2,
		func(cmd *cobra.Command, s *state.Store, args []string) error {
			if err := s.Savepoint(args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "savepoint of epoch %d in %s\n", s.Last().Epoch, args[0])
			return err
		})
	return cmd
}

func parseEpoch(text string) (changelog.Epoch, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("epoch is %q, wanted a number that \"state versions\" lists", text)
	}
	return changelog.Epoch(n), nil
}
