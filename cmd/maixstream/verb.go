package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/internal/bench"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // at run time
	exitUsage  = 2 // used wrongly
)

// terminal is what a verb has of the process around it.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	env      func(name string) (string, bool)
	args     []string // of the verb, as they were given: for a reload
}

// verb is one subcommand. setup defines its flags and returns what runs once they are parsed; args are what is left of
// the command line. An error that is a usageError ends the program with code 2, another one with 1.
type verb struct {
	name    string
	args    string // what follows the flags, for the usage line
	summary string
	setup   func(flags *pflag.FlagSet) func(ctx context.Context, args []string, t terminal) error
}

func verbs() []verb {
	return []verb{
		{"serve", "", "show pictures to browsers and other viewers over HTTP", setupServe},
		{"push", "URL [FILE...]", "send pictures to a server: a source's, or files", setupPush},
		{"receive", "", "take pictures that devices post, keep them and show them", setupReceive},
		{"snapshot", "FILE", "write one picture to a file, or - for standard output", setupSnapshot},
		{"doctor", "", "say what is wrong with this machine and what to do about it", setupDoctor},
		{"bench", "", "measure fps, times and CPU of every stage from the source to the viewers", setupBench},
		{"find", "", "list the streams that answer on the local network", setupFind},
		{"completion", "bash|zsh|fish", "print completions for a shell", setupCompletion},
		{"man", "", "print the manual page", setupMan},
		{"version", "", "print the version", setupVersion},
	}
}

// usageError is a mistake of the person at the keyboard.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the program: the first argument names the verb; without one it is serve.
func run(ctx context.Context, args []string, t terminal) int {
	all := verbs()
	chosen := all[0]
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		found := false
		for _, v := range all {
			if v.name == args[0] {
				chosen, found = v, true
			}
		}
		if !found {
			if args[0] == "help" {
				printOverview(t.out, all)
				return exitDone
			}
			fmt.Fprintf(t.err, "maixstream: unknown verb %q: one of %s\n", args[0], strings.Join(names(all), ", "))
			return exitUsage
		}
		args = args[1:]
		if chosen.name == "bench" && len(args) > 0 && args[0] == "child" { // not listed: bench starts these itself
			if err := bench.RunChild(args[1:]); err != nil {
				fmt.Fprintf(t.err, "maixstream %v\n", err)
				return exitFailed
			}
			return exitDone
		}
	} else if len(args) > 0 && args[0] == "--version" {
		fmt.Fprintln(t.out, thisProgram())
		return exitDone
	} else if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		printOverview(t.out, all)
		fmt.Fprintf(t.out, "\nFlags of %s, which is the verb when none is given:\n", chosen.name)
	}
	err := runVerb(ctx, chosen, args, t)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintf(t.err, "maixstream %s: %s\nmaixstream %s --help lists the flags\n", chosen.name, strings.TrimPrefix(err.Error(), chosen.name+": "), chosen.name)
		return exitUsage
	case errors.Is(err, errReported):
	default:
		fmt.Fprintf(t.err, "maixstream %s: %s\n", chosen.name, strings.TrimPrefix(err.Error(), chosen.name+": "))
	}
	return exitFailed
}

// errReported ends the program with code 1 after the verb has said why itself.
var errReported = errors.New("failed")

func runVerb(ctx context.Context, v verb, args []string, t terminal) error {
	flags := pflag.NewFlagSet(v.name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	start := v.setup(flags)
	config, help := addCommonFlags(flags)
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if *help {
		fmt.Fprintf(t.out, "Usage: maixstream %s\n%s\n\n%s", strings.TrimSpace(v.name+" [flags] "+v.args), v.summary, flags.FlagUsages())
		fmt.Fprintln(t.out, "\nEvery flag can also be given as an environment variable: --idle-fps is MAIXSTREAM_IDLE_FPS.\nA flag wins over the environment, the environment over --config.")
		return nil
	}
	if err := fillFlags(flags, config, t.env); err != nil {
		return err
	}
	if v.args == "" && flags.NArg() > 0 {
		return usagef("unexpected argument %q", flags.Arg(0))
	}
	t.args = args
	return start(ctx, flags.Args(), t)
}

// addCommonFlags adds what every verb has.
func addCommonFlags(flags *pflag.FlagSet) (config *string, help *bool) {
	return flags.String("config", "", "read settings from this YAML `FILE`: keys are the flags' names"),
		flags.BoolP("help", "h", false, "print this help")
}

func names(all []verb) []string {
	var out []string
	for _, v := range all {
		out = append(out, v.name)
	}
	return out
}

func printOverview(w io.Writer, all []verb) {
	fmt.Fprintf(w, "maixstream: JPEG streams from a MaixCAM or a PC, to browsers and to servers\n\nUsage: maixstream [VERB] [flags]\n\n")
	for _, v := range all {
		fmt.Fprintf(w, "  %-10s %s\n", v.name, v.summary)
	}
	fmt.Fprintf(w, "\nmaixstream VERB --help lists a verb's flags; maixstream --version prints the version.\n")
}
