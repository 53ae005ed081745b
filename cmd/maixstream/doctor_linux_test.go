//go:build linux && cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/internal/doctor"
)

// buildProgram builds maixstream, for tests that need it as a process.
func buildProgram(t *testing.T) string {
	t.Helper()
	build.Do(func() {
		if buildFolder, buildError = os.MkdirTemp("", "maixstream-test"); buildError != nil {
			return
		}
		afterTests = append(afterTests, func() { _ = os.RemoveAll(buildFolder) })
		if out, err := exec.Command("go", "build", "-o", filepath.Join(buildFolder, "maixstream"), ".").CombinedOutput(); err != nil {
			buildError = fmt.Errorf("%w: %s", err, out)
		}
	})
	if buildError != nil {
		t.Fatalf("build: %v", buildError)
	}
	return filepath.Join(buildFolder, "maixstream")
}

// The result of buildProgram, built once for all tests.
var (
	build       sync.Once
	buildFolder string
	buildError  error
)

// onSimulatedBoard lays out a board for this test and its child processes. It returns the board's root and a constructor of commands of the program.
func onSimulatedBoard(t *testing.T, program, kind, settings string) (root string, command func(args ...string) *exec.Cmd) {
	t.Helper()
	root, _ = testenv.Board(t, kind, settings)
	return root, func(args ...string) *exec.Cmd { return exec.CommandContext(t.Context(), program, args...) }
}

func TestDoctorVerb(t *testing.T) {
	program := buildProgram(t)
	for _, c := range []struct {
		name, board, settings string
		args                  []string
		code                  int
		says                  []string
	}{
		{"all fine", "maixcam", "", nil, exitDone, []string{"ok     sensor         gc4653 answers", "No problems."}},
		{"something wrong", "maixcam", "sensor=none", nil, exitFailed, []string{"WRONG  sensor         no answer", "to do: with the power off, check", "1 problem."}},
		{"a PC", "none", "", nil, exitDone, []string{"note   board          not a MaixCAM", "No problems"}},
		{"a PC, and the camera is wanted", "none", "", []string{"--source", "camera"}, exitFailed, []string{"WRONG  board          not a MaixCAM"}},
		{"memory for a large picture", "maixcam", "ion=50331648", []string{"--size", "2560x1440", "--fps", "25"}, exitFailed, []string{"WRONG  ION memory"}},
		{"another directory", "maixcam", "", []string{"--mpi-lib-dir", "/nowhere"}, exitFailed, []string{"WRONG  libraries      cannot be opened: libsys.so"}},
		{"a sensor that nobody knows", "maixcam", "", []string{"--sensor", "imx219"}, exitUsage, []string{"imx219", "gc4653"}},
		{"used wrongly", "maixcam", "", []string{"--size", "huge"}, exitUsage, []string{"huge"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, command := onSimulatedBoard(t, program, c.board, c.settings)
			doctor := command(append([]string{"doctor"}, c.args...)...)
			out, err := doctor.CombinedOutput()
			if code := doctor.ProcessState.ExitCode(); code != c.code {
				t.Errorf("exit code %d (%v), not %d", code, err, c.code)
			}
			for _, words := range c.says {
				if !strings.Contains(string(out), words) {
					t.Errorf("does not say %q:\n%s", words, out)
				}
			}
		})
	}
}

