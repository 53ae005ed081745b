package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Paths on the board, as in onboard/S99maixstream.
const (
	boardDir     = "/opt/maixstream"
	boardProgram = boardDir + "/maixstream"
	boardScript  = "/etc/init.d/S99maixstream"
)

//go:embed onboard/S99maixstream
var serviceScript []byte

//go:embed onboard/check.sh
var checkScript string

// board is a logged-in MaixCAM.
type board struct{ ssh *ssh.Client }

// run runs a shell command on the board, with in (may be nil) as its standard input, and returns its output.
func (b board) run(ctx context.Context, command string, in io.Reader) (string, error) {
	session, err := b.ssh.NewSession()
	if err != nil {
		return "", fmt.Errorf("connection to the board lost: %w", err)
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	var out, problems bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = in, &out, &problems
	if err = session.Run(command); err == nil {
		return strings.TrimSpace(out.String()), nil
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	said := strings.TrimSpace(out.String() + problems.String())
	var exit *ssh.ExitError
	if errors.As(err, &exit) && exit.Signal() == "" {
		return said, fmt.Errorf("the board says: %s (exit code %d)", said, exit.ExitStatus())
	}
	return said, fmt.Errorf("connection to the board lost: %w %s", err, said)
}

// facts are check.sh's findings about a board.
type facts struct {
	uid       int
	machine   string   // uname -m
	model     string   // of the device tree
	id        string   // of /boot/board
	host      string   // its name
	loaders   []string // musl's, by name
	missing   []string // commands that the service needs
	installed string   // version of the installed maixstream; "" if none
	free      int64    // KiB on the file system of boardDir
	writable  bool
	cameras   []string // other processes using the camera: pid and command line
	addresses []string
}

func (b board) facts(ctx context.Context) (facts, error) {
	// It runs the installed program, which may hang.
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("no answer within two minutes"))
	defer cancel()
	text, err := b.run(ctx, "sh -s", strings.NewReader(checkScript))
	if err != nil {
		return facts{}, fmt.Errorf("inspect the board: %w", err)
	}
	return parseFacts(text), nil
}

func parseFacts(text string) facts {
	f := facts{uid: -1}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "uid":
			if n, err := strconv.Atoi(value); err == nil {
				f.uid = n
			}
		case "machine":
			f.machine = value
		case "model":
			f.model = value
		case "board":
			f.id = value
		case "host":
			f.host = value
		case "loader":
			f.loaders = append(f.loaders, value)
		case "missing":
			f.missing = append(f.missing, value)
		case "installed":
			f.installed = value
		case "free":
			f.free, _ = strconv.ParseInt(value, 10, 64)
		case "writable":
			f.writable = true
		case "camera":
			f.cameras = append(f.cameras, value)
		case "address":
			f.addresses = append(f.addresses, value)
		}
	}
	return f
}

// refuse returns why nothing must be installed on such a board, or nil. size is the program's in bytes.
func (f facts) refuse(size int64) error {
	model := strings.ToLower(f.model)
	// Old and new version, the rest of the packed copy, and the log exist at the same time.
	need := (size+(4<<20))>>10 + 1
	switch {
	case strings.Contains(model, "maixcam2"):
		return fmt.Errorf("this is a MaixCAM2 (%s): another chip, which maixstream does not support", f.model)
	case !strings.Contains(model, "maixcam") && !strings.Contains(model, "licheerv nano"):
		return fmt.Errorf("this is not a MaixCAM: its device tree calls it %q", f.model)
	case f.id != "maixcam" && f.id != "maixcam_pro":
		return fmt.Errorf("this is not a MaixCAM image: /boot/board has id %q, not maixcam or maixcam_pro", f.id)
	case f.machine != "riscv64":
		return fmt.Errorf("the board runs a %s system, but the program is for riscv64", f.machine)
	case f.uid != 0:
		return errors.New("log in as root: the service and the camera need it")
	case len(f.missing) > 0:
		return fmt.Errorf("the board's image lacks commands that the service needs: %s", strings.Join(f.missing, ", "))
	case len(f.cameras) > 0:
		return fmt.Errorf("another program holds the camera: process %s; end it (in MaixVision or with kill) and flash again", strings.Join(f.cameras, ", and process "))
	case !f.writable:
		return fmt.Errorf("the board's disk cannot be written (%s)", boardDir)
	case f.free < need:
		return fmt.Errorf("the board's disk has %d KiB free, %d are needed", f.free, need)
	}
	return nil
}
