// Command hookbridge takes webhooks in and streams them out as typed events.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hookbridge/hookbridge/server/config"
)

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the second one kills, whatever the shutdown is doing.
	context.AfterFunc(ctx, stop)
	err := root().ExecuteContext(ctx)
	stop()
	os.Exit(report(os.Stderr, err))
}

// report prints an error and returns the exit code. The problems of a configuration are lines that an editor can jump to.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	prefix := "hookbridge: "
	if _, ok := errors.AsType[*config.Error](err); ok {
		prefix = ""
	}
	// There is nobody else to tell.
	_, _ = fmt.Fprintf(w, "%s%v\n", prefix, err)
	// Cobra has no type for a command that doesn't exist.
	if _, ok := errors.AsType[usageError](err); ok || strings.HasPrefix(err.Error(), "unknown command ") {
		return exitUsage
	}
	return exitFailure
}

// usageError is a command line that can't be understood.
type usageError struct{ error }

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "hookbridge",
		Short:         "Webhooks in, typed events out",
		Long:          "Hookbridge verifies webhooks, stores them on disk, and streams them over gRPC as typed events.\n\nExit codes: 0 all is well, 1 it failed, 2 the command line is wrong.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.AddCommand(serveCommand(), checkCommand(), sendCommand(), tailCommand(), forwardCommand(), replayCommand(), schemaCommand(), providersCommand(),
		sourcesCommand(), subscriptionsCommand(), deadLettersCommand(), rejectionsCommand(), eventsCommand(), tokenCommand(), versionCommand())
	return cmd
}
