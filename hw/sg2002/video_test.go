//go:build linux && cgo

package sg2002

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
)

// coding is the encoder configuration of these tests: a key frame every 10 frames.
var coding = frame.VideoConfig{Bitrate: 1_000_000, FPS: 30, GOP: time.Second / 3}

// pictures reads JPEGs until stop: units are made from the same frames.
func (b *bench) pictures(c *Camera) (stop func() (read uint64)) {
	ctx, cancel := context.WithCancel(b.Context())
	var read atomic.Uint64
	done := make(chan error, 1)
	go func() {
		memory := make([]byte, 4<<20)
		for {
			var p frame.Picture
			err := c.ReadJPEG(ctx, memory, &p)
			if ctx.Err() != nil {
				done <- nil
				return
			}
			if err != nil {
				done <- err
				return
			}
			if !bytes.HasPrefix(memory, []byte{0xff, 0xd8}) || !bytes.HasSuffix(memory[:p.Size], []byte{0xff, 0xd9}) {
				done <- fmt.Errorf("a picture of %d bytes is not a JPEG", p.Size)
				return
			}
			read.Add(1)
		}
	}()
	return func() uint64 {
		b.Helper()
		cancel()
		if err := <-done; err != nil {
			b.Errorf("pictures beside H.264: %v", err)
		}
		return read.Load()
	}
}

// video switches H.264 on.
func (b *bench) video(c *Camera, config frame.VideoConfig) {
	b.Helper()
	if err := c.ConfigureVideo(config); err != nil {
		b.Fatal(err)
	}
	if err := c.SetVideo(true); err != nil {
		b.Fatal(err)
	}
}

// unit reads a unit.
func (b *bench) unit(c *Camera, u *frame.AccessUnit) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), within)
	defer cancel()
	if err := c.ReadUnit(ctx, u); err != nil {
		b.Fatalf("read unit: %v", err)
	}
}

// types lists the types of a unit's NAL units.
func types(u *frame.AccessUnit) (list []byte) {
	for _, nal := range u.NALs {
		list = append(list, nal[0]&0x1f)
	}
	return list
}

var keyTypes, plainTypes = []byte{7, 8, 5}, []byte{1}

// expectUnit reads a unit, which must be a key frame if key is set, and must not otherwise.
func (b *bench) expectUnit(c *Camera, key bool) frame.AccessUnit {
	b.Helper()
	var u frame.AccessUnit
	b.unit(c, &u)
	want := plainTypes
	if key {
		want = keyTypes
	}
	if u.Key != key || !bytes.Equal(types(&u), want) {
		b.Fatalf("unit %d: key %v, NAL units %v; want key %v", u.Sequence, u.Key, types(&u), key)
	}
	return u
}

// keyWithin reads units up to the next key frame, n at most.
func (b *bench) keyWithin(c *Camera, n int) {
	b.Helper()
	var u frame.AccessUnit
	for range n {
		if b.unit(c, &u); u.Key {
			return
		}
	}
	b.Fatalf("no key frame within %d units", n)
}

// annexB appends a unit as a byte stream.
func annexB(to *bytes.Buffer, u *frame.AccessUnit) {
	for _, nal := range u.NALs {
		to.Write([]byte{0, 0, 0, 1})
		to.Write(nal)
	}
}

