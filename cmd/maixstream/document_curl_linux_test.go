//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// Each command in docs/receive.md that posts a picture, unchanged except for the server's address.
func TestPostsOfTheReceiveDocument(t *testing.T) {
	testenv.Program(t, "curl")
	program := buildProgram(t)
	server := newReceiver(t, program)
	dir, jpg, _ := samples(t)
	if err := os.WriteFile(filepath.Join(dir, "picture.jpg"), jpg, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(dir, "maixstream")); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range documentedCommands(t) {
		if c.document != "docs/receive.md" || !strings.Contains(c.line, "SERVER:8080") {
			continue
		}
		ran++
		t.Run(c.line, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+strings.ReplaceAll(c.line, "SERVER:8080", server.address))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, problems := &testenv.Output{}, &testenv.Output{}
			cmd.Stdout, cmd.Stderr = out, problems
			before := len(server.files())
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(c.line, "maixstream push") { // until it is told to end
				testenv.Eventually(t, "a picture arrives", func() bool { return len(server.files()) > before })
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v: %s%s", err, out.String(), problems.String())
			}
			if after := len(server.files()); after <= before {
				t.Errorf("nothing was stored: %s%s", out.String(), problems.String())
			}
		})
	}
	if ran < 5 {
		t.Errorf("only %d commands found", ran)
	}
}

// Each curl command in docs/controls.md and docs/snapshots.md, unchanged except for the camera's address.
func TestCurlCommandsForACamera(t *testing.T) {
	testenv.Program(t, "curl")
	base, _, end := onCamera(t, "--size", "640x480", "--state-file", "none")
	defer end()
	dir, ran := t.TempDir(), 0
	here := strings.NewReplacer("http://localhost:8000", base, "http://maixcam.local:8000", base)
	for _, c := range documentedCommands(t) {
		if otherCommands[c.line] != "TestCurlCommandsForACamera" {
			continue
		}
		ran++
		cmd := exec.Command("bash", "-c", here.Replace(c.line)+" --fail-with-body --silent --show-error --max-time 60")
		cmd.Dir = dir
		var problems bytes.Buffer
		cmd.Stderr = &problems
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v: %s%s", c.line, err, out, &problems)
		}
		if strings.Contains(c.line, "/api/controls") && !strings.Contains(string(out), "exposure_time_absolute") {
			t.Errorf("%s: %s", c.line, out)
		}
	}
	preview, err := os.ReadFile(filepath.Join(dir, "preview.jpg"))
	if err != nil || ran != 2 {
		t.Fatalf("%d commands: %v", ran, err)
	}
	if size, err := jpeg.DecodeConfig(bytes.NewReader(preview)); err != nil || size.Width != 320 {
		t.Errorf("%dx%d, %v", size.Width, size.Height, err)
	}
}
