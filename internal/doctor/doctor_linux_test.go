//go:build linux && cgo

package doctor_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/hw/sg2002"
	"github.com/maixstream/maixstream/internal/doctor"
)

func TestAllIsFine(t *testing.T) {
	for _, kind := range []string{"maixcam", "maixcam_pro"} {
		t.Run(kind, func(t *testing.T) {
			b := newBoard(t, kind, "trace=1")
			r := b.examine(doctor.Config{})
			if n := r.Wrong(); n != 0 || !r.MaixCAM {
				t.Errorf("%d things are wrong (MaixCAM: %v)", n, r.MaixCAM)
			}
			for name, words := range map[string]string{
				"board": map[string]string{"maixcam": "MaixCAM (", "maixcam_pro": "MaixCAM-Pro ("}[kind], "libraries": "all 9 found in " + filepath.Dir(b.tool), "functions": "all ",
				"sensor drivers": "gc4653, sc035gs", "kernel modules": "all 8", "device nodes": "all 9", "camera": "free", "sensor": "gc4653 answers",
				"ION memory": "83.0 MiB of 105.0 MiB free", "memory": "90.0 MiB of 151.0 MiB", "network": "wlan0 192.0.2.7", "tuning": "cvi_sdr_bin",
			} {
				if c := b.check(r, name); c.Status != doctor.OK || !strings.Contains(c.Found, words) {
					t.Errorf("%s: %s: %q, not ok with %q", name, c.Status, c.Found, words)
				}
			}
			if calls, err := os.ReadFile(filepath.Join(b.root, ".sim", "trace.log")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("functions of the libraries were called (%v):\n%s", err, calls)
			}
		})
	}
}

func TestOtherMachineIsReportedAsNoMaixCAM(t *testing.T) {
	b := newBoard(t, "none", "")
	r := b.examine(doctor.Config{})
	if c := r.Checks[0]; c.Name != "board" || c.Status != doctor.Note || !strings.Contains(c.Found, "not a MaixCAM") || !strings.Contains(c.Found, "test card") {
		t.Errorf("board: %+v", c)
	}
	if r.MaixCAM || r.Wrong() != 0 {
		t.Errorf("MaixCAM: %v, %d wrong", r.MaixCAM, r.Wrong())
	}
	if c := b.check(r, "encoder"); c.Status != doctor.OK {
		t.Errorf("encoder: %+v", c)
	}
	// A missing H.264 encoder is no fault.
	h264 := b.check(r, "H.264")
	if err := openh264.Available(); err == nil && (h264.Status != doctor.OK || !strings.Contains(h264.Found, openh264.Library)) {
		t.Errorf("H.264: %+v", h264)
	} else if err != nil && (h264.Status != doctor.Note || h264.Remedy == "") {
		t.Errorf("H.264: %+v", h264)
	}
	// Asking for the camera there is an error.
	b.wrong(b.examine(doctor.Config{Source: "camera"}), "board", []string{"not a MaixCAM"}, []string{"--source testcard", "make flash"})
}

func TestLibraryMissing(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.libraries(func(name string, content []byte) []byte {
		if name == "libvenc.so" || name == "libcvi_bin.so" {
			return nil
		}
		return content
	})
	r := b.examine(doctor.Config{})
	b.wrong(r, "libraries", []string{"libvenc.so", "libcvi_bin.so"}, []string{"--mpi-lib-dir", "image"})
	if strings.Contains(b.check(r, "libraries").Found, "libsys.so,") {
		t.Error("libraries that are there are called missing, too")
	}
}

func TestLibraryBroken(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.libraries(func(name string, content []byte) []byte {
		if name == "libisp.so" {
			return content[:100] // a truncated copy
		}
		return content
	})
	b.wrong(b.examine(doctor.Config{}), "libraries", []string{"libisp.so"}, []string{"image"})
}