// TestVideoBesidePictures: both encoders get the same frames, no pixel is touched, no compressed byte is copied before its reader does, and JPEG loses nothing.
func TestVideoBesidePictures(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "encode_us_per_mpixel=7000"}, func(b *bench) {
				camera := b.open(Config{Width: 640, Height: 480, FPS: 30, Path: path})
				if err := camera.CheckVideo(); err != nil {
					b.Fatal(err)
				}
				b.read(camera)
				if used := b.Counter("h264.frames"); used != 0 {
					b.Errorf("%d pictures of H.264 without a reader", used)
				}
				b.video(camera, coding)
				stop := b.pictures(camera)
				var stream bytes.Buffer
				var last frame.AccessUnit
				const units = 40
				size := 0
				for i := range units {
					u := b.expectUnit(camera, i%10 == 0)
					if i > 0 && (!u.Captured.After(last.Captured) || u.Sequence <= last.Sequence) {
						b.Errorf("unit %d: %v, %v after %v, %v", i, u.Sequence, u.Captured, last.Sequence, last.Captured)
					}
					if age := time.Since(u.Captured); age < 0 {
						b.Errorf("unit %d is %v old", i, age)
					}
					annexB(&stream, &u)
					size += u.Size()
					last = u
				}
				if err := camera.SetVideo(false); err != nil {
					b.Error(err)
				}
				read := stop()
				s := camera.videoStats()
				b.close(camera)
				b.Logf("%d pictures and %d units, %d frames skipped", read, s.units, s.skipped)
				if s.units < units || s.units > units+2 || s.lost+s.recreated+s.restarted != 0 {
					b.Errorf("%+v", s)
				}
				for _, counter := range []string{"raw.touched", "raw.mapped", "h264.lost", "h264.overflows"} {
					if n := b.Counter(counter); n != 0 {
						b.Errorf("%s: %d", counter, n)
					}
				}
				// Three packs per key frame, one per other frame: each is mapped once.
				if maps, made, keys := b.Counter("h264.maps"), b.Counter("h264.frames"), b.Counter("h264.keys"); maps > made+2*keys || maps < int64(units+2*units/10) {
					b.Errorf("%d mappings for %d units, %d of them key frames", maps, made, keys)
				}
				if touched, all := b.Counter("h264.touched"), b.Counter("h264.bytes"); touched > all {
					b.Errorf("%d bytes of H.264 touched of %d", touched, all)
				}
				if !emulated() {
					b.decodes(stream.Bytes(), units, 640, 480)
				}
			})
		})
	}
}

// decodes decodes a stream with ffmpeg.
func (b *bench) decodes(stream []byte, units, width, height int) {
	b.Helper()
	testenv.Program(b.T, "ffprobe")
	file := filepath.Join(b.TempDir(), "stream.h264")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		b.Fatal(err)
	}
	out, err := exec.CommandContext(b.Context(), "ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=width,height,has_b_frames,nb_read_frames", "-of", "csv=p=0", file).CombinedOutput()
	if want := fmt.Sprintf("%d,%d,0,%d", width, height, units); err != nil || strings.TrimSpace(string(out)) != want {
		b.Errorf("ffprobe: %v: %s, want %s", err, out, want)
	}
}

// TestVideoKeyFrames: a key frame follows a request, even with a core that ignores requests, and after a change, without a gap.
func TestVideoKeyFrames(t *testing.T) {
	onBoard(t, scenario{settings: "encode_us_per_mpixel=0;sensor_fps=200"}, func(b *bench) {
		camera := b.open(Config{Width: 320, Height: 240, FPS: 60})
		slow := coding
		slow.GOP = 10 * time.Second
		b.video(camera, slow)
		stop := b.pictures(camera)
		var u frame.AccessUnit
		b.expectUnit(camera, true)
		for range 3 {
			b.expectUnit(camera, false)
		}
		if err := camera.RequestKey(); err != nil {
			b.Fatal(err)
		}
		b.keyWithin(camera, 3)
		b.expectUnit(camera, false)
		b.set("h264_deaf=1")
		for range 2 {
			if err := camera.RequestKey(); err != nil {
				b.Fatal(err)
			}
			b.keyWithin(camera, 5)
			b.expectUnit(camera, false)
		}
		b.set("h264_deaf=0")
		if s := camera.videoStats(); s.restarted != 2 && s.restarted != 3 {
			b.Errorf("restarted %d times for two key frames", s.restarted)
		}
		// A new interval needs a new channel, a new bitrate does not.
		if err := camera.ConfigureVideo(coding); err != nil {
			b.Fatal(err)
		}
		b.keyWithin(camera, 3)
		for range 9 {
			b.expectUnit(camera, false)
		}
		b.expectUnit(camera, true)
		less := coding
		less.Bitrate = 100_000
		if err := camera.ConfigureVideo(less); err != nil {
			b.Fatal(err)
		}
		b.unit(camera, &u)
		b.keyWithin(camera, 25)
		// And all of it again at another size.
		if err := camera.Resize(640, 480); err != nil {
			b.Fatal(err)
		}
		b.keyWithin(camera, 5)
		if err := camera.SetVideo(false); err != nil {
			b.Error(err)
		}
		stop()
		b.close(camera)
	})
}

