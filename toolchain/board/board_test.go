//go:build board

// Package board_test tests the path from source to a running board, end to end on the virtual board: make test-board.
package board_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// root is the repository.
const root = "../.."

// The board of this test run; its parts run in sequence in TestBoard.
type board struct {
	t         *testing.T
	env       []string
	ssh, http int
	dir       string
	flash     string // the installer, built
	one, two  string // two versions of the program
	broken    string // a program that fails when started
}

func TestBoard(t *testing.T) {
	b := newBoard(t)
	b.control("new")
	began := time.Now()
	b.control("start")
	t.Logf("booted in %.1f s", time.Since(began).Seconds())
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := b.command("log").CombinedOutput()
			t.Logf("console:\n%s", tail(string(out), 30))
			out, _ = b.command("ssh", "/etc/init.d/S99maixstream log | tail -n 30; ps").CombinedOutput()
			t.Logf("board:\n%s", out)
		}
		b.control("cut")
	})
	// Most of the rest is about programs and disks: use a source that costs the emulated core little.
	b.run(`echo 'ARGS="--source testcard --size 320x240 --fps 10"' >>/etc/default/maixstream`)
	for _, step := range []struct {
		name string
		run  func(b *board)
	}{
		{"a board that is no MaixCAM is refused", refusesOthers},
		{"first flash, and curl reads 100 frames", firstFlash},
		{"Chromium shows moving pictures", chromiumShows},
		{"the launcher rests while the service runs", launcherRests},
		{"a program that holds the camera is named", namesCameraHolder},
		{"no room on the disk is said before anything is copied", noRoom},
		{"a viewer comes back after a new version is flashed", reflashWithViewer},
		{"a broken version is rolled back, with the board's log", rollsBack},
		{"a broken version is rolled back by the board alone when the installer dies", rollsBackAlone},
		{"Ctrl-C in a flash leaves the old version running", interrupts},
		{"kill -9 of the program is survived", restarts},
		{"power cut at each step of a flash", powerCuts},
		{"reboot: the service comes up by itself", reboots},
		{"the log's size is bounded", boundsLog},
		{"the camera's libraries are found where a board has them, and frames come", cameraStreams},
		{"unflash leaves nothing, and the launcher is back", unflashes},
		{"the app starts and stops as the launcher expects", runsAsApp},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			began := time.Now()
			part := *b
			part.t = t
			step.run(&part)
			t.Logf("%.1f s", time.Since(began).Seconds())
		})
		if !ok {
			return // later parts depend on it
		}
	}
}

