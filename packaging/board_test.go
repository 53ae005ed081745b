//go:build dist

package packaging_test

import (
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The archive for the board installs itself under whichever loader name the image has.
func TestBoardArchive(t *testing.T) {
	folder := unpacked(t, "*-linux-riscv64-musl.tar.gz")
	root := t.TempDir()
	install := func() (string, error) {
		cmd := exec.Command("sh", filepath.Join(folder, "install.sh"))
		cmd.Env = append(os.Environ(), "DESTDIR="+root)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := install(); err == nil || !strings.Contains(out, "not a MaixCAM's system") {
		t.Errorf("on a foreign system: %v, %s", err, out)
	}
	const loader = "/lib/ld-musl-riscv64.so.1"
	if err := os.MkdirAll(filepath.Join(root, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, loader), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time over the first
		if out, err := install(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	program := filepath.Join(root, "opt/maixstream/maixstream")
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(p.Open())
			if err != nil || strings.TrimRight(string(name[:len(loader)+1]), "\x00") != loader {
				t.Errorf("interpreter %q, %v", name, err)
			}
		}
	}
	if out := command(t, "../toolchain/qemu.sh", program, "version"); !strings.HasPrefix(out, "maixstream ") {
		t.Errorf("the installed program says %q", out)
	}
	for _, path := range []string{"opt/maixstream/maixstream.old", "etc/init.d/S99maixstream", "etc/maixstream.yaml"} {
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	s := start(t, exec.Command("../toolchain/qemu.sh", append([]string{program}, serveArguments...)...))
	if w, h := s.frames(5); w != 640 || h != 480 {
		t.Errorf("%dx%d", w, h)
	}
	s.stop()
}