func TestDoctorJSON(t *testing.T) {
	program := buildProgram(t)
	_, command := onSimulatedBoard(t, program, "maixcam_pro", "sensor=none")
	out, err := command("doctor", "--json").Output()
	if err == nil {
		t.Error("exit code 0 without a sensor")
	}
	var report struct {
		OK      *bool
		MaixCAM bool
		Version string
		Checks  []doctor.Check
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if report.OK == nil || *report.OK || !report.MaixCAM || report.Version == "" || len(report.Checks) < 10 {
		t.Errorf("%s", out)
	}
}

// serve's error for a failing camera points to doctor.
func TestServePointsToDoctor(t *testing.T) {
	program := buildProgram(t)
	t.Run("no sensor", func(t *testing.T) {
		root, command := onSimulatedBoard(t, program, "maixcam", "")
		if err := os.WriteFile(filepath.Join(root, ".sim", "control"), []byte("sensor=none\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		serve := command("serve", "--listen", "127.0.0.1:0", "--announce=false", "--report", "100ms", "--source", "camera")
		serve.Cancel = func() error { return serve.Process.Signal(os.Interrupt) }
		out, err := serve.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		serve.Stderr = &log
		if err := serve.Start(); err != nil {
			t.Fatal(err)
		}
		end := time.AfterFunc(time.Minute, func() { _ = serve.Process.Kill() })
		defer end.Stop()
		line := ""
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if line = lines.Text(); strings.Contains(line, "no signal: camera") {
				break
			}
		}
		_ = serve.Process.Signal(os.Interrupt)
		_, _ = out.Read(make([]byte, 1<<16))
		_ = serve.Wait()
		for what, text := range map[string]string{"the report": line, "the log": log.String()} {
			if !strings.Contains(text, "sensor gc4653 does not answer") || !strings.Contains(text, "maixstream doctor") {
				t.Errorf("%s does not point to it: %q", what, text)
			}
		}
	})
	t.Run("no libraries", func(t *testing.T) {
		_, command := onSimulatedBoard(t, program, "maixcam", "")
		out, err := command("serve", "--listen", "127.0.0.1:0", "--announce=false", "--mpi-lib-dir", t.TempDir()).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "libsys.so") || !strings.Contains(string(out), "maixstream doctor") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("a PC", func(t *testing.T) { // doctor has no more to say there
		_, command := onSimulatedBoard(t, program, "none", "")
		t.Setenv("MAIXSTREAM_MPI_LIBS", "")
		out, err := command("serve", "--source", "camera").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "not a MaixCAM") || strings.Contains(string(out), "doctor") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// installService installs a service script that behaves like toolchain/flash/onboard/S99maixstream.
func installService(t *testing.T, root, status, port string) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in\nstatus) %s ;;\naddress) echo 127.0.0.1:%s ;;\nesac\n", status, port)
	path := filepath.Join(root, serviceScript)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorChecksTheService(t *testing.T) {
	const runs = "echo 'maixstream: runs (pid 12)'"
	state, code := "", http.StatusOK
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprint(w, state)
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	portOf := func(s *httptest.Server) string { return s.URL[strings.LastIndexByte(s.URL, ':')+1:] }
	closed := httptest.NewServer(handler)
	closed.Close()

	const frames = `{"signal":true,"fps":29.97,"newest":{"width":640,"height":480},"server":{"viewers":2}}`
	for _, c := range []struct {
		name, status, port, state string
		code                      int
		want                      doctor.Status
		found                     string
	}{
		{"frames", runs, portOf(plain), frames, 200, doctor.OK, "runs (pid 12); 30.0 fps of 640x480, 2 viewers"},
		{"frames by TLS", runs, portOf(secure), frames, 200, doctor.OK, "30.0 fps"},
		{"a password", runs, portOf(plain), "", 401, doctor.OK, "requires a password"},
		{"no pictures", runs, portOf(plain), `{"signal":false,"reason":"camera: no frame for 3.0 s"}`, 200, doctor.Wrong, "no pictures: camera: no frame for 3.0 s"},
		{"no answer", runs, portOf(closed), "", 200, doctor.Wrong, "no answer at"},
		{"another program's port", runs, portOf(plain), "", 404, doctor.Wrong, "404"},
		{"not running", "echo 'maixstream: does not run'; exit 1", "8000", "", 200, doctor.Wrong, "does not run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			t.Setenv("MAIXSTREAM_ROOT", root)
			installService(t, root, c.status, c.port)
			state, code = c.state, c.code
			check, ok := serviceCheck(context.Background())
			if !ok || check.Status != c.want || !strings.Contains(check.Found, c.found) {
				t.Errorf("%v %+v, not %s: %q", ok, check, c.want, c.found)
			}
			if (check.Status == doctor.Wrong) != (check.Remedy != "") {
				t.Errorf("remedy %q of what is %s", check.Remedy, check.Status)
			}
		})
	}
	t.Run("not installed", func(t *testing.T) {
		t.Setenv("MAIXSTREAM_ROOT", t.TempDir())
		if check, ok := serviceCheck(context.Background()); ok {
			t.Errorf("a PC needs no service: %+v", check)
		}
	})
}