func refusesOthers(b *board) {
	b.run("sed -i s/id=maixcam/id=other/ /boot/board")
	b.refused(b.one, `not a MaixCAM image: /boot/board has id "other"`)
	b.run("sed -i s/id=other/id=maixcam/ /boot/board")
	notProgram := filepath.Join(b.dir, "text")
	if err := os.WriteFile(notProgram, []byte("#!/bin/sh\n"), 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.refused(notProgram, "not a dynamic riscv64 program")
}

func firstFlash(b *board) {
	out := b.flashes(b.one)
	for _, want := range []string{fmt.Sprintf("http://127.0.0.1:%d\n", b.http), "loader /lib/ld-musl-riscv64xthead.so.1"} {
		if !strings.Contains(out, want) {
			b.t.Errorf("the installer does not say %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "10.0.2.15") { // the emulator's internal network
		b.t.Errorf("the installer prints an address that cannot be opened:\n%s", out)
	}
	b.runs("one")
	b.curls(100)
}

// curls reads n frames of the stream with curl.
func (b *board) curls(n int) {
	b.t.Helper()
	curl := exec.Command("curl", "-sN", "--max-time", "120", b.url("/stream"))
	stdout, err := curl.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := curl.Start(); err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = curl.Wait() }()
	defer func() { _ = curl.Process.Kill() }()
	if got, err := readFrames(stdout, n, nil); err != nil || got != n {
		b.t.Fatalf("curl read %d frames, then: %v", got, err)
	}
}

func chromiumShows(b *board) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	ctx, stop = chromedp.NewContext(ctx)
	defer stop()
	ctx, stop = context.WithTimeout(ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, chromedp.Navigate(b.url("/"))); err != nil {
		b.t.Fatal(err)
	}
	// Different pictures of the size of the source, one after the other.
	shown := map[string]bool{}
	for len(shown) < 3 {
		picture, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
			const picture = document.querySelector("#picture"), canvas = document.createElement("canvas") // an image or a canvas
			if ((picture.naturalWidth ?? picture.width) != 320) return ""
			canvas.width = 320, canvas.height = 240
			canvas.getContext("2d").drawImage(picture, 0, 0)
			return canvas.toDataURL("image/png")
		})()`))
		if err != nil {
			b.t.Fatalf("Chromium showed %d different pictures, then: %v", len(shown), err)
		}
		if picture != "" {
			shown[picture] = true
		}
	}
}

func launcherRests(b *board) {
	if out := b.run("pidof launcher || echo none"); out != "none" {
		b.t.Errorf("the launcher still runs beside the service: %s", out)
	}
}

func namesCameraHolder(b *board) {
	b.run("setsid sleep 1000 </dev/cvi-vi >/dev/null 2>&1 & sleep 1")
	b.refused(b.two, "another program holds the camera", "sleep 1000")
	b.run("killall sleep; true")
	b.runs("one")
}

func noRoom(b *board) {
	b.run("dd if=/dev/zero of=/filler bs=1M 2>/dev/null; sync; true")
	b.refused(b.two, "KiB free")
	b.run("rm /filler; sync")
	// And with the disk full only while copying.
	said, err := b.at("copy", func(c *exec.Cmd) {
		if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
			b.t.Error(err)
		}
		b.run("dd if=/dev/zero of=/filler bs=1M 2>/dev/null; sync; true")
		if err := c.Process.Signal(syscall.SIGCONT); err != nil {
			b.t.Error(err)
		}
	}, b.two)
	b.run("rm /filler; sync")
	if err == nil {
		b.t.Log("the copy was through before the disk was full: that is not tested this time")
		b.flashes(b.one)
	} else if !strings.Contains(said, "copy the program") || !strings.Contains(said, "nothing was changed") {
		b.t.Errorf("with the disk full in the middle: %v: %s", err, said)
	}
	b.runs("one")
	b.whole(b.one)
	if left := b.run("ls /opt/maixstream /etc/init.d | grep '[.]new[.]'; true"); left != "" {
		b.t.Errorf("it left %s", left)
	}
}

func reflashWithViewer(b *board) {
	watch := newViewer(b.url("/stream"))
	defer watch.close()
	watch.wait(b.t, func(v seen) bool { return v.frames > 5 })
	before := watch.seen()
	b.flashes(b.two)
	watch.wait(b.t, func(v seen) bool { return v.connections > before.connections && v.inThis > 5 })
	b.runs("two")
}

func rollsBack(b *board) {
	b.refused(b.broken, "it ended 4 times", "sensor does not answer", "the earlier version is back")
	b.runs("two")
}

func rollsBackAlone(b *board) {
	b.killedAt("wait", b.broken, "--wait=3s")
	deadline := time.Now().Add(patience)
	for b.version() != "two" {
		if time.Now().After(deadline) {
			b.t.Fatal("the broken version is still installed")
		}
		time.Sleep(time.Second)
	}
}

func interrupts(b *board) {
	for _, step := range []string{"try", "swap", "wait"} {
		// (a version that never has frames: the interrupt's timing does not matter)
		said, err := b.at(step, func(c *exec.Cmd) { _ = c.Process.Signal(os.Interrupt) }, b.broken)
		if err == nil || !strings.Contains(said, "interrupt") {
			b.t.Errorf("at %q: %v: %s", step, err, said)
		}
		b.runs("two")
		b.whole(b.two)
		if left := b.run("ls /opt/maixstream | grep -v -x -e maixstream -e maixstream.old; true"); left != "" {
			b.t.Errorf("at %q it left %s", step, left)
		}
	}
}

func restarts(b *board) {
	pid := b.run("cat /var/run/maixstream/program")
	b.run("kill -9 " + pid)
	b.runs("two")
	if now := b.run("cat /var/run/maixstream/program"); now == pid {
		b.t.Errorf("pid %s was killed and is still the program's", pid)
	}
}

// powerCuts pulls the plug in each step. The board must boot with a complete version, installed or new; after the confirm only
// with the new one, before the swap only with the old one.
func powerCuts(b *board) {
	installed, other := b.two, b.one
	for _, step := range []string{"copy", "verify", "try", "swap", "wait", "confirm"} {
		b.killedAt(step, other)
		b.control("cut")
		b.control("start")
		version := b.runs("one", "two")
		b.whole(installed, other)
		old, next := name(installed), name(other)
		b.t.Logf("power cut at %q: %s was installed, %s was being flashed, %s runs", step, old, next, version)
		switch {
		case version == old:
		case step == "confirm": // either way is right
			installed, other = other, installed
		default:
			b.t.Errorf("power cut at %q: the unconfirmed version %s runs", step, version)
		}
		if left := b.run("ls /opt/maixstream | grep -v -x -e maixstream -e maixstream.old -e 'maixstream.new.*'; true"); left != "" {
			b.t.Errorf("power cut at %q left %s", step, left)
		}
	}
	b.flashes(other)
	b.runs(name(other))
	if left := b.run("ls /opt/maixstream /etc/init.d | grep '[.]new[.]'; true"); left != "" {
		b.t.Errorf("a whole flash left %s of the interrupted ones", left)
	}
}

func reboots(b *board) {
	was := b.runs("one", "two")
	const bootID = "cat /proc/sys/kernel/random/boot_id"
	boot := b.run(bootID)
	b.run("(sleep 1; reboot) >/dev/null 2>&1 &")                              // after this login ends
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(time.Second) { // it still answers while shutting down
		now, err := b.command("ssh", bootID).Output()
		if id := strings.TrimSpace(string(now)); err == nil && id != "" && id != boot {
			break
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("it did not reboot: boot %q, %v", now, err)
		}
	}
	b.runs(was)
}

func boundsLog(b *board) {
	b.run(`n=0; while [ $n -lt 150 ]; do n=$((n+1)); echo "line $n"; head -c 16000 /dev/zero | tr '\0' x; echo; done >/var/run/maixstream/pipe; echo the last line >/var/run/maixstream/pipe
n=0; until /etc/init.d/S99maixstream log | tail -n 20 | grep -q 'the last line'; do n=$((n+1)); [ $n -gt 100 ] && { echo 'the end is missing'; exit 1; }; sleep 1; done`)
	size, err := strconv.Atoi(strings.Fields(b.run("cat /var/log/maixstream.log* | wc -c"))[0])
	if err != nil || size < 1<<18 || size > 3*512*1000 {
		b.t.Errorf("after 2.4 MB of log the files have %d bytes (%v)", size, err)
	}
	b.runs("one", "two")
}

func cameraStreams(b *board) {
	b.run(`cp /etc/default/maixstream /tmp/kept && sed -i /ARGS=/d /etc/default/maixstream && echo 'ARGS="--rtsp 127.0.0.1:8554"' >>/etc/default/maixstream && /etc/init.d/S99maixstream restart`)
	version := b.runs("one", "two")
	reply, err := http.Get(b.url("/state"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer reply.Body.Close()
	var state struct {
		Source  struct{ Name, Kind string }
		Encoder string
	}
	if err := json.NewDecoder(reply.Body).Decode(&state); err != nil {
		b.t.Fatal(err)
	}
	if state.Source.Kind != "camera" || state.Source.Name != "gc030a" || !strings.HasPrefix(state.Encoder, "hardware") {
		b.t.Errorf("version %s streams from %+v", version, state)
	}
	b.curls(5)
	report := b.run(". /etc/default/maixstream; /opt/maixstream/maixstream doctor")
	for _, want := range []string{"all 9 found in /mnt/system/usr/lib", "(maixstream)", "maixstream: runs (pid", "fps of 640x480", "hardware; 640x480 takes 2.7 MiB", "No problems."} {
		if !strings.Contains(report, want) {
			b.t.Errorf("maixstream doctor does not say %q:\n%s", want, report)
		}
	}
	b.videoComes()
	b.run("mv /tmp/kept /etc/default/maixstream && /etc/init.d/S99maixstream restart")
	b.runs(version)
}

// videoComes lets ffmpeg decode the camera's H.264 over HTTP and RTSP. (Debian's libopenh264 needs a different C library from the board's, so the simulator's
// own encoder provides it: a valid stream of a picture that hardly moves.)
func (b *board) videoComes() {
	b.t.Helper()
	rtsp := freePort(b.t)
	tunnel := b.command("ssh", "-N", "-L", fmt.Sprintf("127.0.0.1:%d:127.0.0.1:8554", rtsp))
	tunnel.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the script's ssh ends with it
	if err := tunnel.Start(); err != nil {
		b.t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-tunnel.Process.Pid, syscall.SIGKILL)
		_ = tunnel.Wait()
	}()
	for _, input := range [][]string{{"-i", b.url("/video.mp4")}, {"-rtsp_transport", "tcp", "-i", fmt.Sprintf("rtsp://127.0.0.1:%d/h264", rtsp)}} {
		var said []byte
		var err error
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Second) { // the tunnel may not be up yet
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			arguments := slices.Concat([]string{"-v", "error", "-xerror", "-err_detect", "explode"}, input, []string{"-frames:v", "10", "-f", "null", "-"})
			said, err = exec.CommandContext(ctx, "ffmpeg", arguments...).CombinedOutput()
			cancel()
			if err == nil || !strings.Contains(string(said), "Connection refused") {
				break
			}
		}
		if err != nil { // also by a single picture that cannot be decoded; what the clock of a slow machine does to the output's time stamps is only said
			b.t.Errorf("ffmpeg %v: %v\n%s", input, err, said)
		}
	}
}

func unflashes(b *board) {
	if out, err := b.installer("--remove").CombinedOutput(); err != nil {
		b.t.Fatalf("unflash: %v\n%s", err, out)
	}
	if left := b.run("find / -xdev -name '*maixstream*' ! -path '/etc/default/*' ! -path '/proc/*'; ps | grep -v grep | grep maixstream; true"); left != "" {
		b.t.Errorf("unflash left:\n%s", left)
	}
	if out := b.run("pidof launcher || echo none"); out == "none" {
		b.t.Error("the launcher is not back")
	}
}

// name returns the version built into one of the test's programs.
func name(program string) string { return filepath.Base(program) }

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func runsAsApp(b *board) {
	pack := exec.Command("go", "run", "./toolchain/app", "--program="+b.one, "--version=v1.2.3", "--dir="+b.dir)
	pack.Dir = root
	if out, err := pack.CombinedOutput(); err != nil {
		b.t.Fatalf("make app: %v\n%s", err, out)
	}
	archive, err := os.Open(filepath.Join(b.dir, "maixstream_v1.2.3.zip"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer archive.Close()
	install := b.command("ssh", "cat >/tmp/app.zip && unzip -q -o -d /maixapp/apps /tmp/app.zip && ls /maixapp/apps/maixstream")
	install.Stdin = archive
	if out, err := install.CombinedOutput(); err != nil || strings.Join(strings.Fields(string(out)), " ") != "app.yaml icon.png main.sh maixstream" {
		b.t.Fatalf("unpack the app: %v\n%s", err, out)
	}
	b.flashes(b.two) // the service holds the camera, and releases it

	pid := b.run("cd /maixapp/apps/maixstream && setsid ./main.sh >/tmp/app.log 2>&1 </dev/null & echo $!")
	b.runs("one")
	b.run("kill " + pid + "; n=0; while kill -0 " + pid + " 2>/dev/null; do n=$((n+1)); [ $n -gt 60 ] && exit 1; sleep 1; done")
	b.runs("two")
	if out := b.run("ps | grep -v grep | grep apps/maixstream; true"); out != "" {
		b.t.Errorf("the app left %s", out)
	}
}
