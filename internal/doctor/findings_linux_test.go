//go:build linux && cgo

package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/sg2002"
	"github.com/maixstream/maixstream/internal/doctor"
)

// The image's own library has one mode of one sensor: the finding names the file, its date and mode, and where a newer one is.
func TestOlderDriverVersion(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	dir := b.TempDir()
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(b.tool), "*.so"))
	for _, file := range files {
		if filepath.Base(file) == "libsophgo-middleware.so" {
			continue
		}
		if err := os.Symlink(file, filepath.Join(dir, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(b.root, "usr/lib/python3.11")); err != nil {
		t.Fatal(err)
	}
	b.Setenv("MAIXSTREAM_MPI_LIBS", dir)
	r := b.examine(doctor.Config{LibDir: dir})
	c := b.check(r, "sensor drivers")
	for _, want := range []string{"libsns_full.so of 20", "older version", "gc4653 has 2560x1440 up to 30 fps only"} {
		if !strings.Contains(c.Found, want) {
			t.Errorf("found %q, which lacks %q", c.Found, want)
		}
	}
	if c.Status != doctor.Note || !strings.Contains(c.Remedy, "libsophgo-middleware.so in /usr/lib/python3.11") || r.Wrong() != 0 {
		t.Errorf("%d wrong, %+v", r.Wrong(), c)
	}
}

// The call in which a start died inside the libraries is reported until a start succeeds.
func TestCrashOfTheLastStart(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	page := make([]byte, 4096)
	copy(page, "CVI_ISP_Init")
	page[64] = 1 // starting
	if err := os.WriteFile(filepath.Join(b.root, "tmp/maixstream-camera"), page, 0o600); err != nil {
		t.Fatal(err)
	}
	b.wrong(b.examine(doctor.Config{}), "last starts", []string{"1 in a row", "CVI_ISP_Init"}, []string{"--report"})
}

// A report has everything that a maintainer asks for, and no network address or name.
func TestReportForAMaintainer(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	var text strings.Builder
	if err := b.examine(doctor.Config{}).WriteReport(&text, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"maixstream 1.2.3", "LicheeRv Nano", "libsys.so", "libsophgo-middleware.so", "stSnsGc4653_Obj", "carveout heap size", "soph_vi", "id=maixcam", "MemTotal", "2560x1440 at 30 fps",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("lacks %q", want)
		}
	}
	for _, secret := range []string{"192.0.2.7", "wlan0", "vm.local", "password", "token"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("has %q", secret)
		}
	}
	if sg2002.LastCrash().Times != 0 {
		t.Error("a crash out of nothing")
	}
	if t.Failed() {
		t.Log(text.String())
	}
}
