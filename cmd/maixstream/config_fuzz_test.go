package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
)

// A configuration is accepted, or rejected as one: with a reason, and exit code 2.
func FuzzConfiguration(f *testing.F) {
	for _, text := range []string{
		"quality: 70\nfps: 15\n", "listen: [':8000', 1, null]\n", "controls: {brightness: 120}\n", "controls: [1]\n", "size: {a: b}\n", "a: &a [*a]\n", "? [x]\n: y\n", "quality: 0x10\n",
		"record-max: 1e99GiB\nrecord: ~\n", "unix-mode: 0660\n", "fps: .inf\n", "fps: .nan\n", "\xef\xbb\xbfquality: 1", "rtsp: :99999\nstall-timeout: -1s", "x: !!binary aGk=\n", "<<: {quality: 3}\n",
	} {
		f.Add([]byte(text))
	}
	name := filepath.Join(f.TempDir(), "maixstream.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for verb, add := range map[string]func(*pflag.FlagSet) func() error{
			"serve":   func(flags *pflag.FlagSet) func() error { return addServeFlags(flags).check },
			"receive": func(flags *pflag.FlagSet) func() error { return addReceiveFlags(flags).check },
		} {
			flags := pflag.NewFlagSet(verb, pflag.ContinueOnError)
			check := add(flags)
			err := fillFlags(flags, &name, func(string) (string, bool) { return "", false })
			if err == nil {
				err = check()
			}
			var wrong usageError
			if err != nil && (!errors.As(err, &wrong) || err.Error() == "") {
				t.Errorf("%s: %v", verb, err)
			}
		}
	})
}
