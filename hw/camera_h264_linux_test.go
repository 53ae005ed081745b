//go:build linux && cgo

package hw_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// A film of H.264 is a camera as any other: its pictures are decoded.
func TestCameraOfAnH264Film(t *testing.T) {
	if openh264.Available() != nil {
		testenv.Missing(t, "OpenH264's library", "make setup-test")
	}
	film := filepath.Join(t.TempDir(), "film.264")
	if out, err := exec.Command(testenv.Program(t, "ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=96x64:rate=100", "-frames:v", "20", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-g", "10", "-bf", "0", "-f", "h264", film).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	camera, err := hw.OpenCamera(hw.CameraConfig{Source: film})
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		img, err := camera.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if img.Width() != 96 || img.Height() != 64 {
			t.Fatalf("%dx%d", img.Width(), img.Height())
		}
		img.Release()
	}
	if err := errors.Join(camera.Close(), camera.Close()); err != nil {
		t.Error(err)
	}
	if _, err := camera.Read(t.Context()); !errors.Is(err, frame.ErrEnd) {
		t.Errorf("%v", err)
	}
}
