//go:build linux && cgo

package sg2002

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// luminanceTable returns the sum of a JPEG's first quantisation table, which decreases as quality rises.
func luminanceTable(t testing.TB, jpg []byte) int {
	t.Helper()
	at := bytes.Index(jpg, []byte{0xff, 0xdb, 0, 67, 0})
	if at < 0 {
		at = bytes.Index(jpg, []byte{0xff, 0xdb, 0, 132, 0})
	}
	if at < 0 || at+69 > len(jpg) {
		t.Fatal("no quantisation table in the JPEG")
	}
	sum := 0
	for _, q := range jpg[at+5 : at+69] {
		sum += int(q)
	}
	return sum
}

// annexK is the luminance table of annex K of the JPEG standard, which the encoder scales as libjpeg does.
var annexK = []int{
	16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
	18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
}

func scaledTable(quality int) int {
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	sum := 0
	for _, q := range annexK {
		sum += min(max((q*percent+50)/100, 1), 255)
	}
	return sum
}

// TestQuality: pictures have the requested quality from the next one on, and the two qualities that the encoder lacks use the nearest.
func TestQuality(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 320, Height: 240, Path: path, Quality: 100})
				if _, p := b.read(camera); p.Quality != 99 {
					b.Errorf("opened with quality 100: %d", p.Quality)
				}
				for quality, want := range map[int]int{1: 1, 10: 10, 49: 49, 50: 51, 51: 51, 80: 80, 99: 99, 100: 99} {
					used, err := camera.SetQuality(quality)
					if err != nil || used != want {
						b.Errorf("quality %d: %d, %v", quality, used, err)
					}
					if path == "bound" { // one picture may be in progress
						b.read(camera)
						b.read(camera)
					}
					jpg, p := b.read(camera)
					if got := luminanceTable(b, jpg); p.Quality != want || got != scaledTable(want) {
						b.Errorf("quality %d: picture says %d, table %d, want %d", quality, p.Quality, got, scaledTable(want))
					}
				}
				for _, quality := range []int{0, -1, 101} {
					if _, err := camera.SetQuality(quality); err == nil {
						b.Errorf("quality %d is accepted", quality)
					}
				}
				b.close(camera)
			})
		})
	}
}

// TestRate: VPSS drops frames while the sensor keeps its rate.
func TestRate(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 640, Height: 480, Path: path})
				v := view{sensor: image.Pt(1280, 720), fit: "crop", width: 640, height: 480}
				for _, fps := range []float64{60, 20, 7.5, 60} {
					if err := camera.SetFPS(fps); err != nil {
						b.Fatal(err)
					}
					for range 4 { // queued before the change
						b.read(camera)
					}
					jpg, _ := b.read(camera)
					before := v.number(b, decode(b, jpg))
					const pictures = 6
					for range pictures {
						jpg, _ = b.read(camera)
					}
					frames := v.number(b, decode(b, jpg)) - before
					if least := int(60 / (fps + 1) * (pictures - 1)); frames < least {
						b.Errorf("%v frames per second: %d pictures of %d frames, want at least %d", fps, pictures, frames, least)
					}
				}
				if err := camera.SetFPS(0); err == nil {
					b.Error("0 frames per second are accepted")
				}
				b.close(camera)
			})
		})
	}
}

// TestDark: no exposure is longer than the requested frame time, so that the rate holds in the dark.
func TestDark(t *testing.T) {
	onBoard(t, scenario{settings: "dark=1"}, func(b *bench) {
		camera := b.open(Config{FPS: 60})
		_, last := b.read(camera)
		shortest := time.Hour
		for range 20 { // at least one must be short enough: this machine may be slow
			_, p := b.read(camera)
			shortest, last = min(shortest, p.Captured.Sub(last.Captured)), p
		}
		if shortest > 100*time.Millisecond { // the driver's own limit is 364 ms
			b.Errorf("frames are at least %v apart", shortest)
		}
		b.close(camera)
	})
}

