package sg2002

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

func TestConfigDefaults(t *testing.T) {
	var c Config
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	if c.Width != 640 || c.Height != 480 || c.FPS != 30 || c.Quality != 80 || c.Path != "frame" || c.Fit != "crop" || c.Sensor != "auto" || c.Log == nil {
		t.Errorf("defaults: %+v", c)
	}
}

func TestConfigRefused(t *testing.T) {
	for what, c := range map[string]struct {
		Config
		word string
	}{
		"path":      {Config{Path: "fast"}, "frame bound"},
		"fit":       {Config{Fit: "zoom"}, "crop pad stretch"},
		"fps":       {Config{FPS: -1}, "more than 0"},
		"fps NaN":   {Config{FPS: math.NaN()}, "more than 0"},
		"quality":   {Config{Quality: 101}, "1 to 100"},
		"quality 2": {Config{Quality: -1}, "1 to 100"},
		"odd":       {Config{Width: 641, Height: 480}, "even"},
		"one side":  {Config{Width: 640}, "640x0"},
		"wide":      {Config{Width: 4000, Height: 480}, "2880"},
	} {
		if err := c.check(); err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v, want %q in it", what, err, c.word)
		}
	}
	c := Config{Width: 30, Height: 30}
	if err := c.check(); !errors.Is(err, frame.ErrSize) {
		t.Errorf("a size: %v", err)
	}
}

// TestModes: the mode with the most pixels is chosen, unless it is too slow for the requested rate and a faster one is large enough; the rate is the
// requested one, limited to what the driver supports.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		sensor        string
		width, height int
		fps           float64
		want          string
	}{
		{"gc4653", 640, 480, 25, "2560x1440 at 25 fps"},
		{"gc4653", 640, 480, 30, "2560x1440 at 30 fps"},
		{"gc4653", 640, 480, 1, "2560x1440 at 2.75 fps"},
		{"gc4653", 640, 480, 12.5, "2560x1440 at 12.5 fps"},
		{"gc4653", 640, 480, 31, "1280x720 at 31 fps"},
		{"gc4653", 1280, 720, 60, "1280x720 at 60 fps"},
		{"gc4653", 1280, 720, 90, "1280x720 at 60 fps"},
		{"gc4653", 1282, 720, 60, "2560x1440 at 30 fps"},
		{"gc4653", 1920, 1080, 60, "2560x1440 at 30 fps"},
		{"gc4653", 480, 800, 60, "2560x1440 at 30 fps"},
		{"os04a10", 1280, 720, 30, "2560x1440 at 30 fps"},
		{"os04a10", 1280, 720, 79, "2560x1440 at 30 fps"},
		{"os04a10", 1280, 720, 80, "1280x720 at 80 fps"},
		{"os04a10", 1280, 720, 120, "1280x720 at 90 fps"},
		{"os04a10", 1920, 1080, 90, "2560x1440 at 30 fps"},
		{"os04a10", 640, 480, 0.1, "2560x1440 at 0.74 fps"},
		{"sc035gs", 2560, 1440, 10, "640x480 at 10 fps"},
		{"sc035gs", 640, 480, 240, "640x480 at 180 fps"},
		{"ov2685", 1600, 1200, 30, "1600x1200 at 30 fps"},
		{"ov2685", 640, 480, 60, "1600x1200 at 30 fps"},
		{"gc02m1", 1600, 1200, 30, "1600x1200 at 30 fps"},
		{"gc02m1", 640, 480, 1, "1600x1200 at 2.32 fps"},
		{"gc030a", 640, 480, 15, "640x480 at 15 fps"},
		{"lt6911", 640, 480, 100, "1920x1080 at 60 fps"},
		{"lt6911", 640, 480, 10, "1920x1080 at 60 fps"},
	} {
		s, err := sensorNamed(c.sensor)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.choices(c.width, c.height, c.fps)[0].String(); got != c.want {
			t.Errorf("%s for %dx%d at %v: %v, want %v", c.sensor, c.width, c.height, c.fps, got, c.want)
		}
	}
	s, err := sensorNamed("gc4653")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		width int
		fps   float64
		want  string
	}{
		{640, 60, "[1280x720 at 60 fps 2560x1440 at 30 fps]"}, {640, 25, "[2560x1440 at 25 fps 1280x720 at 31 fps]"}, {1920, 60, "[2560x1440 at 30 fps]"},
	} {
		if got := fmt.Sprint(s.choices(c.width, 480, c.fps)); got != c.want {
			t.Errorf("%d wide at %v: %s, want %s", c.width, c.fps, got, c.want)
		}
	}
	for i := range sensors {
		for n, m := range sensors[i].modes {
			if m.slowest <= 0 || m.slowest > m.fastest || m.from > m.fastest || n > 0 && m.fastest <= sensors[i].modes[n-1].fastest {
				t.Errorf("%s: mode %dx%d is never chosen", sensors[i].name, m.width, m.height)
			}
		}
	}
}

