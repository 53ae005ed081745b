// Command flash installs maixstream as a service on a MaixCAM over ssh, and removes it. `make flash HOST=…` runs it.
//
// The board always boots with the old or the new version: the new one is copied under a temporary name, checked there, tried
// while the old one is kept, and becomes the installed one only after frames were seen. A board that loses contact with the
// installer rolls back by itself, even after a power cut.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are those of the command line.
type options struct {
	host, user   string
	port         int
	key          string        // private key file; "": the agent's and the user's own
	passwordFile string        // file whose first line is the password
	knownHosts   string        // where boards' host keys are remembered
	program      string        // the program for the board
	wait         time.Duration // for the first frames
	web          string        // local HOST:PORT forwarded to port 8000 of a virtual board
	remove       bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	var o options
	config, err := os.UserConfigDir()
	if err != nil {
		config = "."
	}
	flags := pflag.NewFlagSet("flash", pflag.ContinueOnError)
	flags.StringVar(&o.host, "host", "", "the board's name or address, such as maixcam-xxxx.local")
	flags.StringVar(&o.user, "user", "root", "login user")
	flags.IntVar(&o.port, "port", 22, "ssh port")
	flags.StringVar(&o.key, "key", "", "private key `FILE` (default: the ssh agent, then ~/.ssh/id_ed25519 and id_rsa)")
	flags.StringVar(&o.passwordFile, "password-file", "", "`FILE` whose first line is the password (or MAIXSTREAM_PASSWORD in the environment, or a prompt)")
	flags.StringVar(&o.knownHosts, "known-hosts", filepath.Join(config, "maixstream", "known_hosts"), "`FILE` of known boards' host keys")
	flags.StringVar(&o.program, "program", "build/riscv64/maixstream", "program built by make device")
	flags.DurationVar(&o.wait, "wait", 60*time.Second, "how long the new version may take to show frames")
	flags.StringVar(&o.web, "web", "", "local `HOST:PORT` forwarded to the board's port 8000, as by make board")
	flags.BoolVar(&o.remove, "remove", false, "stop and remove maixstream from the board")
	if err = flags.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = o.check(flags.NArg())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "flash:", err)
		return 2
	}
	if o.remove {
		err = unflash(ctx, o)
	} else {
		err = flash(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "flash:", err)
		return 1
	}
	return 0
}

// check validates the command line.
func (o options) check(arguments int) error {
	switch {
	case o.host == "" || arguments > 0:
		return errors.New("name the board: make flash HOST=maixcam-xxxx.local [USER=root PORT=22 KEY=FILE PASSWORD_FILE=FILE]")
	case strings.ContainsAny(o.host, "/@ "):
		return fmt.Errorf("HOST=%s: want only the board's name or address, such as maixcam-xxxx.local or 192.168.0.123; set the user with USER", o.host)
	case o.port < 1 || o.port > 65535:
		return fmt.Errorf("PORT=%d: ssh's port on the board, 1 to 65535 (22 unless you changed it)", o.port)
	case o.wait <= 0:
		return fmt.Errorf("WAIT=%v: how long the new version may take to show frames, as 60s", o.wait)
	}
	return nil
}