// TestVideoFaults: after any failure of the H.264 encoder, units resume with a key frame, or its reader gets the error; JPEG keeps its rate.
func TestVideoFaults(t *testing.T) {
	for i, c := range []struct {
		name, settings string
		recreated      uint64 // how often the channel is recreated
		lost           uint64
		over           string // the call it is given up for; "": it continues
	}{
		{"a picture that does not fit", "h264_drop=4", 1, 1, ""},
		{"a picture that is late", "h264_late=4:300", 0, 0, ""},
		{"a picture that never arrives", "h264_late=4:2500", 1, 1, ""},
		{"the driver's thread has ended", "h264_dead=4", 1, 1, ""},
		{"two in a row", "h264_dead=4;h264_drop=5", 1, 2, "CVI_VENC_GetStream"},
		{"busy twice", "fail=CVI_VENC_SendFrame(2):4:0xC0078012:2", 0, 0, ""},
		{"busy for good", "fail=CVI_VENC_SendFrame(2):4:0xC0078012:*", 1, 0, "CVI_VENC_SendFrame"},
		{"rate control drops some", "fail=CVI_VENC_SendFrame(2):4:0xC0078041:5", 0, 0, ""},
		{"the format has changed", "fail=CVI_VENC_SendFrame(2):4:0xC0078003", 1, 0, ""},
		{"the codec layer has no memory", "fail=CVI_VENC_SendFrame(2):1:-1:*", 1, 0, "CVI_VENC_SendFrame"},
		{"an encode error", "fail=CVI_VENC_GetStream(2):4:0xC007804C", 1, 1, ""},
		{"interrupted waits", "signal=CVI_VENC_GetStream(2):4:20", 0, 0, ""},
		{"a stream whose release fails", "fail=CVI_VENC_ReleaseStream(2):4:-1", 0, 0, ""},
		{"a key frame refused", "fail=CVI_VENC_RequestIDR(2):1:-1", 1, 0, ""},
		{"a rate refused", "fail=CVI_VENC_SetChnAttr(2):1:-1", 1, 0, ""},
		{"a new channel refused", "h264_drop=4;fail=CVI_VENC_CreateChn(2):2:-1", 0, 1, "CVI_VENC_GetStream"},
	} {
		if emulated() && i%4 != 0 {
			continue
		}
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=100;encode_us_per_mpixel=0;" + c.settings}, func(b *bench) {
				camera := b.open(Config{Width: 320, Height: 240, FPS: 60})
				b.video(camera, coding)
				stop := b.pictures(camera)
				var u frame.AccessUnit
				var err error
				for i := range 40 {
					ctx, cancel := context.WithTimeout(b.Context(), within)
					err = camera.ReadUnit(ctx, &u)
					cancel()
					if err != nil {
						break
					}
					if i == 8 {
						other := coding
						other.Bitrate /= 2
						if err := errors.Join(camera.RequestKey(), camera.ConfigureVideo(other)); err != nil {
							b.Error(err)
						}
					}
				}
				switch {
				case c.over == "" && err != nil:
					b.Errorf("given up: %v", err)
				case c.over != "" && err == nil:
					b.Error("not given up")
				case c.over != "":
					b.expect(err, frame.ErrVideo, "H.264", c.over)
					b.set("fail=;h264_dead=;h264_drop=")
					b.video(camera, coding) // the next reader
					b.expectUnit(camera, true)
				}
				s := camera.videoStats()
				if s.recreated != c.recreated || s.lost != c.lost {
					b.Errorf("%+v; want it recreated %d times, %d pictures lost", s, c.recreated, c.lost)
				}
				if err := camera.SetVideo(false); err != nil {
					b.Error(err)
				}
				if read := stop(); read < s.units {
					b.Errorf("%d pictures beside %d units", read, s.units)
				}
				b.read(camera)
				b.close(camera)
			})
		})
	}
}

