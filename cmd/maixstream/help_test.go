package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Each flag of serve is in a group, no group is empty, and no line is wrapped needlessly.
func TestHelpIsGrouped(t *testing.T) {
	code, help, _ := runIn(t, []string{"help", "serve"}, "", nil)
	if code != 0 || strings.Contains(help, "[=true|false]") || strings.Contains(help, "\nOptions:") {
		t.Errorf("code %d\n%s", code, help)
	}
	for _, g := range flagGroups {
		if !strings.Contains(help, "\n"+g.title+":\n      --") && !strings.Contains(help, "\n"+g.title+":\n  -") {
			t.Errorf("no group %s", g.title)
		}
	}
	examples, _, _ := strings.Cut(help, "\nPicture:")
	if n := strings.Count(examples, "\n  maixstream"); n != 3 {
		t.Errorf("%d examples on top", n)
	}
	serve := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addServeFlags(serve)
	serve.VisitAll(func(f *pflag.Flag) {
		if strings.Count(help, " --"+f.Name+" ")+strings.Count(help, " --"+f.Name+"\n") == 0 {
			t.Errorf("--%s is missing", f.Name)
		}
	})
	for line := range strings.Lines(help) {
		if len([]rune(strings.TrimRight(line, "\n"))) > 130 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}

func TestHelpInEveryForm(t *testing.T) {
	_, want, _ := runIn(t, []string{"push", "--help"}, "", nil)
	for _, args := range [][]string{{"help", "push"}, {"push", "help"}, {"push", "-h"}} {
		if code, got, _ := runIn(t, args, "", nil); code != 0 || got != want {
			t.Errorf("%v: code %d\n%s", args, code, got)
		}
	}
	_, want, _ = runIn(t, []string{"version"}, "", nil)
	for _, arg := range []string{"--version", "-v"} {
		if code, got, _ := runIn(t, []string{arg}, "", nil); code != 0 || got != want || !strings.HasPrefix(got, "maixstream ") {
			t.Errorf("%s: code %d %q", arg, code, got)
		}
	}
	code, sample, _ := runIn(t, []string{"config"}, "", nil)
	if code != 0 || !regexp.MustCompile(`(?m)^#quality: 80$`).MatchString(sample) {
		t.Errorf("config: code %d %.200s", code, sample)
	}
}

func TestAddressAndWebcamShorthands(t *testing.T) {
	for text, want := range map[string]string{"8000": ":8000", ":8000": ":8000", "127.0.0.1:80": "127.0.0.1:80", "[::]:80": "[::]:80", "": "", "0": "0", "camera": "camera", "99999": "99999"} {
		if got := listenAddress(text); got != want {
			t.Errorf("listen %q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"/dev/video0": "v4l2:/dev/video0", "v4l2:0": "v4l2:/dev/video0", "v4l2:12": "v4l2:/dev/video12", "v4l2:video1": "v4l2:/dev/video1",
		"/dev/video0:YUYV": "v4l2:/dev/video0:YUYV", "v4l2:/dev/v4l/by-id/x": "v4l2:/dev/v4l/by-id/x", "video.avi": "video.avi", "auto": "auto", "-": "-",
	} {
		if got := sourceName(text); got != want {
			t.Errorf("source %q: %q, want %q", text, got, want)
		}
	}
}
