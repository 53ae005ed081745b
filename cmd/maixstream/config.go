package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// envPrefix begins the name of each flag's environment variable.
const envPrefix = "MAIXSTREAM_"

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fillFlags sets flags that are not on the command line from their environment variables, or else from the
// configuration file.
func fillFlags(flags *pflag.FlagSet, config *string, env func(string) (string, bool)) error {
	var problem error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || problem != nil || f.Name == "help" {
			return
		}
		if value, ok := env(envName(f.Name)); ok {
			if err := flags.Set(f.Name, value); err != nil {
				problem = usagef("environment variable %s=%q: %w", envName(f.Name), value, err)
			}
		}
	})
	if problem != nil || *config == "" {
		return problem
	}
	return fillFromFile(flags, *config)
}

func fillFromFile(flags *pflag.FlagSet, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return usagef("read configuration: %w", err)
	}
	var values map[string]any
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	switch err := documents.Decode(&document); {
	case errors.Is(err, io.EOF): // nothing, or only comments
		return nil
	case err != nil:
		return usagef("configuration %s: %w", path, err)
	case !errors.Is(documents.Decode(new(any)), io.EOF):
		return usagef("configuration %s: want one YAML document; --- begins another", path)
	}
	if top := document.Content[0]; top.Kind != yaml.MappingNode && top.Tag != "!!null" {
		return usagef("configuration %s: want lines of KEY: VALUE, such as quality: 70, with a space after the colon", path)
	}
	if err := document.Decode(&values); err != nil {
		return usagef("configuration %s: %w", path, err)
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys) // deterministic: always report the same problem first
	for _, key := range keys {
		if key == "controls" && flags.Lookup("control") != nil {
			if err := setControls(flags, values[key]); err != nil {
				return usagef("configuration %s: %s: %w", path, key, err)
			}
			continue
		}
		f := flags.Lookup(key)
		if f == nil || key == "config" || key == "help" {
			if near := nearest(key, flagNames(flags)); near != "" {
				return usagef("configuration %s: unknown key %q: did you mean %s?", path, key, near)
			}
			return usagef("configuration %s: unknown key %q: keys are flag names", path, key)
		}
		if f.Changed {
			continue
		}
		if err := setFromYAML(flags, key, values[key]); err != nil {
			return usagef("configuration %s: %s: %w", path, key, err)
		}
	}
	return nil
}

// setControls reads a mapping of camera controls: controls: {brightness: 120}. Those on the command line win.
func setControls(flags *pflag.FlagSet, value any) error {
	controls, ok := value.(map[string]any)
	if !ok {
		return errors.New("want a mapping of names to values, such as brightness: 120")
	}
	list := flags.Lookup("control").Value.(pflag.SliceValue)
	given := list.GetSlice()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(controls)) {
		if controls[name] == nil {
			return fmt.Errorf("%s has no value", name)
		}
		all = append(all, fmt.Sprintf("%s=%v", name, controls[name]))
	}
	return list.Replace(append(all, given...))
}

func setFromYAML(flags *pflag.FlagSet, key string, value any) error {
	switch v := value.(type) {
	case []any:
		list, ok := flags.Lookup(key).Value.(pflag.SliceValue)
		if !ok {
			return fmt.Errorf("wants one value, not a list")
		}
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = fmt.Sprint(item)
		}
		flags.Lookup(key).Changed = true
		return list.Replace(items)
	case map[string]any:
		return fmt.Errorf("wants one value, not a mapping")
	case nil:
		return fmt.Errorf("has no value")
	default:
		return flags.Set(key, fmt.Sprint(v))
	}
}

// readAgain fills a verb's flags, still at their defaults, from its command line, the environment and the configuration file, for a
// reload.
func readAgain(flags *pflag.FlagSet, t terminal) error {
	config, _ := addCommonFlags(flags)
	if err := flags.Parse(t.args); err != nil {
		return err
	}
	return fillFlags(flags, config, t.env)
}
