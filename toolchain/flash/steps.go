package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/maixstream/maixstream/toolchain/internal/loader"
)

// say prints a step. The wording after the colon is for people; tests rely on the step's name.
func say(step, format string, args ...any) {
	fmt.Printf("flash: %-7s %s\n", step, fmt.Sprintf(format, args...))
}

// flash installs the program.
func flash(ctx context.Context, o options) error {
	program, err := os.ReadFile(o.program)
	if err != nil {
		return fmt.Errorf("read the program: %w (make device builds it)", err)
	}
	if _, err := loader.Of(program); err != nil {
		return fmt.Errorf("%s: %w", o.program, err)
	}
	say("login", "%s@%s port %d", o.user, o.host, o.port)
	client, err := dial(ctx, o)
	if err != nil {
		return err
	}
	defer client.Close()
	b := board{client}
	f, err := b.facts(ctx)
	if err != nil {
		return err
	}
	if err := f.refuse(int64(len(program))); err != nil {
		return err
	}
	name, err := loader.Choose(f.loaders)
	if err != nil {
		return err
	}
	if program, err = loader.Fit(program, name); err != nil {
		return err
	}
	say("check", "%s (%s), %d MiB free, loader %s, installed: %s", f.model, f.id, f.free>>10, name, orNone(f.installed))

	n := newCopy(program)
	if err := n.send(ctx, b); err != nil {
		return fmt.Errorf("copy the program: %w; nothing was changed", errors.Join(err, n.drop(b)))
	}
	if err := n.try(ctx, b); err != nil {
		return fmt.Errorf("%w; nothing was changed", errors.Join(err, n.drop(b)))
	}
	say("swap", "installing %s on trial; the old version is kept", n.version)
	if err := n.swap(ctx, b, o.wait+15*time.Second); err != nil {
		return b.giveUp(fmt.Errorf("swap the program: %w", err))
	}
	say("wait", "for frames (at most %v)", o.wait)
	began := time.Now()
	address, err := b.address(ctx)
	if err != nil {
		return b.giveUp(err)
	}
	scheme, err := b.waitForFrames(ctx, o.wait, address, n.version)
	if err != nil {
		return b.giveUp(err)
	}
	say("confirm", "frames after %.1f s; keeping the new version", time.Since(began).Seconds())
	if _, err := b.run(ctx, boardScript+" confirm "+n.file, nil); err != nil {
		return b.giveUp(fmt.Errorf("confirm: %w", err))
	}
	say("done", "%s runs on %s, now and after every boot", n.version, f.host)
	for _, seen := range seenAt(address, f, o.web) {
		fmt.Printf("  %s://%s\n", scheme, seen)
	}
	return nil
}

// unflash removes the program, its service, its log and leftovers of interrupted installations.
func unflash(ctx context.Context, o options) error {
	client, err := dial(ctx, o)
	if err != nil {
		return err
	}
	defer client.Close()
	b := board{client}
	out, err := b.run(ctx, "if [ -x "+boardScript+" ]; then "+boardScript+" remove; else rm -rf "+boardDir+" "+boardScript+".new.*; echo 'maixstream was not "+
		"installed'; fi", nil)
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	if out != "" {
		fmt.Println(out)
	}
	say("done", "maixstream removed from %s; settings in /etc/default/maixstream and /etc/maixstream.yaml are kept", o.host)
	return nil
}

// newCopy is the program being copied to the board.
type programCopy struct {
	bytes   []byte
	sum     string
	file    string // temporary name on the board
	script  string // of the service, likewise
	version string // as reported by it on the board
}

func newCopy(program []byte) *programCopy {
	sum := sha256.Sum256(program)
	tag := strings.ToLower(rand.Text()[:8])
	return &programCopy{bytes: program, sum: hex.EncodeToString(sum[:]), file: boardProgram + ".new." + tag, script: boardScript + ".new." + tag}
}

