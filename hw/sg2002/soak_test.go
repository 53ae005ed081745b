//go:build linux && cgo

package sg2002

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// soakFrames is the number of pictures in a soak: SOAK_FRAMES (make soak: a million), by default a few thousand.
func soakFrames(t testing.TB) int {
	if n := os.Getenv("SOAK_FRAMES"); n != "" {
		frames, err := strconv.Atoi(n)
		if err != nil || frames < 1 {
			t.Fatalf("SOAK_FRAMES=%q: not a number of pictures", n)
		}
		return frames
	}
	if testing.Short() {
		return 1000
	}
	return 6000
}

// TestSoak streams JPEG and H.264 at once for a long time, while all kinds of failures are injected and settings change: pictures keep arriving, nothing
// leaks, and the units are complete and in an order that a decoder accepts.
func TestSoak(t *testing.T) {
	for i, path := range paths {
		t.Run(path, func(t *testing.T) {
			frames := soakFrames(t) / len(paths)
			onBoard(t, scenario{settings: "sensor_fps=4000;encode_us_per_mpixel=0;h264_us_per_mpixel=0;quiet=1"}, func(b *bench) {
				s := soak{bench: b, random: rand.New(rand.NewPCG(7, uint64(i))), config: Config{FPS: 60, Width: 128, Height: 48, Path: path}}
				s.run(frames)
			})
		})
	}
}

type soak struct {
	*bench
	random *rand.Rand
	config Config
	camera *Camera
	opened int
	faults int
	units  soakUnits
}

// soakUnits reads the H.264 of a soak's cameras, one after the other.
type soakUnits struct {
	stop               func()
	read, keys, failed int
	problem            error
}

// start reads a camera's H.264 until stop, as a pipeline would: after a failure it switches H.264 on again.
func (u *soakUnits) start(s *soak, camera *Camera) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan struct{})
	u.stop = func() {
		cancel()
		<-done
	}
	go func() {
		defer close(done)
		config := coding
		for ctx.Err() == nil && !camera.closing.Load() {
			config.GOP = time.Duration(10+u.read%7) * time.Second / 60
			if err := errors.Join(camera.ConfigureVideo(config), camera.SetVideo(true)); err != nil {
				u.failed++
				if !errors.Is(err, frame.ErrVideo) && !errors.Is(err, frame.ErrGone) {
					u.problem = err
				}
				time.Sleep(time.Millisecond)
				continue
			}
			u.follow(ctx, camera, 50+u.read%200)
			if err := camera.SetVideo(false); err != nil && !errors.Is(err, frame.ErrGone) {
				u.problem = err
			}
		}
	}()
}

// follow reads some units. In between, the bitrate changes and key frames are requested.
func (u *soakUnits) follow(ctx context.Context, camera *Camera, units int) {
	started := false // a key frame has arrived
	var unit frame.AccessUnit
	for i := range units {
		err := camera.ReadUnit(ctx, &unit)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, frame.ErrGone) && !errors.Is(err, frame.ErrVideo) {
				u.problem = err
			}
			u.failed++
			return
		}
		started = started || unit.Key
		switch list := types(&unit); {
		case !started:
			u.problem = fmt.Errorf("begins with NAL units %v", list)
		case unit.Key != bytes.Equal(list, keyTypes), !unit.Key && !bytes.Equal(list, plainTypes):
			u.problem = fmt.Errorf("NAL units %v, key %v", list, unit.Key)
		}
		u.read++
		if unit.Key {
			u.keys++
		}
		if i%17 == 16 {
			_ = camera.RequestKey()
		}
		if i%23 == 22 {
			config := coding
			config.GOP = time.Duration(10+u.read%7) * time.Second / 60
			config.Bitrate += i * 1000
			_ = camera.ConfigureVideo(config)
		}
	}
}

