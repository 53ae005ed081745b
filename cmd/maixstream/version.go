package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/pflag"
)

// Set by the linker in make's builds; see identity.
var version, commit string

// identity identifies this program's version.
type identity struct{ version, commit string }

func (i identity) String() string { return fmt.Sprintf("maixstream %s (%s)", i.version, i.commit) }

// thisProgram returns the linker's values, or else those recorded by the go command (go install, bare go build).
func thisProgram() identity {
	info, _ := debug.ReadBuildInfo()
	return identify(identity{version, commit}, info)
}

func identify(linked identity, info *debug.BuildInfo) identity {
	recorded := identity{version: "unknown", commit: "unknown"}
	if info != nil {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if v := info.Main.Version; v != "" && v != "(devel)" {
			recorded.version = v
		}
		if revision := settings["vcs.revision"]; revision != "" {
			recorded.commit = revision[:min(len(revision), 12)]
			if settings["vcs.modified"] == "true" {
				recorded.commit += "-dirty"
			}
		}
	}
	return identity{cmp.Or(linked.version, recorded.version), cmp.Or(linked.commit, recorded.commit)}
}

func setupVersion(*pflag.FlagSet) func(context.Context, []string, terminal) error {
	return func(_ context.Context, _ []string, t terminal) error {
		_, err := fmt.Fprintln(t.out, thisProgram())
		return err
	}
}
