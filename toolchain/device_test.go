//go:build device

package toolchain_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/toolchain/internal/loader"
)

const (
	program = "../build/riscv64/maixstream"
	// maxSize is 18 MB (of 2^20 bytes, as the board's memory and disk are counted): what a user waits for over Wi-Fi, and what twice fits beside everything else on the board's disk.
	// It was 12 before there was H.264; MP4 and RTSP of it took 1.2, WebRTC 3.4 (-tags nowebrtc leaves that out), publishing by RTMP and RTSP 0.5 (nopublish).
	maxSize = 18 << 20
)

func read(t *testing.T) ([]byte, *elf.File) {
	t.Helper()
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatalf("%v (make device)", err)
	}
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return text, file
}

func TestProgramIsARiscvExecutableForMusl(t *testing.T) {
	text, file := read(t)
	if file.Machine != elf.EM_RISCV || file.Class != elf.ELFCLASS64 || file.Type != elf.ET_EXEC {
		t.Errorf("%v %v %v", file.Machine, file.Class, file.Type)
	}
	const compressed, doubleFloat = 1, 4
	flags := text[0x30] // e_flags, the ABI
	if flags != compressed|doubleFloat {
		t.Errorf("ELF flags %#x, the board's ABI is RVC with double-float", flags)
	}
	if name, err := loader.Of(text); err != nil || name != loader.Names[0] {
		t.Errorf("loader %q, %v", name, err)
	}
	for _, name := range loader.Names {
		if _, err := loader.Fit(text, name); err != nil {
			t.Errorf("the installer cannot fit it: %v", err)
		}
	}
	if needed, err := file.DynString(elf.DT_NEEDED); err != nil || !slices.Equal(needed, []string{"libc.so"}) {
		t.Errorf("it needs %v (%v), and must need nothing but libc.so", needed, err)
	}
	if path, err := file.DynString(elf.DT_RPATH); err != nil || !slices.Equal(path, []string{"$ORIGIN/dl_lib:/mnt/system/usr/lib:/mnt/system/usr/lib/3rd"}) {
		t.Errorf("RPATH %v, %v", path, err)
	}
}

func TestThreadStacksAreBigEnoughForVendorCode(t *testing.T) {
	_, file := read(t)
	for _, p := range file.Progs {
		if p.Type == elf.PT_GNU_STACK {
			if p.Memsz != 2<<20 || p.Flags&elf.PF_X != 0 {
				t.Errorf("stack of %d bytes, %v", p.Memsz, p.Flags)
			}
			return
		}
	}
	t.Error("no PT_GNU_STACK: musl would give threads 128 KiB")
}

func TestProgramIsStrippedAndSmall(t *testing.T) {
	text, file := read(t)
	t.Logf("%d bytes", len(text))
	if len(text) >= maxSize {
		t.Errorf("%d bytes, %d are the limit: what was added? (toolchain/go.sh says which packages are built small)", len(text), maxSize)
	}
	for _, s := range file.Sections {
		if s.Type == elf.SHT_SYMTAB || strings.HasPrefix(s.Name, ".debug") {
			t.Errorf("it has %s", s.Name)
		}
	}
}

