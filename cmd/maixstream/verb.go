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

// terminal is a verb's environment: the process's streams and arguments.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	env      func(name string) (string, bool)
	args     []string // of the verb as given, for a reload
}

// verb is one subcommand. setup defines its flags and returns what to run once they are parsed; args are the remaining
// arguments. A usageError exits with code 2, any other error with 1.
type verb struct {
	name    string
	args    string // what follows the flags, for the usage line
	summary string
	setup   func(flags *pflag.FlagSet) func(ctx context.Context, args []string, t terminal) error
}

func verbs() []verb {
	return []verb{
		{"serve", "", "stream to browsers and other viewers over HTTP", setupServe},
		{"push", "URL [FILE...]", "send pictures to a server: from a source, or files", setupPush},
		{"receive", "", "receive, store and show pictures that devices post", setupReceive},
		{"snapshot", "FILE", "write one picture to a file, or - for standard output", setupSnapshot},
		{"controls", "[NAME=VALUE...]", "list and set the controls of a camera: exposure, white balance, focus, zoom", setupControls},
		{"links", "[URL]", "print a running server's addresses for use in other programs", setupLinks},
		{"find", "", "list streams on the local network", setupFind},
		{"config", "", "print a configuration file with all settings of serve, each with its default", setupConfig},
		{"doctor", "", "diagnose this machine and suggest fixes", setupDoctor},
		{"bench", "", "measure fps, times and CPU of every stage from the source to the viewers", setupBench},
		{"completion", "bash|zsh|fish", "print completions for a shell", setupCompletion},
		{"man", "", "print the manual page", setupMan},
		{"version", "", "print the version", setupVersion},
	}
}

// usageError is a user's mistake.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the program: the first argument names the verb, serve by default.
func run(ctx context.Context, args []string, t terminal) int {
	all := verbs()
	chosen, args, code := choose(all, args, t)
	if chosen == nil {
		return code
	}
	if chosen.name == "bench" && len(args) > 0 && args[0] == "child" { // not listed: bench starts these itself
		if err := bench.RunChild(args[1:]); err != nil {
			fmt.Fprintf(t.err, "maixstream %v\n", err)
			return exitFailed
		}
		return exitDone
	}
	err := runVerb(ctx, *chosen, args, t)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintf(t.err, "maixstream %s: %s\nmaixstream help %s lists the flags.\n", chosen.name, inWords(err, chosen.name), chosen.name)
		return exitUsage
	case errors.Is(err, errReported):
	default:
		fmt.Fprintf(t.err, "maixstream %s: %s\n", chosen.name, inWords(err, chosen.name))
	}
	return exitFailed
}

// choose finds the verb named on the command line, and its arguments. nil: exit with the code instead.
func choose(all []verb, args []string, t terminal) (chosen *verb, rest []string, code int) {
	if len(args) == 0 {
		return &all[0], nil, 0
	}
	find := func(name string) *verb {
		for i := range all {
			if all[i].name == name {
				return &all[i]
			}
		}
		return nil
	}
	switch first := args[0]; {
	case first == "--version" || first == "-v" || first == "-V":
		return find("version"), nil, 0
	case first == "--help" || first == "-h" || first == "help" && len(args) == 1:
		printOverview(t.out, all)
		fmt.Fprintf(t.out, "\n")
		return &all[0], []string{"--help"}, 0
	case first == "help":
		if v := find(args[1]); v != nil {
			return v, []string{"--help"}, 0
		}
		unknownVerb(t.err, all, args[1])
		return nil, nil, exitUsage
	case strings.HasPrefix(first, "-"):
		return &all[0], args, 0
	case find(first) == nil:
		unknownVerb(t.err, all, first)
		return nil, nil, exitUsage
	case len(args) == 2 && args[1] == "help":
		return find(first), []string{"--help"}, 0
	default:
		return find(first), args[1:], 0
	}
}

// unknownVerb suggests an existing verb.
func unknownVerb(w io.Writer, all []verb, name string) {
	if near := nearest(name, names(all)); near != "" {
		fmt.Fprintf(w, "maixstream: unknown verb %q: did you mean %s?\nmaixstream help lists the verbs.\n", name, near)
		return
	}
	fmt.Fprintf(w, "maixstream: unknown verb %q: one of %s\n", name, strings.Join(names(all), ", "))
}

// errReported exits with code 1 when the verb has reported the cause itself.
var errReported = errors.New("failed")

func runVerb(ctx context.Context, v verb, args []string, t terminal) error {
	flags := pflag.NewFlagSet(v.name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	start := v.setup(flags)
	config, help := addCommonFlags(flags)
	if err := flags.Parse(args); err != nil {
		return usageError{explainFlags(err, flags)}
	}
	if *help {
		printHelp(t.out, v, flags)
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

// addCommonFlags adds the flags of every verb.
func addCommonFlags(flags *pflag.FlagSet) (config *string, help *bool) {
	return flags.String("config", "", "read settings from this YAML `FILE`; keys are flag names"),
		flags.BoolP("help", "h", false, "print this help")
}

func names(all []verb) []string {
	var out []string
	for _, v := range all {
		out = append(out, v.name)
	}
	return out
}