func (s *soak) run(frames int) {
	start := time.Now()
	var fds, threads int
	s.reopen()
	for i := range frames {
		if i%97 == 96 {
			s.disturb()
		}
		s.picture(i)
		if i == frames/10 {
			fds, threads = openResources()
		}
	}
	s.set("fail=;signal=;stall=;sprinkle=0;unplug=0;stall_frames=0;stall_at=;encode_stall_at=;h264_drop=;h264_late=;h264_dead=;h264_deaf=0")
	s.units.stop()
	if u := &s.units; u.problem != nil || u.keys == 0 || u.read < frames/50 {
		s.Errorf("%d units, %d key frames, failed %d times; %v", u.read, u.keys, u.failed, u.problem)
	}
	s.close(s.camera)
	nowFds, nowThreads := openResources()
	if nowFds > fds+8 || nowThreads > threads+8 {
		s.Errorf("early on %d descriptors and %d threads, at the end %d and %d", fds, threads, nowFds, nowThreads)
	}
	if used := s.Counter("ion.used"); used != 22<<20+768<<10 { // the firmware for H.264 stays
		s.Errorf("%d bytes of ION are used", used)
	}
	if touched := s.Counter("raw.touched"); touched != 0 {
		s.Errorf("%d raw bytes touched", touched)
	}
	s.Logf("%d pictures and %d units (%d key frames, begun again %d times) in %.1f s, %d disturbances, %d failures and %d waits cut short injected, opened %d times",
		frames, s.units.read, s.units.keys, s.units.failed, time.Since(start).Seconds(), s.faults, s.Counter("injected.failures"), s.Counter("injected.waits"), s.opened)
}

// reopen opens the camera, retrying as often as necessary.
func (s *soak) reopen() {
	s.Helper()
	if s.camera != nil {
		if s.opened%2 == 0 { // either may end first
			s.units.stop()
		}
		if err := s.camera.Close(); err != nil {
			s.Fatal(err)
		}
		s.units.stop()
	}
	for until := time.Now().Add(within); ; {
		camera, err := Open(s.Context(), s.config)
		if err == nil {
			s.camera = camera
			s.opened++
			s.units.start(s, camera)
			return
		}
		if !errors.Is(err, frame.ErrGone) || time.Now().After(until) {
			s.Fatalf("open: %v", err)
		}
	}
}

func (s *soak) picture(i int) {
	s.Helper()
	for until := time.Now().Add(within); ; {
		ctx, cancel := context.WithTimeout(s.Context(), within)
		var p frame.Picture
		err := s.camera.ReadJPEG(ctx, pictureMemory, &p)
		cancel()
		if errors.Is(err, frame.ErrGone) && time.Now().Before(until) {
			s.reopen()
			continue
		}
		if err != nil {
			s.Fatalf("picture %d: %v", i, err)
		}
		jpg := pictureMemory[:p.Size]
		if p.Width != s.config.Width || p.Height != s.config.Height {
			s.Fatalf("picture %d claims to be %dx%d, want %dx%d", i, p.Width, p.Height, s.config.Width, s.config.Height)
		}
		if len(jpg) < 100 || jpg[0] != 0xff || jpg[1] != 0xd8 || jpg[len(jpg)-2] != 0xff || jpg[len(jpg)-1] != 0xd9 {
			s.Fatalf("picture %d is not a JPEG: %d bytes", i, len(jpg))
		}
		if i%500 == 0 {
			if size := decode(s, jpg).Bounds().Size(); size.X != p.Width || size.Y != p.Height {
				s.Fatalf("picture %d is of %v, claims to be %dx%d", i, size, p.Width, p.Height)
			}
		}
		return
	}
}

