package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. A config that is wrong is told apart from a world that is.
const (
	exitOK      = 0
	exitFailed  = 1 // something went wrong while running
	exitUsage   = 2 // the command line or the config is wrong
	exitNothing = 3 // it ran, and what it was asked to find is not well
)

// codeError is an error with an exit code of its own.
type codeError struct {
	code int
	err  error
}

func (e codeError) Error() string { return e.err.Error() }
func (e codeError) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit code. It ends on SIGINT
// and SIGTERM; a second signal kills the process the hard way.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root, started := newRootCommand(), false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if fs, ok := errors.AsType[faults](err); ok {
		fmt.Fprintf(stderr, "%v\nbellwether: the config is wrong in %d place(s)\n", fs, len(fs))
	} else {
		fmt.Fprintln(stderr, "bellwether: "+err.Error())
	}
	if ce, ok := errors.AsType[codeError](err); ok {
		return ce.code
	}
	if !started { // cobra refused the command line
		return exitUsage
	}
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "bellwether",
		Short: "Feels out LLM endpoints, decides how healthy each is, and publishes traffic weights",
		Long: `Bellwether sends scheduled canary probes to LLM endpoints, turns what comes back
into explained verdicts and traffic weights, and publishes them to routers.

Start with: bellwether demo`,
		SilenceUsage: true, SilenceErrors: true, Version: version(),
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(
		newDemoCommand(), newServeCommand(), newAgentCommand(), newRouterCommand(), newCheckCommand(),
		newProbeCommand(), newReplayCommand(), newReportCommand(), newSimulateCommand(), newHealthcheckCommand(),
	)
	return root
}

// version is what `go install` or the build recorded.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
