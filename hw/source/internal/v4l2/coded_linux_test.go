package v4l2

// vivid has no H.264, so this test acts as the driver within the package, as that of JPEG does.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

// fakeEncoder is an H.264 camera with four buffers, and an encoder with some controls.
type fakeEncoder struct {
	*codedCamera
	set []string
}

func newFakeEncoder(t *testing.T, limits map[uint32][2]int64) *fakeEncoder {
	t.Helper()
	format, err := formatOf("H264")
	if err != nil {
		t.Fatal(err)
	}
	c := newCamera("/dev/fake", choice{mode: mode{format: format, width: 64, height: 48, fps: 30}, name: "/dev/fake (Fake)"}, Config{FPS: 30})
	c.stopped = make(chan struct{})
	for i := range uint32(4) {
		c.slots = append(c.slots, &slot{camera: c, index: i, memory: make([]byte, 64<<10)})
	}
	e := &fakeEncoder{}
	e.codedCamera = &codedCamera{controls: c.controls, camera: c, tuner: &tuner{
		limits: limits, current: map[uint32]int64{},
		set: func(id uint32, value int64) error {
			e.set = append(e.set, fmt.Sprintf("%x=%d", id, value))
			return nil
		},
	}}
	return e
}

func (e *fakeEncoder) deliver(sequence, flags uint32, nals ...string) {
	var data []byte
	for _, n := range nals {
		data = append(append(data, 0, 0, 0, 1), n...)
	}
	c := e.camera
	index := sequence % uint32(len(c.slots))
	copy(c.slots[index].memory, data)
	c.take(&buffer{index: index, sequence: sequence, flags: flags, bytesused: uint32(len(data))})
}

const (
	testSPS = "\x67\x42\xc0\x1e\xda\x11\xe4" // 64x48, 4 bits of frame_num, no picture order
	testPPS = "\x68\xce\x3c\x80"
	testIDR = "\x65\x88\x84\x55\x55\x80"
)

func testP(n byte) string { return "\x41\xe0\x88" + string(rune('a'+n)) + "\x80" }

// unit reads the next unit and returns its types and the last byte but one of its slice.
func (e *fakeEncoder) unit(t *testing.T, u *frame.AccessUnit) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := e.ReadUnit(ctx, u); err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, n := range u.NALs {
		types = append(types, fmt.Sprint(n[0]&0x1f))
	}
	return strings.Join(types, " ")
}

func TestH264Webcam(t *testing.T) {
	e := newFakeEncoder(t, nil)
	var u frame.AccessUnit
	for i, step := range []struct {
		sequence, flags uint32
		nals            []string
		want            string // "": no unit
		number          uint64
	}{
		{100, 0, []string{testP(0)}, "", 0}, // undecodable
		{101, 0, []string{testSPS, testPPS}, "", 0},
		{102, 0, []string{testIDR}, "7 8 5", 1},
		{103, 0, []string{testP(1)}, "1", 2},
		{104, 0, []string{testP(2)}, "1", 3},
		{107, 0, []string{testP(3)}, "", 0}, // two are lost
		{108, 0, []string{testSPS, testPPS, testIDR}, "7 8 5", 6},
		{109, bufFlagError, []string{testP(1)}, "", 0},
		{110, 0, []string{testP(2)}, "", 0},
		{111, 0, []string{testIDR}, "7 8 5", 7},
		{112, 0, nil, "", 0}, // an empty buffer counts as damaged
		{113, 0, []string{testP(1)}, "", 0},
		{114, 0, []string{testSPS, testPPS, testIDR}, "7 8 5", 8},
	} {
		e.deliver(step.sequence, step.flags, step.nals...)
		if step.want == "" {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			if err := e.ReadUnit(ctx, &u); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("step %d: %v", i, err)
			}
			cancel()
			continue
		}
		if got := e.unit(t, &u); got != step.want || u.Sequence != step.number || u.Key != strings.HasSuffix(step.want, "5") || time.Since(u.Captured) > time.Minute {
			t.Errorf("step %d: %s, number %d, key %v, captured %v", i, got, u.Sequence, u.Key, u.Captured)
		}
	}
	if n, why := e.Dropped(); n != 2 || !errors.Is(why, frame.ErrBadPicture) {
		t.Errorf("dropped %d: %v", n, why)
	}
	if info := e.Info(); info.Kind != "v4l2" || info.Width != 64 || info.FPS != 30 || !strings.Contains(info.Note, "key frames on request") || !strings.Contains(info.Note, "bitrate") {
		t.Errorf("%+v", info)
	}
}