// TestVideoRefused: the error says what H.264 lacks, and JPEG continues.
func TestVideoRefused(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		// 640x480 with the small sensor mode takes 10.3 MiB, 3.1 of them for VI; H.264 of it takes 2.7, 1280x720 takes 4.6, and pictures of that size 3.5 more.
		settings := fmt.Sprintf("ion=%d", (22+17)<<20)
		prepare := func(t *testing.T, root string) { bootWith(t, root, settings) }
		onBoard(t, scenario{prepare: prepare, settings: settings + ";sensor_fps=200;encode_us_per_mpixel=0"}, func(b *bench) {
			camera := b.open(Config{Width: 640, Height: 480, FPS: 60})
			if err := camera.CheckVideo(); err != nil {
				b.Error(err)
			}
			b.video(camera, coding)
			stop := b.pictures(camera)
			b.expectUnit(camera, true)
			if err := camera.Resize(1280, 720); err != nil { // JPEG's part fits
				b.Fatal(err)
			}
			var u frame.AccessUnit
			ctx, cancel := context.WithTimeout(b.Context(), within)
			defer cancel()
			var err error
			for err == nil { // units from before the change
				err = camera.ReadUnit(ctx, &u)
			}
			b.expect(err, frame.ErrVideo, "H.264 of 1280x720", "MiB of ION memory needed", "are free", "smaller size")
			b.expect(camera.CheckVideo(), frame.ErrVideo, "1280x720")
			b.expect(camera.SetVideo(true), frame.ErrVideo, "1280x720")
			stop()
			b.read(camera)
			if err := camera.Resize(640, 480); err != nil {
				b.Fatal(err)
			}
			stop = b.pictures(camera)
			b.video(camera, coding)
			b.expectUnit(camera, true)
			if err := camera.SetVideo(false); err != nil {
				b.Error(err)
			}
			stop()
			b.close(camera)
		})
	})
	t.Run("firmware", func(t *testing.T) {
		onBoard(t, scenario{settings: "sensor_fps=200;encode_us_per_mpixel=0;missing=" + videoFirmware}, func(b *bench) {
			camera := b.open(Config{Width: 320, Height: 240, FPS: 60})
			if err := camera.ConfigureVideo(coding); err != nil {
				b.Error(err)
			}
			b.expect(camera.SetVideo(true), frame.ErrVideo, "firmware is missing", "coda980.bin", "0xc0078006")
			b.read(camera)
			b.close(camera)
		})
	})
	t.Run("size", func(t *testing.T) {
		onBoard(t, scenario{settings: "sensor_fps=200;encode_us_per_mpixel=0"}, func(b *bench) {
			camera := b.open(Config{Width: 96, Height: 96, FPS: 60})
			b.expect(camera.SetVideo(true), frame.ErrVideo, "96x96", "114x16")
			b.expect(camera.CheckVideo(), frame.ErrVideo)
			b.read(camera)
			b.close(camera)
		})
	})
}

// TestEveryVideoCallFails fails each call that H.264 makes, from its first reader to its last: either units arrive anyway, or the reader gets an error
// that names the call; JPEG continues, and nothing leaks.
func TestEveryVideoCallFails(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=500;encode_us_per_mpixel=0"}, func(b *bench) {
				config := Config{Width: 320, Height: 240, Path: path}
				camera := b.open(config)
				b.read(camera)
				if err := camera.ConfigureVideo(coding); err != nil {
					b.Fatal(err)
				}
				b.set("trace=1")
				b.units(camera)
				b.set("trace=0")
				trace, err := os.ReadFile(filepath.Join(b.root, ".sim", "trace.log"))
				if err != nil {
					b.Fatal(err)
				}
				seen := map[string]bool{}
				for line := range strings.Lines(string(trace)) {
					fields := strings.Fields(line)
					call := fields[2]
					if seen[call] || !strings.HasSuffix(call, fmt.Sprintf("(%d)", videoChannel)) {
						continue
					}
					seen[call] = true
					for _, code := range []string{"-1", "0xC0078012"} {
						injected := b.Counter("injected.failures")
						b.set(fmt.Sprintf("fail=%s:1:%s", call, code))
						err := b.units(camera)
						b.set("fail=")
						if b.Counter("injected.failures") == injected {
							b.Errorf("%s: never called", call)
						}
						if err != nil {
							name, _, _ := strings.Cut(call, "(")
							b.expect(err, frame.ErrVideo, name)
						}
						if err := b.units(camera); err != nil {
							b.Errorf("%s: and without: %v", call, err)
						}
					}
				}
				if len(seen) < 11 {
					b.Errorf("only %d calls found: %v", len(seen), seen)
				}
				b.close(camera)
			})
		})
	}
}

// units switches H.264 on, reads some units, including a requested key frame and a change of bitrate, and switches it off.
func (b *bench) units(camera *Camera) error {
	b.Helper()
	stop := b.pictures(camera)
	defer stop()
	if err := camera.SetVideo(true); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.Context(), within)
	defer cancel()
	var u frame.AccessUnit
	for i := range 8 {
		if err := camera.ReadUnit(ctx, &u); err != nil {
			return err
		}
		if i == 0 && !u.Key {
			return fmt.Errorf("the first unit is not a key frame: %v", types(&u))
		}
		if i == 2 {
			other := coding
			other.Bitrate += int(u.Sequence)*1000 + 1000
			if err := errors.Join(camera.ConfigureVideo(other), camera.RequestKey()); err != nil {
				return err
			}
		}
	}
	return camera.SetVideo(false)
}
