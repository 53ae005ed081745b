package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const samplePath = "../../packaging/maixstream.yaml"

var sampleLine = regexp.MustCompile(`^#([a-z][a-z0-9-]*): (.*)$`)

// serveSet returns serve's flags.
func serveSet() (*pflag.FlagSet, *string) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addServeFlags(flags)
	config, _ := addCommonFlags(flags)
	return flags, config
}

// The sample names every flag with its default, and is a valid configuration both unchanged and with every setting uncommented.
func TestSampleConfigurationIsThatOfTheFlags(t *testing.T) {
	text, err := os.ReadFile(samplePath)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var keys []string
	comment := map[string]string{}
	restart := map[string]bool{}
	var about strings.Builder
	for i, line := range lines {
		if m := sampleLine.FindStringSubmatch(line); m != nil {
			keys = append(keys, m[1])
			comment[m[1]] = about.String()
			lines[i] = line[1:]
			continue
		}
		if line == "" {
			about.Reset()
		}
		about.WriteString(line + "\n")
	}
	flags, _ := serveSet()
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || f.Name == "help" {
			return
		}
		if !slices.Contains(keys, f.Name) {
			_, usage := pflag.UnquoteUsage(f)
			t.Errorf("%s lacks a setting; add:\n# %s.\n#%s: %s", samplePath, strings.ReplaceAll(usage, "\n", "\n# "), f.Name, f.DefValue)
		}
	})
	for _, key := range keys {
		restart[key] = strings.Contains(comment[key], "restart)")
		if restart[key] == reloadable[key] && key != "tls-cert" && key != "tls-key" {
			t.Errorf("%s: the sample says that it needs a restart: %v; a reload follows it: %v", key, restart[key], reloadable[key])
		}
	}
	for name, content := range map[string]string{"as it is": string(text), "all of it": strings.Join(lines, "\n")} {
		path := filepath.Join(t.TempDir(), "maixstream.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		filled, _ := serveSet()
		if err := fillFlags(filled, &path, noEnv); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		set := 0
		filled.VisitAll(func(f *pflag.Flag) {
			if f.Value.String() != f.DefValue {
				t.Errorf("%s: %s is %s, the default is %s", name, f.Name, f.Value, f.DefValue)
			}
			if f.Changed {
				set++
			}
		})
		if name == "all of it" && set != len(keys) {
			t.Errorf("%d settings of %d took effect", set, len(keys))
		}
	}
}
