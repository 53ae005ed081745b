package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// flagGroups are the headings of --help with their flags. Flags in no group are listed under "Options", in the order of their definition.
var flagGroups = []struct {
	title string
	flags []string
}{
	{"Picture", []string{"size", "fps", "quality", "flip", "mirror", "rotate", "overlay", "zoom", "pan", "control", "state-file", "idle-fps", "h264", "bitrate", "gop"}},
	{"Source", []string{"source", "source-auth-file", "loop", "recursive", "background", "encoder", "workers", "path", "fit", "sensor", "full-snapshot", "mpi-lib-dir"}},
	{"Where", []string{"listen", "rtsp", "rtsps", "webrtc", "webrtc-host", "unix", "unix-mode", "unix-group", "tls-cert", "tls-key", "announce", "name", "html"}},
	{"Who", []string{
		"auth-file", "token-file", "host", "cors", "frame-ancestors", "trusted-proxy", "max-clients", "max-per-address", "stall-timeout",
	}},
	{"Record", []string{"record", "record-as", "record-max"}},
	{"Push", []string{"push"}}, // and all push- flags
	{"Publish", []string{"publish", "publish-ca-file"}},
	{"Log", []string{"report", "log-level", "log-format", "config", "help"}},
}

// examples are printed at the top of a verb's --help.
var examples = map[string][]string{
	"serve": {
		"maixstream                                        the camera of a MaixCAM, elsewhere a test card",
		"maixstream --source /dev/video0 --size 1280x720   a webcam",
		"maixstream --auth-file users --rtsp 8554          with a password, and over RTSP too",
	},
	"push": {
		"maixstream push http://server:8080/upload --every 10s       a picture every ten seconds",
		"maixstream push http://server:8080/upload *.jpg             files",
		"maixstream push https://server/upload --spool /var/spool/m  nothing is lost while the server is away",
	},
	"receive": {
		"maixstream receive                                pictures into ./pictures, gallery at :8080",
		"maixstream receive --dir /srv/cams --keep 168h    kept for a week",
		"maixstream receive --token-file tokens            only from those who have a token",
	},
	"snapshot": {
		"maixstream snapshot now.jpg",
		"maixstream snapshot --source /dev/video0 now.jpg",
		"maixstream snapshot - | feh -",
	},
}

// inGroup reports whether a flag belongs to a group.
func inGroup(names []string, flag string) bool {
	return slices.Contains(names, flag) || slices.Contains(names, "push") && strings.HasPrefix(flag, "push-")
}

// printHelp writes a verb's --help.
func printHelp(w io.Writer, v verb, flags *pflag.FlagSet) {
	fmt.Fprintf(w, "Usage: maixstream %s\n%s\n", strings.TrimSpace(v.name+" [flags] "+v.args), v.summary)
	if lines := examples[v.name]; len(lines) > 0 {
		fmt.Fprintf(w, "\nExamples:\n  %s\n", strings.Join(lines, "\n  "))
	}
	var all []*pflag.Flag
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			all = append(all, f)
		}
	})
	var other []*pflag.Flag
	grouped := make([][]*pflag.Flag, len(flagGroups))
	for _, f := range all {
		g := slices.IndexFunc(flagGroups, func(g struct {
			title string
			flags []string
		},
		) bool {
			return inGroup(g.flags, f.Name)
		})
		if g < 0 {
			other = append(other, f)
			continue
		}
		grouped[g] = append(grouped[g], f)
	}
	printGroup(w, "Options", other)
	for i, g := range flagGroups {
		printGroup(w, g.title, grouped[i])
	}
	fmt.Fprint(w, "\nEvery flag can also be given as an environment variable: --idle-fps is MAIXSTREAM_IDLE_FPS.\n"+
		"A flag wins over the environment, the environment over --config (maixstream config prints one with all settings).\n")
}

const (
	helpIndent = 32
	helpWidth  = 110
)

func printGroup(w io.Writer, title string, flags []*pflag.Flag) {
	if len(flags) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, f := range flags {
		name, usage := pflag.UnquoteUsage(f)
		head := "      --" + f.Name
		if f.Shorthand != "" {
			head = "  -" + f.Shorthand + ", --" + f.Name
		}
		if !isSwitch(f) {
			head += " " + name
		}
		usage += defaultOf(f)
		if len(head) > helpIndent-2 {
			fmt.Fprintf(w, "%s\n%*s", head, helpIndent, "")
		} else {
			fmt.Fprintf(w, "%-*s", helpIndent, head)
		}
		fmt.Fprintln(w, wrap(usage, helpWidth-helpIndent, "\n"+strings.Repeat(" ", helpIndent)))
	}
}

// defaultOf describes a flag's default, "" if it is not worth mentioning.
func defaultOf(f *pflag.Flag) string {
	value := strings.TrimSuffix(strings.TrimPrefix(f.DefValue, "["), "]")
	switch {
	case isSwitch(f) && value == "true":
		return " (on; --" + f.Name + "=false turns it off)"
	case isSwitch(f), value == "":
		return ""
	}
	return " (default " + value + ")"
}

// wrap breaks a text's lines at spaces so that, where possible, none is longer than width.
func wrap(text string, width int, newline string) string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && len(line)+1+len(word) > width {
				lines, line = append(lines, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, newline)
}

func printOverview(w io.Writer, all []verb) {
	fmt.Fprintf(w, "maixstream: JPEG streams from a MaixCAM or a PC, to browsers and to servers\n\nUsage: maixstream [VERB] [flags]\n\n")
	for _, v := range all {
		fmt.Fprintf(w, "  %-10s %s\n", v.name, v.summary)
	}
	fmt.Fprintf(w, "\nmaixstream help VERB lists a verb's flags. The default verb is %s.\n", all[0].name)
}