func TestSensorNames(t *testing.T) {
	for name, want := range map[string]string{"gc4653": "gc4653", "gcore_gc4653": "gc4653", "ov_os04a10": "os04a10", "sms_sc035gs": "sc035gs"} {
		if s, err := sensorNamed(name); err != nil || s.name != want {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	for _, name := range []string{"", "gc", "4653", "gc4653x", "auto"} {
		if _, err := sensorNamed(name); err == nil || !strings.Contains(err.Error(), "gc4653") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if len(Sensors()) != 7 {
		t.Errorf("sensors: %v", Sensors())
	}
}

// root lays out a board's files.
func root(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("MAIXSTREAM_ROOT", dir)
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBoards(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  board
	}{
		{"none", nil, board{id: "maixcam", mclk: 1}},
		{"maixcam", map[string]string{"/boot/board": "id = maixcam\r\n"}, board{id: "maixcam", mclk: 1}},
		{"pro", map[string]string{"/boot/board": "id=maixcam_pro"}, board{id: "maixcam_pro", pro: true, mirror: true, flip: true}},
		{"filled in", map[string]string{"/boot/board": "id=maixcam\ncam_flip=1\n", "/boot/boards/board.maixcam": "cam_flip=0\ncam_mirror=1\ncam_mclk=2\n"}, board{id: "maixcam", mclk: 2, mirror: true, flip: true}},
		{"wired otherwise", map[string]string{"/boot/board": "id=maixcam\nlane_id=1,2, " +
			"3,-1,-1\npn_swap=0,1,0,1\n"}, board{id: "maixcam", mclk: 1, lanes: &[5]int{1, 2, 3, -1, -1}}},
		{"nonsense", map[string]string{"/boot/board": "id=maixcam\nlane_id=1,2,3,4,9\ncam_mclk=x\nno equals sign\n"}, board{id: "maixcam", mclk: 1}},
		{"a path as a name", map[string]string{"/boot/board": "id=../../etc/passwd\n", "/etc/passwd": "cam_mclk=7\n"}, board{id: "../../etc/passwd", mclk: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root(t, c.files)
			if got := readBoard(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestModels(t *testing.T) {
	for model, want := range map[string]bool{"LicheeRv Nano\x00": true, "Sipeed MaixCAM\x00": true, "MaixCAM-Pro": true, "MaixCAM2": false, "Raspberry Pi 4": false} {
		root(t, map[string]string{"/proc/device-tree/model": model})
		if got := OnBoard(); got != want {
			t.Errorf("%q: %v", model, got)
		}
	}
	root(t, nil)
	if OnBoard() {
		t.Error("a machine without a device tree counts as a board")
	}
}

const summary = `Summary:
[0] carveout heap size:110100480 bytes, used:35651584 bytes
usage rate:33%, memory usage peak 87031808 bytes

Details:
heap_id     alloc_buf_size   phy_addr       kmap_cnt   buffer name
      0           12582912     8ab00000              1      VI_DMA_BUF
      0             291424     8b700000              0      ISP_SHARED_BUFFER_0
      0           16957440     8b800000              0      VbPool
`

func TestCarveout(t *testing.T) {
	root(t, map[string]string{"/sys/kernel/debug/ion/cvi_carveout_heap_dump/summary": summary})
	ion, ok := readCarveout()
	if !ok || ion.size != 110100480 || ion.used != 35651584 || len(ion.buffers) != 3 {
		t.Fatalf("%v, %+v", ok, ion)
	}
	want := []ionBuffer{{"VI_DMA_BUF", 12582912, 0x8ab00000}, {"ISP_SHARED_BUFFER_0", 291424, 0x8b700000}}
	if got := ion.orphans(false); !reflect.DeepEqual(got, want) {
		t.Errorf("orphans %+v, want %+v", got, want)
	}
	if got := ion.orphans(true); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("orphans with the ISP's buffer in use %+v, want %+v", got, want[:1])
	}
	free := int64(110100480 - 35651584 + 12582912 + 291424)
	if err := checkRoom(free, ion, want); err != nil {
		t.Errorf("exact fit: %v", err)
	}
	if err := checkRoom(free+1, ion, want); !errors.Is(err, frame.ErrGone) || !strings.Contains(err.Error(), "smaller size") {
		t.Errorf("a byte too much: %v", err)
	}
	for what, files := range map[string]map[string]string{"no file": nil, "another kernel's": {"/sys/kernel/debug/ion/cvi_carveout_heap_dump/summary": "total 0\n"}} {
		root(t, files)
		if ion, ok := readCarveout(); ok {
			t.Errorf("%s: %+v", what, ion)
		}
	}
}

func TestLeftoverFiles(t *testing.T) {
	root(t, map[string]string{
		"/proc/cvitek/vb": "\nModule: [VB]\n  PoolId( 0)\tSize(  5652480)\n  PoolId( 1)\tSize(  460800)\nPoolId    : 0\n",
		"/proc/modules":   "soph_vi 57344 2 - Live 0x0000000000000000 (O)\nsoph_vpss 61440 0 - Live 0x0 (O)\nbroken\n",
	})
	if Pools() != 2 || users("soph_vi") != 2 || users("soph_vpss") != 0 || users("soph_rgn") != -1 || !Loaded("soph_vpss") || Loaded("soph_rgn") {
		t.Errorf("pools %d, users %d, %d, %d", Pools(), users("soph_vi"), users("soph_vpss"), users("soph_rgn"))
	}
	root(t, map[string]string{"/proc/cvitek/vb": "vb_pool has not inited yet\n"})
	if Pools() != 0 || users("soph_vi") != -1 {
		t.Errorf("clean: %d pools", Pools())
	}
	if missing := MissingNodes(); len(missing) != len(Nodes()) {
		t.Errorf("missing: %v", missing)
	}
}

func TestErrors(t *testing.T) {
	for code, words := range map[uint32]string{
		0xc0078012: "busy", 0xc006800e: "no frame yet", 0xffffffff: "refused by the driver", 0xc002800c: "ION memory is short", 0xcb000015: "tuning file",
		22: "errno 22", 0xdeadbeef: "unknown code", 0xc00e8041: "already enabled",
	} {
		err := &Error{Call: "CVI_X", Code: code}
		if !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "CVI_X: 0x") {
			t.Errorf("%08x: %v", code, err)
		}
		if !errors.Is(err, frame.ErrGone) {
			t.Errorf("%08x does not wrap ErrGone", code)
		}
	}
}
