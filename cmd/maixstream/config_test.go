package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// testFlags is a set with one flag of each kind.
func testFlags() (*pflag.FlagSet, *sizeValue, *fpsValue, *[]string) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	size, fps := sizeValue{640, 480}, fpsValue(30)
	flags.Var(&size, "size", "")
	flags.Var(&fps, "idle-fps", "")
	push := flags.StringArray("push", nil, "")
	flags.String("config", "", "")
	return flags, &size, &fps, push
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func noEnv(string) (string, bool) { return "", false }

func TestCommandLineOverridesEnvironmentOverridesFile(t *testing.T) {
	flags, size, fps, push := testFlags()
	if err := flags.Parse([]string{"--size", "320x240"}); err != nil {
		t.Fatal(err)
	}
	path := write(t, "size: 1x1\nidle-fps: 5\npush: [http://a/, http://b/]\n")
	env := map[string]string{"MAIXSTREAM_SIZE": "2x2", "MAIXSTREAM_IDLE_FPS": "2.5"}
	if err := fillFlags(flags, &path, func(k string) (string, bool) { v, ok := env[k]; return v, ok }); err != nil {
		t.Fatal(err)
	}
	if size.String() != "320x240" || *fps != 2.5 || strings.Join(*push, " ") != "http://a/ http://b/" {
		t.Errorf("size %v idle-fps %v push %v", size, *fps, *push)
	}
}

func TestFileErrorsNameFileAndKey(t *testing.T) {
	for name, text := range map[string]string{
		"did you mean size?":         "sise: 3x3\n",
		`unknown key "zzz": keys`:    "zzz: 3\n",
		"such as quality: 70":        "size:3x3\n",
		"want lines of KEY: VALUE":   "- size\n",
		"already defined":            "size: 3x3\nsize: 4x4\n",
		"want one YAML document":     "---\nsize: 3x3\n---\nsize: 4x4\n",
		`"--size" flag: want WIDTHx`: "size: big\n",
		"size: wants one":            "size: [1x1, 2x2]\n",
		"size: has no value":         "size:\n",
		`"--idle-fps" flag: frames`:  "idle-fps: 0\n",
		"push: wants one":            "push: {a: b}\n",
		`unknown key "config"`:       "config: other.yaml\n",
		"want lines of KEY":          "just text",
	} {
		flags, _, _, _ := testFlags()
		path := write(t, text)
		err := fillFlags(flags, &path, noEnv)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: got %v, want it to say %q", text, err, name)
		}
	}
	flags, _, _, _ := testFlags()
	path := filepath.Join(t.TempDir(), "absent.yaml")
	if err := fillFlags(flags, &path, noEnv); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("absent file: %v", err)
	}
}

func TestEnvironmentErrorsNameTheVariable(t *testing.T) {
	flags, _, _, _ := testFlags()
	none := ""
	err := fillFlags(flags, &none, func(k string) (string, bool) { return "huge", k == "MAIXSTREAM_SIZE" })
	if err == nil || !strings.Contains(err.Error(), "MAIXSTREAM_SIZE") {
		t.Errorf("got %v", err)
	}
}

func TestInvalidValuesAreRejected(t *testing.T) {
	small := &rangeValue{80, 1, 100}
	for _, c := range []struct {
		value pflag.Value
		good  []string
		bad   []string
	}{
		{&sizeValue{}, []string{"1x1", "640x480", "8192x8192", "641X479"}, []string{"", "640", "640x", "0x480", "640x-1", "8193x1", "640x480x2", "99999999999999999999x2", "640 x 480", "0640x480"}},
		{small, []string{"1", "100"}, []string{"0", "101", "-1", "", "80%", "8.5", "99999999999999999999"}},
		{new(fpsValue), []string{"0.5", "30", "240", "0.000278"}, []string{"0", "-1", "1e-7", "241", "NaN", "inf", "", "30fps", "30 fps"}},
		{new(bytesValue), []string{"1GiB", "256MiB", "5000", "1.5GB"}, []string{"", "lots", "-1", "1XB"}},
		{new(bitrateValue), []string{"2M", "800k", "1.5M", "10000", "100M", "64K"}, []string{"", "0", "9999", "101M", "-1M", "NaN", "2Mbit", "2 M", "M", "inf"}},
		{choice("auto", "hardware"), []string{"auto", "hardware"}, []string{"", "Auto", "software"}},
	} {
		for _, text := range c.good {
			if err := c.value.Set(text); err != nil {
				t.Errorf("%T %q: %v", c.value, text, err)
			}
		}
		before := c.value.String()
		for _, text := range c.bad {
			if err := c.value.Set(text); err == nil {
				t.Errorf("%T took %q as %v", c.value, text, c.value)
			}
		}
		if c.value.String() != before {
			t.Errorf("%T: a refused value changed it from %s to %s", c.value, before, c.value)
		}
	}
}
