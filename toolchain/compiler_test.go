//go:build device

package toolchain_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/toolchain/internal/loader"
)

// vendorFlags are those of the vendor's own builds (MaixCDK's platforms/maixcam.yaml). Only the vendor's compiler knows them.
var vendorFlags = []string{"-mcpu=c906fdv", "-march=rv64imafdcv0p7xthead", "-mcmodel=medany", "-mabi=lp64d"}

// A compiler with the vendor's name and flags is used for all C code, and its output fits the board, too.
// Ours stands in for the vendor's.
func TestCrossCompileSelectsAnotherToolchain(t *testing.T) {
	settings, err := exec.Command("bash", "-c", `settings=$(./env.sh) && eval "$settings" && echo "$PREFIX"`).Output()
	if err != nil {
		t.Fatal(err)
	}
	ours := strings.TrimSpace(string(settings))
	// Always the same place: Go's cache identifies a build by the compiler's path, too.
	dir, err := filepath.Abs("../build/another-toolchain")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	const prefix = "riscv64-unknown-linux-musl-"
	for _, tool := range []string{"ar", "ranlib"} {
		if err := os.Symlink(ours+tool, filepath.Join(dir, prefix+tool)); err != nil {
			t.Fatal(err)
		}
	}
	compiler := fmt.Sprintf(`#!/bin/bash
left=()
for word in "$@"; do
  case $word in
  -mcpu=c906fdv) mcpu=1 ;;
  -march=rv64imafdcv0p7xthead) march=1 ;;
  *) left+=("$word") ;;
  esac
done
[[ $mcpu$march == 11 || " $* " != *" -c "*" -o "* ]] || echo "without the vendor's flags: $*" >>%[2]s/wrong
echo "$*" >>%[2]s/calls
exec %[1]sgcc "${left[@]}"
`, ours, dir)
	if err := os.WriteFile(filepath.Join(dir, prefix+"gcc"), []byte(compiler), 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "push-picture")
	build := exec.Command("./go.sh", "build", "-o", program, "../examples/push-picture")
	build.Env = append(os.Environ(), "CROSS_COMPILE="+prefix, "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if wrong, err := os.ReadFile(filepath.Join(dir, "wrong")); err == nil {
		t.Errorf("%s", wrong)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls")) // at least the link; C objects may be in Go's cache
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range vendorFlags {
		if !strings.Contains(string(calls), flag) {
			t.Errorf("no %s", flag)
		}
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if needed, err := file.DynString(elf.DT_NEEDED); err != nil || !slices.Equal(needed, []string{"libc.so"}) {
		t.Errorf("it needs %v, %v", needed, err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := loader.Of(text); err != nil || name != loader.Names[0] {
		t.Errorf("loader %q, %v", name, err)
	}
	out, err := exec.Command("./qemu.sh", program, "-url", "http://127.0.0.1:1/upload").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "127.0.0.1:1") {
		t.Errorf("the program, with nobody to take its picture: %v, %q", err, out)
	}
}

func TestCrossCompileWithAMissingToolchain(t *testing.T) {
	build := exec.Command("./env.sh")
	build.Env = append(os.Environ(), "CROSS_COMPILE=riscv64-nobody-linux-musl-")
	if out, err := build.CombinedOutput(); err == nil || !strings.Contains(string(out), "no riscv64-nobody-linux-musl-gcc in PATH") {
		t.Errorf("%v: %s", err, out)
	}
}
