//go:build cgo

package main

import (
	"bufio"
	"bytes"
	"errors"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// onCamera starts serve on a simulated board and returns its URL.
func onCamera(t *testing.T, args ...string) (url, root string, end func()) {
	t.Helper()
	return onCameraWith(t, "", nil, args...)
}

// onCameraWith does so with simulator settings, on a board and with libraries modified by prepare.
func onCameraWith(t *testing.T, settings string, prepare func(root, libraries string), args ...string) (url, root string, end func()) {
	t.Helper()
	root, command := onSimulatedBoard(t, buildProgram(t), "maixcam", settings)
	if prepare != nil {
		libraries := t.TempDir()
		files, _ := filepath.Glob(filepath.Join(os.Getenv("MAIXSTREAM_MPI_LIBS"), "*.so"))
		for _, file := range files {
			if err := os.Symlink(file, filepath.Join(libraries, filepath.Base(file))); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("MAIXSTREAM_MPI_LIBS", libraries)
		prepare(root, libraries)
	}
	cmd := command(append([]string{"serve", "--source", "camera", "--listen", "127.0.0.1:0", "--announce=false"}, args...)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		_ = cmd.Wait()
		t.Fatalf("no URL: %s", &problems)
	}
	url = strings.TrimSuffix(lines.Text(), "/")
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return url, root, func() {
		t.Helper()
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, &problems)
		} else if t.Failed() {
			t.Logf("the program's log: %s", &problems)
		}
	}
}

// A small stream and the sensor's full size beside it, by the hardware alone.
func TestFullSnapshotBesideASmallerStream(t *testing.T) {
	for _, path := range []string{"frame", "bound"} {
		t.Run(path, func(t *testing.T) {
			url, root, end := onCamera(t, "--size", "320x240", "--fps", "15", "--full-snapshot", "--path", path)
			for i, want := range map[string][2]int{"": {320, 240}, "?full=1": {2560, 1440}, "?full=0": {320, 240}, "?full=true": {2560, 1440}} {
				reply, err := http.Get(url + "/snapshot" + i)
				if err != nil {
					t.Fatal(err)
				}
				picture, err := jpeg.DecodeConfig(reply.Body)
				_ = reply.Body.Close()
				if err != nil || picture.Width != want[0] || picture.Height != want[1] || reply.Header.Get("X-Timestamp") == "" {
					t.Errorf("/snapshot%s: %+v %v %s", i, picture, err, reply.Status)
				}
			}
			end()
			if touched := counter(t, root, "raw.touched"); touched != 0 {
				t.Errorf("the CPU touched %d bytes of raw pictures", touched)
			}
			if out, err := exec.Command(os.Getenv("MAIXSIM_TOOL"), "report", root).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestFullSnapshotIsRefusedWithAReason(t *testing.T) {
	url, _, end := onCamera(t, "--size", "320x240")
	defer end()
	for query, want := range map[string]string{"?full=1": "409 --full-snapshot", "?full=maybe": "400 want 1 or 0"} {
		reply, err := http.Get(url + "/snapshot" + query)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		if code, says, _ := strings.Cut(want, " "); !strings.HasPrefix(reply.Status, code) || !strings.Contains(string(text), says) {
			t.Errorf("%s: %s %s", query, reply.Status, text)
		}
	}
}

// A call into the chip's libraries that never returns ends the program so that its supervisor restarts it: nothing else helps.
func TestCallThatHangsEndsTheProgram(t *testing.T) {
	program := buildProgram(t)
	taker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer taker.Close()
	for _, args := range [][]string{
		{"serve", "--source", "camera", "--listen", "127.0.0.1:0", "--announce=false", "--report=0s"},
		{"push", "--source", "camera", taker.URL},
	} {
		root, command := onSimulatedBoard(t, program, "maixcam", "")
		if err := os.WriteFile(filepath.Join(root, ".sim", "control"), []byte("stall=CVI_VPSS_GetChnFrame:3:600000\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := command(args...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("driver hung; restart required")) {
			t.Errorf("%s: %v, want exit code 1:\n%s", args[0], err, out)
		}
	}
}