// TestOrientation: mirror and flip change while streaming, on a board whose sensor is mounted upside down and on one where it is not.
func TestOrientation(t *testing.T) {
	for _, board := range []string{"maixcam", "maixcam_pro"} {
		t.Run(board, func(t *testing.T) {
			onBoard(t, scenario{board: board}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 640, Height: 480})
				for i, o := range [][2]bool{{false, false}, {true, false}, {true, true}, {false, true}, {false, false}} {
					if err := camera.SetOrientation(o[0], o[1]); err != nil {
						b.Fatal(err)
					}
					for range 4 {
						b.read(camera)
					}
					jpg, _ := b.read(camera)
					v := view{sensor: image.Pt(1280, 720), fit: "crop", mirror: o[0], flip: o[1], width: 640, height: 480}
					picture := decode(b, jpg)
					v.check(b, picture, false)
					if b.Failed() {
						b.Fatalf("change %d: mirror %v, flip %v", i, o[0], o[1])
					}
				}
				b.close(camera)
			})
		})
	}
}

// TestResize: the size changes while the sensor keeps running; unsupported sizes are refused and change nothing.
func TestResize(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "encode_us_per_mpixel=0"}, func(b *bench) {
				camera := b.open(Config{FPS: 25, Width: 640, Height: 480, Path: path, Overlay: "maixstream"})
				large := frame.Size{Width: 2560, Height: 1440}
				if emulated() {
					large = frame.Size{Width: 1024, Height: 768}
				}
				for _, size := range []frame.Size{{Width: 1280, Height: 720}, {Width: 32, Height: 32}, large, {Width: 640, Height: 480}} {
					if err := camera.Resize(size.Width, size.Height); err != nil {
						b.Fatal(err)
					}
					jpg, p := b.read(camera)
					got := decode(b, jpg).Bounds().Size()
					if info := camera.Info(); p.Width != size.Width || got.X != size.Width || got.Y != size.Height || info.Width != size.Width || info.Height != size.Height {
						b.Errorf("resized to %v: picture %v, reported %dx%d, info %dx%d", size, got, p.Width, p.Height, info.Width, info.Height)
					}
				}
				for _, size := range []frame.Size{{Width: 641, Height: 480}, {Width: 640, Height: 481}, {Width: 30, Height: 480}, {Width: 2882, Height: 480}, {Width: -2, Height: 480}} {
					if err := camera.Resize(size.Width, size.Height); !errors.Is(err, frame.ErrSize) {
						b.Errorf("resized to %v: %v", size, err)
					}
				}
				// If the encoder for a size cannot be created, the previous size stays.
				b.set("fail=CVI_VENC_CreateChn:1:0xC007800C")
				if err := camera.Resize(800, 600); err == nil {
					b.Error("resized without an encoder")
				}
				if _, p := b.read(camera); p.Width != 640 || p.Height != 480 {
					b.Errorf("after a failed change: %dx%d", p.Width, p.Height)
				}
				b.close(camera)
			})
		})
	}
}

// brightness returns the largest luma within a rectangle, and the mean.
func brightness(picture image.Image, r image.Rectangle) (most, mean int) {
	sum, n := 0, 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			l := luma(picture.At(x, y))
			most, sum, n = max(most, l), sum+l, n+1
		}
	}
	return most, sum / max(n, 1)
}

// TestOverlay: the text is in the lower left corner at any size and orientation, and follows the clock.
func TestOverlay(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 640, Height: 480, Path: path})
				show := func(what string) image.Image {
					for range 4 {
						b.read(camera)
					}
					jpg, _ := b.read(camera)
					return decode(b, jpg)
				}
				letters := func(what string, want bool) {
					b.Helper()
					picture := show(what)
					w, h := picture.Bounds().Dx(), picture.Bounds().Dy()
					line := max(h/20, 12)
					// White letters on a dark box; the scene has neither there.
					if most, _ := brightness(picture, image.Rect(4, h-line-8, min(w/3, 150), h-2)); (most > 225) != want {
						b.Errorf("%s: text %v, want %v (brightest %d)", what, !want, want, most)
					}
				}
				letters("without", false)
				for _, text := range []string{"maixstream", "%H:%M:%S", "100 %% long text that is cut off at the edge of the picture because it does not fit into a line of it"} {
					if err := camera.SetOverlay(text); err != nil {
						b.Fatal(err)
					}
					letters(text, true)
				}
				for _, o := range [][2]bool{{true, false}, {false, true}, {true, true}} {
					if err := camera.SetOrientation(o[0], o[1]); err != nil {
						b.Fatal(err)
					}
					letters(fmt.Sprint("orientation ", o), true)
				}
				if err := camera.Resize(1280, 720); err != nil {
					b.Fatal(err)
				}
				letters("larger", true)
				if err := camera.SetOverlay(""); err != nil {
					b.Fatal(err)
				}
				letters("removed", false)
				if err := camera.SetOverlay("%S"); err != nil {
					b.Fatal(err)
				}
				before := camera.text.shown
				for until := time.Now().Add(within); camera.text.shown == before; {
					b.read(camera)
					if time.Now().After(until) {
						b.Fatalf("the clock still says %s", before)
					}
				}
				b.close(camera)
			})
		})
	}
}