func TestProgramHasNoPathOfTheBuildMachine(t *testing.T) {
	text, _ := read(t)
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	home, _ := os.UserHomeDir()
	cache := os.Getenv("MAIXSTREAM_CACHE")
	for _, path := range []string{here, filepath.Join(home, "go"), filepath.Join(home, ".cache"), cache, goEnv(t, "GOROOT"), goEnv(t, "GOMODCACHE"), "/tmp/go-build", "/usr/lib/gcc-cross", "riscv64-linux-gnu", ".work."} {
		if len(path) > 3 && bytes.Contains(text, []byte(path)) {
			t.Errorf("%s is in it", path)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// exported symbols are for the image's libraries: Go's callbacks, and the helpers that libsys and libisp need. With
// more, a library that expects its own libjpeg could get ours.
var exported = regexp.MustCompile(`^(_?cgo_.*|_cgoexp_.*|x_cgo_.*|x_crosscall2_ptr|crosscall2|main|_init|_fini|__atomic_compare_exchange_1|__sync_fetch_and_(add|and)_1|(source|destination)[A-Z][a-z]+|goPanic|error_longjmp)$`)

func TestProgramExportsOnlyHelpers(t *testing.T) {
	_, file := read(t)
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF {
			continue
		}
		found[s.Name] = true
		if !exported.MatchString(s.Name) {
			t.Errorf("%s is exported", s.Name)
		}
	}
	for _, name := range []string{"__atomic_compare_exchange_1", "__sync_fetch_and_add_1", "__sync_fetch_and_and_1"} {
		if !found[name] {
			t.Errorf("%s is not exported: libsys or libisp would not load on an image without libatomic or libgcc_s", name)
		}
	}
}

// newInMusl came with musl 1.2.0 or later: images with the vendor's first riscv64 musl lack them.
var newInMusl = []string{"qsort_r", "_Fork", "gettid", "reallocarray", "copy_file_range", "memfd_create", "mlock2", "getentropy", "statx", "preadv2", "pwritev2", "strlcpy_chk"}

func TestProgramNeedsOnlyCommonLibcSymbols(t *testing.T) {
	_, file := read(t)
	symbols, err := file.ImportedSymbols()
	if err != nil || len(symbols) == 0 {
		t.Fatal(symbols, err)
	}
	for _, s := range symbols {
		if slices.Contains(newInMusl, s.Name) || strings.HasPrefix(s.Name, "__isoc99_") || strings.HasSuffix(s.Name, "_chk") {
			t.Errorf("it wants %s, which is not in every image's libc", s.Name)
		}
	}
}

func TestProgramPrintsItsVersionUnderQemu(t *testing.T) {
	out, err := exec.Command("./qemu.sh", program, "version").CombinedOutput()
	if err != nil || !regexp.MustCompile(`^maixstream \S+ \([0-9a-f]{12}\)\n$`).Match(out) {
		t.Errorf("%v: %q", err, out)
	}
}

func TestFileToolAgrees(t *testing.T) {
	out, err := exec.Command("file", "-b", program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"UCB RISC-V", "RVC", "double-float ABI", "dynamically linked", "interpreter " + loader.Names[0], ", stripped"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// The same sources in another directory, without Go's build cache, yield the same bytes.
func TestReproducible(t *testing.T) {
	testenv.Long(t, "builds everything once more")
	dir := filepath.Join(t.TempDir(), "another place")
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	files, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(files), "\x00"), "\x00") {
		if ext := filepath.Ext(name); ext == ".md" || ext == ".jpg" || ext == ".png" && !strings.HasPrefix(name, "server/") { // the pages' icons are in the program
			continue
		}
		copyFile(t, filepath.Join("..", name), filepath.Join(dir, name))
	}
	first, _ := read(t)
	said, err := exec.Command("./qemu.sh", program, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.Fields(strings.NewReplacer("(", "", ")", "").Replace(string(said)))
	again := filepath.Join(t.TempDir(), "maixstream")
	build := exec.Command("toolchain/go.sh", "build", "-o", again, "./cmd/maixstream")
	build.Dir = dir
	build.Env = append(os.Environ(), "MAIXSTREAM_LDFLAGS=-X main.version="+version[1]+" -X main.commit="+version[2], "GOCACHE="+t.TempDir(), "TMPDIR="+t.TempDir(), "LC_ALL=C")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	second, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(first) != sha256.Sum256(second) {
		at := 0
		for at < min(len(first), len(second)) && first[at] == second[at] {
			at++
		}
		t.Errorf("%d and %d bytes, different from byte %d on: %q", len(first), len(second), at, second[at:min(len(second), at+80)])
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if os.IsNotExist(err) {
		return // deleted, and not committed yet
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, info.Mode())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
}