// No unit is dropped for a newer one, and the reader's unit is unchanged until its next read, even after Close.
func TestH264WebcamKeepsTheOrder(t *testing.T) {
	e := newFakeEncoder(t, nil)
	for _, fd := range []*int{&e.camera.fd, &e.camera.wake} {
		var err error
		if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			t.Fatal(err)
		}
	}
	close(e.camera.stopped) // run was not started
	e.deliver(1, 0, testSPS, testPPS, testIDR)
	e.deliver(2, 0, testP(1))
	e.deliver(3, 0, testP(2))
	var u frame.AccessUnit
	for i, want := range []string{"7 8 5", "1", "1"} {
		if got := e.unit(t, &u); got != want || u.Sequence != uint64(i)+1 {
			t.Errorf("unit %d: %s, number %d", i, got, u.Sequence)
		}
	}
	kept := bytes.Clone(u.NALs[0])
	for _, s := range e.camera.slots { // not mapped: nothing to unmap
		if !s.out {
			s.memory = nil
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(kept, u.NALs[0]) {
		t.Error("the unit has changed")
	}
	e.out.memory = nil
	if err := e.ReadUnit(t.Context(), &u); !errors.Is(err, frame.ErrEnd) {
		t.Errorf("%v", err)
	}
}

// Key frames, bitrate and GOP size are set in the device's encoder if it has controls for them, within their limits, and only on change.
func TestWebcamEncoderControls(t *testing.T) {
	e := newFakeEncoder(t, map[uint32][2]int64{controlForceKey: {0, 0}, controlBitrate: {25_000, 8_000_000}, controlIPeriod: {1, 100}})
	tunable := tunableCamera{e.codedCamera}
	for _, c := range []frame.VideoConfig{
		{Bitrate: 2_000_000, FPS: 30, GOP: 2 * time.Second},
		{Bitrate: 2_000_000, FPS: 30, GOP: 2 * time.Second},
		{Bitrate: 50_000_000, FPS: 30, GOP: 2 * time.Second},
		{Bitrate: 10_000, FPS: 30, GOP: 20 * time.Second},
	} {
		if err := tunable.ConfigureVideo(c); err != nil {
			t.Error(err)
		}
	}
	if err := e.RequestKey(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(e.set, " "); got != "9909cf=2000000 990a66=60 9909cf=8000000 9909cf=25000 990a66=100 9909e5=0" {
		t.Errorf("set %s", got)
	}
	if note := e.Info().Note; note != "" {
		t.Errorf("%q", note)
	}
	if err := newFakeEncoder(t, nil).RequestKey(); !errors.Is(err, frame.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestH264WebcamDoesNotAllocate(t *testing.T) {
	e := newFakeEncoder(t, nil)
	var u frame.AccessUnit
	e.deliver(1, 0, testSPS, testPPS, testIDR)
	e.unit(t, &u)
	ctx, sequence := t.Context(), uint32(1)
	b := buffer{bytesused: uint32(4 + len(testP(1)))}
	for _, s := range e.camera.slots {
		copy(s.memory, "\x00\x00\x00\x01"+testP(1))
	}
	var failed error
	if n := testing.AllocsPerRun(100, func() {
		sequence++
		b.index, b.sequence = sequence%4, sequence
		e.camera.take(&b)
		failed = errors.Join(failed, e.ReadUnit(ctx, &u))
	}); n != 0 || failed != nil {
		t.Errorf("%v allocations per unit, %v", n, failed)
	}
}

// H.264 is chosen only if there is nothing else, or it alone is requested.
func TestH264IsTheLastResort(t *testing.T) {
	of := func(codes ...string) (modes []mode) {
		for _, code := range codes {
			f, err := formatOf(code)
			if err != nil {
				t.Fatal(err)
			}
			modes = append(modes, mode{format: f})
		}
		return modes
	}
	for _, c := range []struct{ has, want string }{{"H264", "H264"}, {"MJPG H264", "MJPG"}, {"H264 YUYV", "YUYV"}, {"YUYV MJPG", "YUYV MJPG"}} {
		var got []string
		for _, m := range withoutH264(of(strings.Fields(c.has)...)) {
			got = append(got, m.format.code)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.has, got, c.want)
		}
	}
}
