//go:build linux && cgo

package sg2002

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// dyingEnv marks a process that opens the camera and is expected to crash.
const dyingEnv = "SG2002_DYING"

// die runs this test again on the board, in a process that the simulated libraries crash, and returns its output.
func (b *bench) die(settings string) string {
	b.Helper()
	child := rerun(b.Context(), b.T, b.root, simulator, settings)
	child.Env = append(child.Env, dyingEnv+"=1")
	out, err := child.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 139 {
		b.Fatalf("the process ended with %v, not as a crash: %s", err, out)
	}
	return string(out)
}

// TestCrash: a start that crashes inside the libraries leaves the call's name to the next one; after three in a row in the same call Open refuses
// until some time has passed. A start that succeeds, or fails in order, ends the row; buffers of the dead processes are freed.
func TestCrash(t *testing.T) {
	// Each start crashes at a refused request below the library calls, which no program can check for beforehand.
	const fatal = "refuse=VI_IOCTL_GET_TUN_ADDR:1;allow=CRASH"
	onBoard(t, scenario{leavesOpen: true}, func(b *bench) {
		if os.Getenv(dyingEnv) != "" {
			_, err := Open(b.Context(), Config{})
			b.Fatalf("the libraries did not crash: %v", err)
		}
		if crash := LastCrash(); crash.Times != 0 {
			b.Errorf("before: %+v", crash)
		}
		for n := 1; n <= 2; n++ {
			if out := b.die(fatal); !strings.Contains(out, "CRASH CVI_ISP_") {
				b.Errorf("the report does not name the rule: %s", out)
			}
			if crash := LastCrash(); crash.Times != n || !strings.HasPrefix(crash.Call, "CVI_ISP_") || crash.Live {
				b.Errorf("after %d: %+v", n, crash)
			}
		}
		b.reopened(Config{})
		if crash := LastCrash(); crash.Times != 0 {
			b.Errorf("after a stream: %+v", crash)
		}
		for range crashesInARow {
			b.die(fatal)
		}
		call := LastCrash().Call
		for range 2 {
			_, err := Open(b.Context(), Config{})
			b.expect(err, frame.ErrGone, "3 starts in a row", call, notePath)
			if waits, ok := errors.AsType[*CrashError](err); !ok || waits.Call != call || waits.Wait <= 0 || waits.Wait > crashPause {
				b.Errorf("error %#v", err)
			}
		}
		if err := os.Remove(Root(notePath)); err != nil {
			b.Fatal(err)
		}
		b.reopened(Config{})
		if ion, _ := readCarveout(); len(ion.orphans(false)) != 0 {
			b.Errorf("left: %+v", ion.orphans(false))
		}
	})
}

// TestTuningFileKills: a tuning file that crashed the libraries is skipped from then on.
func TestTuningFileKills(t *testing.T) {
	prepare := func(t *testing.T, root string) {
		page := make([]byte, noteSize)
		copy(page, tuningImport)
		page[notePhase] = noteStarting
		if err := os.WriteFile(filepath.Join(root, notePath), page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	onBoard(t, scenario{prepare: prepare}, func(b *bench) {
		for range 2 {
			b.reopened(Config{})
			if n := b.Counter("bin.imports"); n > 0 {
				b.Errorf("imported %d times", n)
			}
		}
		if err := os.Remove(Root(notePath)); err != nil {
			b.Fatal(err)
		}
		b.reopened(Config{})
		if n := b.Counter("bin.imports"); n != 1 {
			b.Errorf("after a reboot imported %d times", n)
		}
	})
}

// TestTuningFiles: a file of another size or kind does not break a start.
func TestTuningFiles(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		file := Root("/mnt/cfg/param/cvi_sdr_bin")
		for name, content := range map[string][]byte{
			"empty": {}, "a byte": {0}, "of another version": []byte("CVBQ of another version"), "no file of this kind": bytes.Repeat([]byte("text\n"), 1000),
			"far too large": make([]byte, 17<<20),
		} {
			if err := os.WriteFile(file, content, 0o644); err != nil {
				b.Fatal(err)
			}
			b.reopened(Config{})
			if n := b.Counter("bin.imports"); n > 0 {
				b.Errorf("%s: imported", name)
			}
		}
	})
}

// TestKilledStream: a process killed while streaming, in whatever call, does not count as crashed.
func TestKilledStream(t *testing.T) {
	page := make([]byte, noteSize)
	copy(page, "CVI_VPSS_GetChnFrame")
	page[notePhase] = noteStreaming
	n := &note{page: page}
	n.read()
	if n.crash.Times != 0 || !strings.Contains(n.notice, "CVI_VPSS_GetChnFrame") || !strings.Contains(n.notice, "killed") {
		t.Errorf("%+v, %q", n.crash, n.notice)
	}
}

// TestBufferOfLiveProcessIsKept: the buffer of libisp in another live process, which waits for its sensor, is left alone.
func TestBufferOfLiveProcessIsKept(t *testing.T) {
	onBoard(t, scenario{settings: "unplug=1", leavesOpen: true}, func(b *bench) {
		if os.Getenv(dyingEnv) != "" { // the other process, with the sensor
			camera := b.open(Config{})
			b.read(camera)
			b.close(camera)
			return
		}
		_, err := Open(b.Context(), Config{})
		b.expect(err, frame.ErrGone, "does not answer")
		child := rerun(b.Context(), b.T, b.root, simulator, "")
		child.Env = append(child.Env, dyingEnv+"=1")
		if out, err := child.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		ion, _ := readCarveout()
		if kept := ion.orphans(false); len(kept) != 1 || kept[0].name != ispBuffer {
			b.Errorf("buffers after the other process: %+v", kept)
		}
		b.set("unplug=0")
		b.reopened(Config{})
	})
}