// TestMode: the sensor switches to a mode that suits the rate, and back, while streaming; for rates that VPSS can make it keeps its mode.
func TestMode(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 30, Path: path, Overlay: "front door", Still: true})
				for _, c := range []struct {
					width, height int
					fps, used     float64
					sensor        image.Point
					runs          float64 // the sensor's rate
				}{
					{640, 480, 60, 60, image.Pt(1280, 720), 60},
					{640, 480, 40, 40, image.Pt(1280, 720), 60},
					{640, 480, 30, 30, image.Pt(2560, 1440), 30},
					{640, 480, 10, 10, image.Pt(2560, 1440), 30},
					{640, 480, 100, 60, image.Pt(1280, 720), 60},
					{1920, 1080, 60, 30, image.Pt(2560, 1440), 30},
				} {
					used, err := camera.SetMode(c.width, c.height, c.fps)
					if err != nil || used != c.used {
						b.Fatalf("%v frames per second at %dx%d: %v, %v", c.fps, c.width, c.height, used, err)
					}
					info := camera.Info()
					if full := camera.StillSize(); full != (frame.Size{Width: c.sensor.X, Height: c.sensor.Y}) || info.FPS != c.runs {
						b.Errorf("%v frames per second: %v at %v", c.fps, full, info.FPS)
					}
					for _, size := range info.Sizes {
						if size.Width > c.sensor.X || size.Height > c.sensor.Y {
							b.Errorf("%v frames per second: size %v of a sensor that has %v", c.fps, size, c.sensor)
						}
					}
					b.read(camera)
					v := view{sensor: c.sensor, fit: "crop", width: 640, height: 480}
					jpg, _ := b.read(camera)
					v.check(b, decode(b, jpg), false)
				}
				b.close(camera)
			})
		})
	}
}

// TestModeRefused: a mode that the driver turns out to lack is refused with an error, the stream continues unchanged, and the next attempt does not disturb it.
func TestModeRefused(t *testing.T) {
	onBoard(t, scenario{libs: oldVintage(t), prepare: noMaixPy, env: func(string) []string { return nil }}, func(b *bench) {
		camera := b.open(Config{Overlay: "front door"})
		before := camera.Info()
		if before.FPS != 30 {
			b.Errorf("by default %v frames per second", before.FPS)
		}
		for range 2 {
			if _, err := camera.SetMode(640, 480, 60); !errors.Is(err, frame.ErrUnsupported) || !strings.Contains(err.Error(), "1280x720 at 60 fps") {
				b.Errorf("missing mode: %v", err)
			}
			if info := camera.Info(); !reflect.DeepEqual(info, before) {
				b.Errorf("info %+v, before %+v", info, before)
			}
			jpg, _ := b.read(camera)
			v := view{sensor: image.Pt(2560, 1440), fit: "crop", width: 640, height: 480}
			v.check(b, decode(b, jpg), false)
		}
		for _, fps := range []float64{30, 12} {
			if used, err := camera.SetMode(640, 480, fps); err != nil || used != fps {
				b.Errorf("%v frames per second: %v, %v", fps, used, err)
			}
		}
		if err := camera.Close(); err != nil {
			b.Error(err)
		}
	})
}

// TestSensors: every sensor in the table is detected on i2c, configured for its board's wiring, and delivers pictures.
func TestSensors(t *testing.T) {
	for _, board := range []string{"maixcam", "maixcam_pro"} {
		for i, name := range Sensors() {
			if testing.Short() && (i%2 == 0) != (board == "maixcam") {
				continue // each sensor on one board only
			}
			t.Run(board+"_"+name, func(t *testing.T) {
				onBoard(t, scenario{board: board, settings: "sensor=" + name}, func(b *bench) {
					s, err := sensorNamed(name)
					if err != nil {
						b.Fatal(err)
					}
					for i, m := range s.modes {
						camera := b.open(Config{FPS: m.fastest, Width: 640, Height: 360, Fit: "stretch"})
						info := camera.Info()
						if info.Name != name || info.FPS != m.fastest {
							b.Errorf("mode %d: %+v", i, info)
						}
						jpg, _ := b.read(camera)
						if !s.yuv { // the simulator's bridge shows a Bayer sensor's scene
							v := view{sensor: image.Pt(m.width, m.height), fit: "stretch", width: 640, height: 360}
							v.check(b, decode(b, jpg), s.grey)
						}
						b.close(camera)
					}
				})
			})
		}
	}
}

