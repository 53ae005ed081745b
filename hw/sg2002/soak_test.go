//go:build linux && cgo

package sg2002

import (
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

// soakFrames is how many pictures the soak makes: SOAK_FRAMES (make soak: a million), else a few thousand.
func soakFrames(t testing.TB) int {
	if n := os.Getenv("SOAK_FRAMES"); n != "" {
		frames, err := strconv.Atoi(n)
		if err != nil || frames < 1 {
			t.Fatalf("SOAK_FRAMES=%q: a number of pictures, please", n)
		}
		return frames
	}
	if testing.Short() {
		return 1000
	}
	return 6000
}

// TestSoak streams for long while all that can go wrong goes wrong now and then, and settings change: pictures keep coming, nothing is lost on the way.
func TestSoak(t *testing.T) {
	for i, path := range paths {
		t.Run(path, func(t *testing.T) {
			frames := soakFrames(t) / len(paths)
			onBoard(t, scenario{settings: "sensor_fps=4000;encode_us_per_mpixel=0;quiet=1"}, func(b *bench) {
				s := soak{bench: b, random: rand.New(rand.NewPCG(7, uint64(i))), config: Config{FPS: 60, Width: 64, Height: 48, Path: path}}
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
			fds, threads = held()
		}
	}
	s.set("fail=;signal=;stall=;sprinkle=0;unplug=0;stall_frames=0;stall_at=;encode_stall_at=")
	s.close(s.camera)
	nowFds, nowThreads := held()
	if nowFds > fds+8 || nowThreads > threads+8 {
		s.Errorf("early on %d descriptors and %d threads, at the end %d and %d", fds, threads, nowFds, nowThreads)
	}
	if used := s.Counter("ion.used"); used != 22<<20 {
		s.Errorf("%d bytes of ION are used", used)
	}
	if touched := s.Counter("raw.touched"); touched != 0 {
		s.Errorf("%d raw bytes touched", touched)
	}
	s.Logf("%d pictures in %.1f s, %d disturbances, %d failures and %d waits cut short injected, opened %d times",
		frames, time.Since(start).Seconds(), s.faults, s.Counter("injected.failures"), s.Counter("injected.waits"), s.opened)
}

// reopen opens the camera, as often as it takes.
func (s *soak) reopen() {
	s.Helper()
	if s.camera != nil {
		if err := s.camera.Close(); err != nil {
			s.Fatal(err)
		}
	}
	for until := time.Now().Add(within); ; {
		camera, err := Open(s.Context(), s.config)
		if err == nil {
			s.camera = camera
			s.opened++
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
			s.Fatalf("picture %d is told to be %dx%d, want %dx%d", i, p.Width, p.Height, s.config.Width, s.config.Height)
		}
		if len(jpg) < 100 || jpg[0] != 0xff || jpg[1] != 0xd8 || jpg[len(jpg)-2] != 0xff || jpg[len(jpg)-1] != 0xd9 {
			s.Fatalf("picture %d is no JPEG: %d bytes", i, len(jpg))
		}
		if i%500 == 0 {
			if size := decode(s, jpg).Bounds().Size(); size.X != p.Width || size.Y != p.Height {
				s.Fatalf("picture %d is of %v, told to be %dx%d", i, size, p.Width, p.Height)
			}
		}
		return
	}
}

// disturb does one thing of those that happen in the life of a camera.
func (s *soak) disturb() {
	s.Helper()
	s.faults++
	some := func(list ...string) string { return list[s.random.IntN(len(list))] }
	tolerate := func(what string, err error) { // a fault may have hit the change itself
		s.Helper()
		if err != nil && !errors.Is(err, frame.ErrGone) {
			s.Fatalf("%s: %v", what, err)
		}
	}
	switch s.random.IntN(12) {
	case 0:
		call := some("CVI_VENC_SendFrame", "CVI_VENC_GetStream", "CVI_VENC_ReleaseStream", "CVI_VPSS_GetChnFrame", "CVI_VPSS_ReleaseChnFrame")
		code := map[string]string{"CVI_VPSS_GetChnFrame": "0xC006800E"}[call]
		if code == "" {
			code = some("-1", "0xC0078012")
		}
		s.set(fmt.Sprintf("fail=%s:%d:%s", call, 1+s.random.IntN(20), code))
	case 1:
		s.set(fmt.Sprintf("fail=%s:1:-1", some("CVI_VENC_CreateChn", "CVI_VB_CreatePool", "CVI_VPSS_SetChnAttr", "CVI_VPSS_EnableChn", "CVI_VENC_SetJpegParam")))
	case 2:
		s.set(fmt.Sprintf("signal=%s:%d:3", some("CVI_VENC_GetStream", "CVI_VPSS_GetChnFrame", "CVI_VENC_SendFrame"), 1+s.random.IntN(10)))
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
		sizes := []frame.Size{{Width: 64, Height: 48}, {Width: 96, Height: 64}, {Width: 128, Height: 96}, {Width: 66, Height: 34}}
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
		tolerate("overlay", s.camera.SetOverlay(some("", "a", "%H:%M:%S", "some words")))
	case 10:
		if s.faults%10 == 0 {
			s.set("fail=" + some("CVI_VI_EnableChn", "CVI_ISP_Init", "CVI_VPSS_CreateGrp", "CVI_SYS_Bind", "pfnSnsProbe") + ":1:-1")
			s.reopen()
		}
	case 11:
		if s.faults%200 == 0 { // takes the driver's two seconds
			s.set(fmt.Sprintf("encode_stall_at=%d:2500", s.Counter("jpeg.frames")+3))
		}
	}
}