// send writes program and service script to the board's disk under temporary names and compares checksums.
func (n *programCopy) send(ctx context.Context, b board) error {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(n.bytes); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	say("copy", "%.1f MiB", float64(packed.Len())/(1<<20))
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("took more than ten minutes"))
	defer cancel()
	// Remove leftovers of an interrupted installation first: they may be what fills the disk.
	command := "mkdir -p " + boardDir + " && rm -f " + boardProgram + ".new.* " + boardScript + ".new.* && gunzip -c >" + n.file + " && chmod 755 " + n.file
	if _, err := b.run(ctx, command, &packed); err != nil {
		return err
	}
	if _, err := b.run(ctx, "cat >"+n.script+" && chmod 755 "+n.script, bytes.NewReader(serviceScript)); err != nil {
		return err
	}
	say("verify", "sha256 %s", n.sum[:16])
	out, err := b.run(ctx, "sync; sha256sum "+n.file+" "+n.script, nil)
	if err != nil {
		return err
	}
	scriptSum := sha256.Sum256(serviceScript)
	if !strings.Contains(out, n.sum) || !strings.Contains(out, hex.EncodeToString(scriptSum[:])) {
		return errors.New("the copy on the board differs from what was sent (checksum); try again, and check the board's disk")
	}
	return nil
}

// try runs the copy as far as possible beside the old version.
func (n *programCopy) try(ctx context.Context, b board) error {
	say("try", "%s version", n.file)
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("no answer within two minutes"))
	defer cancel()
	out, err := b.run(ctx, n.file+" version", nil)
	if err != nil {
		return fmt.Errorf("the new program does not run on this board: %w", err)
	}
	if n.version = out; out == "" {
		return errors.New("the new program does not report its version")
	}
	return nil
}

// swap installs the service script and starts the new version on trial: without a confirm within limit, the board rolls
// back.
func (n *programCopy) swap(ctx context.Context, b board, limit time.Duration) error {
	// An interrupt waits for this short step: the board would otherwise continue it while it is being undone.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), 3*time.Minute, errors.New("no answer within three minutes"))
	defer cancel()
	_, err := b.run(ctx, fmt.Sprintf("mv -f %s %s && sync && %s swap %s %s %d", n.script, boardScript, boardScript, n.file, n.sum, int(limit.Seconds())), nil)
	return err
}

// drop removes the temporary files.
func (n *programCopy) drop(b board) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := b.run(ctx, "rm -f "+n.file+" "+n.script+"; rmdir "+boardDir+" 2>/dev/null; true", nil)
	return err
}

// giveUp restores the old version and adds the outcome and the board's last log lines to cause. It works after an interrupt, too.
func (b board) giveUp(cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	log, logErr := b.run(ctx, boardScript+" log | tail -n 30", nil)
	out, err := b.run(ctx, boardScript+" undo", nil)
	switch {
	case err != nil && logErr != nil:
		return fmt.Errorf("%w\n%w: the board takes the old version back by itself when it hears nothing more, and when it is switched on again", cause, err)
	case err != nil:
		out = err.Error()
	case logErr != nil:
		log = logErr.Error()
	}
	if log == "" {
		log = "(empty)"
	}
	return fmt.Errorf("%w\nthe board's last log lines:\n  %s\n%s", cause, strings.ReplaceAll(log, "\n", "\n  "), out)
}

// address returns where the installed program listens, host:port, as seen from the board.
func (b board) address(ctx context.Context) (string, error) {
	address, err := b.run(ctx, boardScript+" address", nil)
	if err != nil {
		return "", fmt.Errorf("ask for the service's address: %w", err)
	}
	return address, nil
}

// seenAt returns the addresses for viewers of a server listening at address on the board: all of the board's, unless it is one of them. For a virtual
// board, whose own addresses are unreachable from outside, it is the local address forwarded to its port 8000.
func seenAt(address string, f facts, forwarded string) []string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != "127.0.0.1" {
		return []string{address}
	}
	if forwarded != "" && port == "8000" {
		return []string{forwarded}
	}
	var all []string
	for _, host := range append(slices.Clone(f.addresses), f.host+".local") {
		all = append(all, net.JoinHostPort(host, port))
	}
	return all
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