// TestSensorByName: a sensor given by name is used without probing; if it is absent, the start fails.
func TestSensorByName(t *testing.T) {
	onBoard(t, scenario{settings: "sensor=ov2685"}, func(b *bench) {
		camera := b.open(Config{Sensor: "ov_ov2685"})
		b.read(camera)
		b.close(camera)
		if _, err := Open(b.Context(), Config{Sensor: "imx219"}); err == nil {
			b.Error("an unknown sensor is accepted")
		}
		_, err := Open(b.Context(), Config{Sensor: "gc4653"})
		if !errors.Is(err, frame.ErrGone) {
			b.Errorf("absent sensor: %v", err)
		}
		b.Setenv("MMF_SENSOR_NAME", "ov2685")
		camera = b.open(Config{})
		b.close(camera)
	})
}

// TestStill: full-size stills are taken while a smaller stream runs, on both paths.
func TestStill(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				fps, full := 25.0, frame.Size{Width: 2560, Height: 1440}
				if emulated() {
					fps, full = 60, frame.Size{Width: 1280, Height: 720}
				}
				camera := b.open(Config{FPS: fps, Width: 640, Height: 480, Path: path, Still: true, Mirror: true})
				if size := camera.StillSize(); size != full {
					b.Errorf("still size: %v", size)
				}
				ctx, cancel := context.WithTimeout(b.Context(), within)
				defer cancel()
				streamed := make(chan error, 1)
				stop := make(chan struct{})
				go func() { // the stream's reader, concurrently
					dst := make([]byte, 1<<20)
					for {
						var p frame.Picture
						if err := camera.ReadJPEG(ctx, dst, &p); err != nil || p.Width > 800 {
							streamed <- fmt.Errorf("stream: %d: %w", p.Width, err)
							return
						}
						select {
						case <-stop:
							streamed <- nil
							return
						default:
						}
					}
				}()
				dst := make([]byte, frame.MaxJPEGSize(full.Width, full.Height))
				last := -1
				for range 5 {
					var p frame.Picture
					if err := camera.Still(ctx, dst, &p); err != nil {
						b.Fatal(err)
					}
					v := view{sensor: image.Pt(full.Width, full.Height), fit: "stretch", mirror: true, width: full.Width, height: full.Height}
					picture := decode(b, dst[:p.Size])
					v.check(b, picture, false)
					if n := v.number(b, picture); n <= last {
						b.Errorf("frame %d after frame %d", n, last)
					} else {
						last = n
					}
					if p.Width != full.Width || p.Height != full.Height {
						b.Errorf("picture: %+v", p)
					}
				}
				if err := camera.Still(ctx, dst[:1000], &frame.Picture{}); !errors.Is(err, frame.ErrTooLarge) {
					b.Errorf("into 1000 bytes: %v", err)
				}
				if err := camera.Resize(800, 600); err != nil {
					b.Error(err)
				}
				if err := camera.Resize(640, 480); err != nil {
					b.Error(err)
				}
				if err := camera.Still(ctx, dst, &frame.Picture{}); err != nil {
					b.Error(err)
				}
				close(stop)
				if err := <-streamed; err != nil {
					b.Error(err)
				}
				b.close(camera)
				if n := b.Counter("raw.touched"); n != 0 {
					b.Errorf("%d raw bytes touched", n)
				}
			})
		})
	}
	t.Run("without", func(t *testing.T) {
		onBoard(t, scenario{}, func(b *bench) {
			camera := b.open(Config{})
			if err := camera.Still(b.Context(), pictureMemory, &frame.Picture{}); !errors.Is(err, frame.ErrUnsupported) {
				b.Errorf("still picture from a camera opened without: %v", err)
			}
			b.close(camera)
		})
	})
}