// disturb does one of the things that happen in the life of a camera.
func (s *soak) disturb() {
	s.Helper()
	s.faults++
	pick := func(list ...string) string { return list[s.random.IntN(len(list))] }
	tolerate := func(what string, err error) { // an injected fault may have hit the change itself
		s.Helper()
		if err != nil && !errors.Is(err, frame.ErrGone) {
			s.Fatalf("%s: %v", what, err)
		}
	}
	switch s.random.IntN(14) {
	case 0:
		call := pick("CVI_VENC_SendFrame", "CVI_VENC_GetStream", "CVI_VENC_ReleaseStream", "CVI_VPSS_GetChnFrame", "CVI_VPSS_ReleaseChnFrame")
		code := map[string]string{"CVI_VPSS_GetChnFrame": "0xC006800E"}[call]
		if code == "" {
			code = pick("-1", "0xC0078012")
		}
		s.set(fmt.Sprintf("fail=%s:%d:%s", call, 1+s.random.IntN(20), code))
	case 1:
		s.set(fmt.Sprintf("fail=%s:1:-1", pick("CVI_VENC_CreateChn", "CVI_VB_CreatePool", "CVI_VPSS_SetChnAttr", "CVI_VPSS_EnableChn", "CVI_VENC_SetJpegParam")))
	case 2:
		s.set(fmt.Sprintf("signal=%s:%d:3", pick("CVI_VENC_GetStream", "CVI_VPSS_GetChnFrame", "CVI_VENC_SendFrame"), 1+s.random.IntN(10)))
	case 3:
		s.set(fmt.Sprintf("sprinkle=%d", s.random.IntN(3)*10))
	case 4:
		s.set("stall_frames=1")
		time.Sleep(time.Duration(s.random.IntN(20)) * time.Millisecond)
		s.set("stall_frames=0")
	case 5:
		s.set("unplug=1")
		time.Sleep(time.Duration(s.random.IntN(20)) * time.Millisecond)
		s.set("unplug=0")
	case 6:
		sizes := []frame.Size{{Width: 128, Height: 48}, {Width: 114, Height: 64}, {Width: 128, Height: 96}, {Width: 118, Height: 34}, {Width: 66, Height: 34}} // no H.264 at the last one
		size := sizes[s.random.IntN(len(sizes))]
		err := s.camera.Resize(size.Width, size.Height)
		tolerate("resize", err)
		if err == nil {
			s.config.Width, s.config.Height = size.Width, size.Height
		}
	case 7:
		_, err := s.camera.SetQuality(1 + s.random.IntN(100))
		tolerate("quality", err)
	case 8:
		tolerate("orientation", s.camera.SetOrientation(s.random.IntN(2) == 0, s.random.IntN(2) == 0))
	case 9:
		tolerate("overlay", s.camera.SetOverlay(pick("", "a", "%H:%M:%S", "some words")))
	case 10:
		if s.faults%10 == 0 {
			s.set("fail=" + pick("CVI_VI_EnableChn", "CVI_ISP_Init", "CVI_VPSS_CreateGrp", "CVI_SYS_Bind", "pfnSnsProbe") + ":1:-1")
			s.reopen()
		}
	case 12:
		call := pick("CVI_VENC_SendFrame", "CVI_VENC_GetStream", "CVI_VENC_ReleaseStream", "CVI_VENC_RequestIDR", "CVI_VENC_SetChnAttr", "CVI_VENC_GetChnAttr",
			"CVI_VENC_CreateChn", "CVI_VENC_StartRecvFrame", "CVI_VENC_SetRcParam", "CVI_VENC_SetH264Entropy")
		times := 1 + s.random.IntN(4)
		if call == "CVI_VENC_ReleaseStream" {
			times = 1 // it is called twice; if it never succeeds, that is a leak
		}
		s.set(fmt.Sprintf("fail=%s(%d):%d:%s:%d", call, videoChannel, 1+s.random.IntN(5), pick("-1", "0xC0078012", "0xC0078041"), times))
	case 13:
		what := pick("h264_drop=%d", "h264_late=%d:50", "h264_dead=%d", "h264_deaf=1;h264_drop=%d", "h264_deaf=0;h264_late=%d:5")
		s.set(fmt.Sprintf(what, s.Counter("h264.frames")+s.Counter("h264.lost")+int64(s.random.IntN(20))))
	case 11:
		if s.faults%200 == 0 { // takes the driver's two seconds
			s.set(fmt.Sprintf("encode_stall_at=%d:2500", s.Counter("jpeg.frames")+3))
		}
	}
}
