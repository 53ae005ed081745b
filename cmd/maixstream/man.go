package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

func setupMan(*pflag.FlagSet) func(context.Context, []string, terminal) error {
	return func(_ context.Context, _ []string, t terminal) error {
		writeMan(t.out, verbs())
		return nil
	}
}

const (
	manDescription = `.SH DESCRIPTION
Pictures of a camera, a webcam, a video file or a folder of photographs are shown
to browsers and other programs as a stream of JPEG (multipart/x\-mixed\-replace),
as single pictures and as RTP/JPEG over RTSP.
Each picture is encoded once for all viewers, and a slow viewer gets the newest
one instead of old ones.
.PP
On startup it prints the addresses to open in a browser.
`
	manSignals = `.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
shut down within two seconds
.TP
.B SIGHUP
reload the configuration, passwords, tokens and certificates; settings that cannot
change while streaming are named in the log.
At a terminal it ends the program, as usual.
`
	manFiles = `.SH FILES
.TP
.I /etc/maixstream.yaml
the configuration of the service: each setting with its default
.TP
.I /etc/default/maixstream
variables of the service: ARGS, with more flags, and MAIXSTREAM_\&...
.TP
.I /etc/maixstream
passwords, tokens and keys; not readable by other users
.TP
.I /var/lib/maixstream
recordings
`
)

// writeMan writes the manual page (section 1) from the flag definitions.
func writeMan(w io.Writer, all []verb) {
	esc := func(s string) string {
		s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(strings.ReplaceAll(s, "\n", " "))
		if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
			s = `\&` + s
		}
		return s
	}
	fmt.Fprintf(w, ".TH MAIXSTREAM 1 \"\" \"maixstream %s\" \"User Commands\"\n", esc(thisProgram().version))
	fmt.Fprintf(w, ".SH NAME\nmaixstream \\- JPEG streams from a MaixCAM or a PC, to browsers and to servers\n")
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B maixstream\n[\\fIVERB\\fR] [\\fIFLAGS\\fR]\n"+manDescription+".SH VERBS\nThe default verb is \\fB%s\\fR.\n", all[0].name)
	for _, v := range all {
		fmt.Fprintf(w, ".SS maixstream %s\n%s.\n", esc(strings.TrimSpace(v.name+" [flags] "+v.args)), esc(v.summary))
		for _, f := range flagsOf(v) {
			name, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(w, ".TP\n")
			if f.Shorthand != "" {
				fmt.Fprintf(w, "\\fB\\-%s\\fR, ", f.Shorthand)
			}
			fmt.Fprintf(w, "\\fB\\-\\-%s\\fR", esc(f.Name))
			if !isSwitch(f) && name != "" {
				fmt.Fprintf(w, " \\fI%s\\fR", esc(name))
			}
			fmt.Fprintf(w, "\n%s.", esc(usage))
			if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
				fmt.Fprintf(w, " Default: %s.", esc(f.DefValue))
			}
			fmt.Fprintln(w)
		}
	}
	fmt.Fprintf(w, ".SH ENVIRONMENT\nEach flag can also be given as a variable: \\fB\\-\\-idle\\-fps\\fR is \\fBMAIXSTREAM_IDLE_FPS\\fR. A flag wins over the "+
		"environment, the environment over \\fB\\-\\-config\\fR.\n")
	fmt.Fprintf(w, ".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nfailed at run time\n.TP\n.B 2\nused wrongly\n%s%s", manSignals, manFiles)
}