// A broken library crashes only the process that opens it.
func TestLibraryThatCrashes(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.libraries(func(name string, content []byte) []byte {
		if name != "libvpu.so" {
			return content
		}
		file, err := elf.NewFile(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		copy(content[file.Section(".init").Offset:], []byte{0x0f, 0x0b, 0x0f, 0x0b}) // ud2; invalid on riscv64, too
		return content
	})
	b.wrong(b.examine(doctor.Config{}), "libraries", []string{"opening libvpu.so crashes the process", "SIGILL"}, []string{"image"})
}

func TestFailedInspectionIsNoBrokenLibrary(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	for name, c := range map[string]doctor.Config{"no such program": {Inspector: []string{"/nowhere/maixstream"}}, "no program": {}, "another sensor": {
		Inspector: []string{os.Args[0], "inspect"}, Sensor: "imx219",
	}} {
		c.Addresses = func() ([]doctor.Address, error) { return []doctor.Address{{Interface: "wlan0", IP: "192.0.2.7"}}, nil }
		r := doctor.Examine(t.Context(), c)
		t.Logf("%s: %+v", name, b.check(r, "libraries"))
		b.wrong(r, "libraries", []string{"not checked"}, []string{"make device"})
	}
}

func TestFunctionMissing(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.libraries(func(_ string, content []byte) []byte {
		return bytes.ReplaceAll(content, []byte("CVI_VPSS_SetChnCrop\x00"), []byte("CVI_VPSS_SetChnXrop\x00"))
	})
	r := b.examine(doctor.Config{})
	b.wrong(r, "functions", []string{"1 of", "CVI_VPSS_SetChnCrop of libvpu.so"}, []string{"another SDK", "image"})
}

func TestLibrariesOfTwoSets(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	one, other := b.TempDir(), b.TempDir()
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(b.tool), "*.so"))
	for _, file := range files {
		dir := one
		if name := filepath.Base(file); name == "libvpu.so" || name == "libvenc.so" {
			dir = other
		}
		if err := os.Symlink(file, filepath.Join(dir, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	b.Setenv("MAIXSTREAM_MPI_LIBS", "")
	b.Setenv("LD_LIBRARY_PATH", one+":"+other)
	b.wrong(b.examine(doctor.Config{}), "libraries", []string{"two sets", one, other}, []string{"--mpi-lib-dir", "LD_LIBRARY_PATH"})
}

// damageSize changes the size of a symbol, as in the newer SDK's sensor objects.
func damageSize(t *testing.T, content []byte, symbol string, size uint64) []byte {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range symbols {
		if s.Name == symbol {
			const entry, sizeAt = 24, 16 // Elf64_Sym; the table begins with an empty one
			at := file.Section(".dynsym").Offset + uint64(i+1)*entry + sizeAt
			file.ByteOrder.PutUint64(content[at:], size)
		}
	}
	return content
}

func TestSensorDriverOfAnotherVersion(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.libraries(func(name string, content []byte) []byte {
		if name == "libsophgo-middleware.so" {
			return damageSize(t, content, "stSnsGc4653_Obj", 128)
		}
		return content
	})
	b.wrong(b.examine(doctor.Config{}), "sensor drivers", []string{"stSnsGc4653_Obj", "libsophgo-middleware.so", "128 bytes instead of 120"}, []string{"image", "--mpi-lib-dir"})
}

func TestNoSensorDrivers(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	if err := os.RemoveAll(filepath.Join(b.root, "usr")); err != nil { // MaixPy's own copy
		t.Fatal(err)
	}
	b.libraries(func(name string, content []byte) []byte {
		if strings.HasPrefix(name, "libsns_") || strings.HasPrefix(name, "libsophgo") {
			return nil
		}
		return content
	})
	b.wrong(b.examine(doctor.Config{}), "sensor drivers", []string{"no library with sensor drivers"}, []string{"MaixPy"})
}

// A library that exists but cannot be opened is not reported as missing, but with the loader's error and the library used instead.
func TestSensorDriversThatCannotBeOpened(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.libraries(func(name string, content []byte) []byte {
		if name == "libsophgo-middleware.so" {
			return content[:100]
		}
		return content
	})
	if err := os.RemoveAll(filepath.Join(b.root, "usr")); err != nil {
		t.Fatal(err)
	}
	r := b.examine(doctor.Config{})
	if c := b.check(r, "sensor drivers"); r.Wrong() != 0 || c.Status != doctor.Note || !strings.Contains(c.Found, "gc4653 in ") ||
		!strings.Contains(c.Found, "libsns_full.so") || !strings.Contains(c.Found, "not to be opened: ") || !strings.Contains(c.Found, "libsophgo-middleware.so") {
		t.Errorf("%d wrong; %+v", r.Wrong(), c)
	}
}

func TestSensorWithoutDriver(t *testing.T) {
	b := newBoard(t, "maixcam", "sensor=ov2685")
	if err := os.RemoveAll(filepath.Join(b.root, "usr")); err != nil {
		t.Fatal(err)
	}
	b.libraries(func(name string, content []byte) []byte {
		if name == "libsophgo-middleware.so" { // the old libraries support only the gc4653
			return nil
		}
		return content
	})
	b.wrong(b.examine(doctor.Config{}), "sensor", []string{"ov2685 answers", "no library has a driver"}, []string{"MaixPy"})
}

func TestKernelModulesNotLoaded(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.maixsim("rmmod", "soph_vpss", "soph_vi")
	r := b.examine(doctor.Config{})
	b.wrong(r, "kernel modules", []string{"soph_vi", "soph_vpss"}, []string{"S00kmod", "dmesg"})
	if c := b.check(r, "device nodes"); c.Status != doctor.Note || !strings.Contains(c.Found, "/dev/cvi-vpss") {
		t.Errorf("nodes that are missing for that reason: %+v", c)
	}
}

func TestNodesMissing(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	for _, node := range []string{"/dev/cvi-vpss", "/dev/cvi_vc_enc0"} {
		if err := os.Remove(filepath.Join(b.root, node)); err != nil {
			t.Fatal(err)
		}
	}
	r := b.examine(doctor.Config{})
	b.wrong(r, "device nodes", []string{"/dev/cvi-vpss", "/dev/cvi_vc_enc0", "although"}, []string{"reboot"})
}

func TestNoSensor(t *testing.T) {
	b := newBoard(t, "maixcam", "sensor=none")
	b.wrong(b.examine(doctor.Config{}), "sensor", []string{"no answer", "touch controller at 0x14"}, []string{"cable"})
}

func TestUnexpectedSensor(t *testing.T) {
	b := newBoard(t, "maixcam", "sensor=gc02m1")
	b.wrong(b.examine(doctor.Config{Sensor: "gcore_gc4653"}), "sensor", []string{"gc02m1 answers, not gcore_gc4653"}, []string{"--sensor"})
	if r := b.examine(doctor.Config{Sensor: "gc02m1"}); r.Wrong() != 0 {
		t.Errorf("%d things wrong with the right name", r.Wrong())
	}
}

func TestCameraHeldByAnotherProcess(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	holder, _, _ := b.stream("python3")
	pid := fmt.Sprint(holder.Process.Pid)
	r := b.examine(doctor.Config{})
	b.wrong(r, "camera", []string{"in use by process " + pid + " (python3)"}, []string{"kill " + pid})
	if c := b.check(r, "sensor"); c.Status != doctor.Note || !strings.Contains(c.Found, "in use") {
		t.Errorf("the sensor's bus was used while another has the camera: %+v", c)
	}
}

// A program of the simulator, which the kernel counts under its file's name.
func TestCameraHeldByAProgramThatOnlyHolds(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	holder, _, _ := b.start(b.tool, "hold", b.root)
	b.wrong(b.examine(doctor.Config{}), "camera", []string{fmt.Sprintf("in use by process %d (maixsim)", holder.Process.Pid)}, []string{"kill"})
}

func TestRunningStreamIsNotDisturbed(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	command, in, out := b.stream("maixstream")
	for range 3 {
		r := b.examine(doctor.Config{})
		if r.Wrong() != 0 {
			t.Errorf("%d things are wrong while maixstream streams", r.Wrong())
		}
		if c := b.check(r, "camera"); !strings.Contains(c.Found, fmt.Sprintf("in use by process %d (maixstream)", command.Process.Pid)) {
			t.Errorf("camera: %+v", c)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if !out.Scan() || out.Text() != "faults 0" {
		t.Errorf("the stream that was running says %q", out.Text())
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

func TestPoolsLeftByADeadProcess(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	command, _, _ := b.stream("maixstream")
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	b.wrong(b.examine(doctor.Config{}), "camera", []string{"VB pools are left by a program that died"}, []string{"start maixstream", "reboot"})
	// The remedy works.
	_, in, out := b.stream("maixstream")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	out.Scan()
	waitFor(t, "the camera to be free", func() bool { return sg2002.Pools() == 0 })
	if r := b.examine(doctor.Config{}); r.Wrong() != 0 {
		t.Errorf("%d things are wrong after the next start", r.Wrong())
	}
}

// Buffers that outlive a process, even across a reload of the modules, do not count as used: the next start frees them.
func TestBuffersLeftByADeadProcess(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	b.maixsim("leak", b.root)
	for _, module := range []string{"soph_ive", "soph_vc_driver", "soph_rgn", "soph_dwa", "soph_vo", "soph_vpss", "soph_vi", "soph_mipi_rx", "soph_fast_image", "soph_base"} {
		b.maixsim("rmmod", module)
	}
	for _, module := range []string{"soph_base", "soph_fast_image", "soph_mipi_rx", "soph_vi", "soph_vpss", "soph_vo", "soph_dwa", "soph_rgn", "soph_vc_driver", "soph_ive"} {
		b.maixsim("insmod", filepath.Join(b.root, "mnt/system/ko", module+".ko"))
	}
	r := b.examine(doctor.Config{Width: 1280, Height: 720})
	if c := b.check(r, "ION memory"); r.Wrong() != 0 || !strings.Contains(c.Found, "12.3 MiB are left by a program that died: the next start frees them") {
		t.Errorf("%d wrong; %+v", r.Wrong(), c)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

func TestTooLittleION(t *testing.T) {
	b := newBoard(t, "maixcam", "ion=50331648") // 48 MiB, as in images of the sister board
	if r := b.examine(doctor.Config{}); r.Wrong() != 0 {
		t.Errorf("640x480 does not fit into 26 MiB: %d wrong", r.Wrong())
	}
	r := b.examine(doctor.Config{Width: 2560, Height: 1440, FPS: 25})
	b.wrong(r, "ION memory", []string{"26.0 MiB of 48.0 MiB free", "2560x1440", "needs about"}, []string{"smaller --size"})
	if c := b.check(r, "ION memory"); len(c.Items) < 5 {
		t.Errorf("what takes it is not listed: %q", c.Items)
	}
}

func TestPredictedMemoryMatchesAStream(t *testing.T) {
	for _, c := range []sg2002.Config{
		{Width: 640, Height: 480, FPS: 25},
		{Width: 320, Height: 240, FPS: 60},
		{Width: 1280, Height: 720, FPS: 30, Overlay: "%H:%M:%S"},
		{Width: 1600, Height: 1200, FPS: 25, Sensor: "auto"},
	} {
		t.Run(fmt.Sprintf("%dx%d", c.Width, c.Height), func(t *testing.T) {
			newBoard(t, "maixcam", "")
			config, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(os.Args[0], "memory", string(config)).Output()
			if err != nil {
				t.Fatalf("%v", err)
			}
			var said, taken int
			if _, err := fmt.Sscan(string(out), &said, &taken); err != nil {
				t.Fatalf("%q: %v", out, err)
			}
			if said < taken || said > taken+taken/10+64<<10 {
				t.Errorf("doctor says %d bytes, the stream takes %d", said, taken)
			}
		})
	}
}

func TestVideoEncoderOfTheChip(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	if c := b.check(b.examine(doctor.Config{Width: 1280, Height: 720}), "H.264"); c.Status != doctor.OK || !strings.Contains(c.Found, "1280x720 takes 4.6 MiB") {
		t.Errorf("%+v", c)
	}
	if c := b.check(b.examine(doctor.Config{Width: 100, Height: 96}), "H.264"); c.Status != doctor.Note || !strings.Contains(c.Found, "100x96") || c.Remedy == "" {
		t.Errorf("a size that is too small: %+v", c)
	}
	if err := os.Remove(filepath.Join(b.root, "usr/share/fw_vcodec/coda980.bin")); err != nil {
		t.Fatal(err)
	}
	r := b.examine(doctor.Config{})
	if c := b.check(r, "H.264"); c.Status != doctor.Note || !strings.Contains(c.Found, "coda980.bin") || c.Remedy == "" || r.Wrong() != 0 {
		t.Errorf("without firmware: %+v", c)
	}
	b = newBoard(t, "maixcam", "ion=61865984") // 59 MiB, of which the firmware takes 22: just enough for a stream of 1280x720
	if c := b.check(b.examine(doctor.Config{Width: 1280, Height: 720}), "H.264"); c.Status != doctor.Note || !strings.Contains(c.Found, "are left") {
		t.Errorf("without room: %+v", c)
	}
}

func TestTooLittleMemory(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	if err := os.WriteFile(filepath.Join(b.root, "proc/meminfo"), []byte("MemTotal: 154624 kB\nMemAvailable:  9000 kB\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.wrong(b.examine(doctor.Config{}), "memory", []string{"8.8 MiB of 151.0 MiB"}, []string{"stop apps"})
}

func TestNoNetwork(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	none := func() ([]doctor.Address, error) { return nil, nil }
	b.wrong(b.examine(doctor.Config{Addresses: none}), "network", []string{"no address"}, []string{"Wi-Fi"})
}

// Findings that cannot be determined are notes, not errors.
func TestUnknownFindingsAreNotes(t *testing.T) {
	b := newBoard(t, "maixcam", "")
	for _, path := range []string{"sys/kernel/debug", "mnt/cfg/param", "proc/meminfo", "proc/cvitek"} {
		if err := os.RemoveAll(filepath.Join(b.root, path)); err != nil {
			t.Fatal(err)
		}
	}
	r := b.examine(doctor.Config{})
	for _, name := range []string{"ION memory", "tuning", "memory", "camera"} {
		if c := b.check(r, name); c.Status != doctor.Note || c.Found == "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if r.Wrong() != 0 {
		t.Errorf("%d wrong", r.Wrong())
	}
}

func TestReportAsJSON(t *testing.T) {
	b := newBoard(t, "maixcam", "sensor=none")
	text, err := json.Marshal(b.examine(doctor.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"maixcam":true`, `"name":"sensor","status":"wrong"`, `"remedy":"`, strconv.Quote("soph_vi")} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}
