package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// answer is check.sh's output on a MaixCAM.
const answer = `uid=0
machine=riscv64
model=LicheeRv Nano
board=maixcam
host=maixcam-1234
loader=/lib/ld-musl-riscv64.so.1
loader=/lib/ld-musl-riscv64v0p7_xthead.so.1
installed=maixstream v1.0.0 (0123456789ab)
free=20000
writable=/opt/maixstream
address=192.168.0.17
address=10.131.167.1
`

func TestMaixCAMIsAccepted(t *testing.T) {
	f := parseFacts(answer)
	if err := f.refuse(10 << 20); err != nil {
		t.Error(err)
	}
	if f.host != "maixcam-1234" || len(f.loaders) != 2 || len(f.addresses) != 2 || f.installed != "maixstream v1.0.0 (0123456789ab)" {
		t.Errorf("%+v", f)
	}
	if err := parseFacts(strings.Replace(answer, "board=maixcam", "board=maixcam_pro", 1)).refuse(10 << 20); err != nil {
		t.Error(err)
	}
}

func TestUnsuitableBoardsAreRejectedWithAReason(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"model=LicheeRv Nano", "model=", `not a MaixCAM: its device tree calls it ""`},
		{"model=LicheeRv Nano", "model=Raspberry Pi 4", `"Raspberry Pi 4"`},
		{"model=LicheeRv Nano", "model=Sipeed MaixCAM2", "another chip"},
		{"board=maixcam", "board=nanokvm", `id "nanokvm"`},
		{"machine=riscv64", "machine=aarch64", "aarch64"},
		{"uid=0", "uid=1000", "log in as root"},
		{"uid=0\n", "", "log in as root"},
		{"uid=0", "uid=0\nmissing=setsid\nmissing=mkfifo", "setsid, mkfifo"},
		{"uid=0", "uid=0\ncamera=123 ./app --x ", "process 123 ./app --x; end it"},
		{"uid=0", "uid=0\ncamera=1 a\ncamera=2 b", "process 1 a, and process 2 b;"},
		{"writable=/opt/maixstream\n", "", "cannot be written"},
		{"free=20000", "free=14000", "14000 KiB free, 14337 are needed"},
		{"free=20000", "free=", "0 KiB free"},
	} {
		text := strings.Replace(answer, c.old, c.new, 1)
		if err := parseFacts(text).refuse(10 << 20); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: %v; want %q", c.new, c.old, err, c.want)
		}
	}
}

func TestAddressesForViewers(t *testing.T) {
	f := parseFacts(answer)
	for address, want := range map[string]string{
		"127.0.0.1:8000":  "192.168.0.17:8000 10.131.167.1:8000 maixcam-1234.local:8000",
		"192.168.0.17:80": "192.168.0.17:80",
		"[fe80::1]:8000":  "[fe80::1]:8000",
	} {
		if got := strings.Join(seenAt(address, f, ""), " "); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	// A virtual board's own addresses belong to a network inside the emulator.
	for address, want := range map[string]string{
		"127.0.0.1:8000": "localhost:8888",
		"127.0.0.1:9000": "192.168.0.17:9000 10.131.167.1:9000 maixcam-1234.local:9000", // not forwarded
	} {
		if got := strings.Join(seenAt(address, f, "localhost:8888"), " "); got != want {
			t.Errorf("forwarded %s: %s, want %s", address, got, want)
		}
	}
}

// check.sh itself, on a machine that is not a MaixCAM.
func TestThisMachineIsNotAMaixCAM(t *testing.T) {
	if runtime.GOOS != "linux" {
		testenv.Unable(t, "asks a Linux")
	}
	ask := exec.Command("sh", "-s")
	ask.Stdin = strings.NewReader(checkScript)
	out, err := ask.Output()
	if err != nil {
		t.Fatal(err)
	}
	f := parseFacts(string(out))
	if f.uid < 0 || f.machine == "" || f.free == 0 {
		t.Errorf("%+v of %s", f, out)
	}
	if err := f.refuse(1 << 20); err == nil || !strings.Contains(err.Error(), "this is not a MaixCAM") {
		t.Errorf("%v", err)
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{}, 2},
		{[]string{"--host=root@board"}, 2},
		{[]string{"--host=board", "--port=0"}, 2},
		{[]string{"--host=board", "--wait=0s"}, 2},
		{[]string{"--host=board", "more"}, 2},
		{[]string{"--host=board", "--nonsense"}, 2},
		{[]string{"--host=board", "--program=/nowhere/program"}, 1},
		{[]string{"--host=board", "--program=board_test.go"}, 1},
		{[]string{"--help"}, 0},
	} {
		if code := run(t.Context(), c.args); code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, code, c.code)
		}
	}
}
