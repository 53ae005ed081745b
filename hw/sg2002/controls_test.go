//go:build linux && cgo

package sg2002

import (
	"errors"
	"image"
	"image/color"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// mean returns the mean colour of a picture's texture, outside the machine-readable marks, and its distance from grey.
func mean(picture image.Image) (y, cb, cr, colour float64) {
	b := picture.Bounds()
	n := 0.0
	for py := b.Min.Y; py < b.Max.Y; py += 3 {
		for px := b.Min.X; px < b.Max.X/8; px += 3 { // left of the squares, the cells and the digits
			c := color.YCbCrModel.Convert(picture.At(px, py)).(color.YCbCr)
			y, cb, cr, n = y+float64(c.Y), cb+float64(c.Cb), cr+float64(c.Cr), n+1
			colour += math.Abs(float64(c.Cb)-128) + math.Abs(float64(c.Cr)-128)
		}
	}
	return y / n, cb / n, cr / n, colour / n
}

// settled reads pictures until a change must have taken effect, and returns the mean of the last one.
func (b *bench) settled(camera *Camera) (y, cb, cr, colour float64) {
	b.Helper()
	var jpg []byte
	for range 4 {
		jpg, _ = b.read(camera)
	}
	return mean(decode(b, jpg))
}

func set(name string, v int64) frame.ControlValue { return frame.ControlValue{Name: name, Value: v} }

func (b *bench) control(camera *Camera, name string) frame.Control {
	b.Helper()
	list, err := camera.Controls()
	if err != nil {
		b.Fatal(err)
	}
	c := frame.FindControl(list, name)
	if c == nil {
		b.Fatalf("no %s in %+v", name, list)
	}
	return *c
}

func (b *bench) must(camera *Camera, values ...frame.ControlValue) {
	b.Helper()
	if err := camera.SetControls(b.Context(), values); err != nil {
		b.Fatal(err)
	}
}

// TestControls: the picture follows exposure, gain, white balance and colour within three frames, and the values read back are the ISP's.
func TestControls(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 30, Width: 320, Height: 240, Path: path})
				y0, cb0, cr0, colour0 := b.settled(camera)
				if e := b.control(camera, "exposure_time_absolute"); !e.Inactive || e.Automatic != "auto_exposure" || e.Value != 10000 || e.Max < 30000 {
					b.Errorf("%+v", e)
				}
				b.must(camera, set("auto_exposure", 1), set("exposure_time_absolute", 5000), set("gain", 1024))
				if y, _, _, _ := b.settled(camera); y > y0*0.65 || y < y0*0.3 {
					b.Errorf("half the exposure: luma %.1f, was %.1f", y, y0)
				}
				if e := b.control(camera, "exposure_time_absolute"); e.Inactive || e.Value != 5000 {
					b.Errorf("%+v", e)
				}
				b.must(camera, set("gain", 2048))
				if y, _, _, _ := b.settled(camera); y < y0*0.85 || y > y0*1.15 {
					b.Errorf("half the exposure and twice the gain: luma %.1f, was %.1f", y, y0)
				}
				b.must(camera, set("auto_exposure", 0), set("auto_exposure_bias", 1000))
				if y, _, _, _ := b.settled(camera); y < y0*1.3 {
					b.Errorf("an exposure value more: luma %.1f, was %.1f", y, y0)
				}
				b.must(camera, set("auto_exposure_bias", 0), set("white_balance_automatic", 0), set("red_balance", 1500), set("blue_balance", 700))
				if _, cb, cr, _ := b.settled(camera); cr < cr0+15 || cb > cb0-10 {
					b.Errorf("more red, less blue: Cb %.1f Cr %.1f, were %.1f %.1f", cb, cr, cb0, cr0)
				}
				b.must(camera, set("white_balance_automatic", 1), set("color_effects", 1))
				if _, _, _, colour := b.settled(camera); colour > colour0/3 {
					b.Errorf("black and white: %.1f from grey, was %.1f", colour, colour0)
				}
				b.must(camera, set("color_effects", 0))
				if _, _, _, colour := b.settled(camera); colour < colour0*0.9 || colour > colour0*1.1 {
					b.Errorf("colours are back: %.1f from grey, was %.1f", colour, colour0)
				}
				b.must(camera, set("power_line_frequency", 2))
				if c := b.control(camera, "power_line_frequency"); c.Value != 2 {
					b.Errorf("%+v", c)
				}
				for _, bad := range []frame.ControlValue{set("exposure_time_absolute", 0), set("gain", 1), set("power_line_frequency", 3), set("saturation", 256), set("focus_absolute", 1)} {
					err := camera.SetControls(b.Context(), []frame.ControlValue{set("auto_exposure", 1), bad})
					var refused *frame.ControlError
					if !errors.As(err, &refused) || refused.Name != bad.Name {
						b.Errorf("%v: %v", bad, err)
					}
					if b.control(camera, "auto_exposure").Value != 0 {
						b.Errorf("%v: the others were set anyway", bad)
					}
				}
				b.close(camera)
				if _, err := camera.Controls(); !errors.Is(err, frame.ErrGone) {
					b.Errorf("controls of a closed camera: %v", err)
				}
			})
		})
	}
}

// TestControlsSurviveRestart: controls keep their values when a change restarts the camera.
func TestControlsSurviveRestart(t *testing.T) {
	onBoard(t, scenario{settings: "sensor=os04a10"}, func(b *bench) {
		camera := b.open(Config{FPS: 30, Width: 320, Height: 240})
		_, _, _, colour0 := b.settled(camera)
		b.must(camera, set("auto_exposure", 1), set("exposure_time_absolute", 2500), set("color_effects", 1))
		dark, _, _, _ := b.settled(camera)
		if err := camera.Resize(640, 480); err != nil {
			b.Fatal(err)
		}
		if _, err := camera.SetMode(640, 480, 90); err != nil {
			b.Fatal(err)
		}
		y, _, _, colour := b.settled(camera)
		if y > dark+10 || y < dark-10 || colour > colour0/2 {
			b.Errorf("luma %.1f, was %.1f; %.1f from grey, was %.1f with colours", y, dark, colour, colour0)
		}
		b.close(camera)
	})
}

// TestView: the scaler shows the selected part of the sensor's picture.
func TestView(t *testing.T) {
	for _, fit := range []string{"crop", "stretch"} {
		t.Run(fit, func(t *testing.T) {
			onBoard(t, scenario{}, func(b *bench) {
				camera := b.open(Config{FPS: 30, Width: 640, Height: 480, Fit: fit})
				// The white square is on the right, at 13/16 of the width and 7/8 of the height: zooming in on it shows it in the middle of a corner view.
				if err := camera.SetView(frame.View{Zoom: 8, X: 0.79, Y: 0.84}); err != nil {
					b.Fatal(err)
				}
				var picture image.Image
				for range 4 {
					jpg, _ := b.read(camera)
					picture = decode(b, jpg)
				}
				if got := picture.Bounds().Size(); got != image.Pt(640, 480) {
					b.Errorf("size %v", got)
				}
				white := 0
				for y := 0; y < 480; y += 8 {
					for x := 0; x < 640; x += 8 {
						if luma(picture.At(x, y)) > 215 {
							white++
						}
					}
				}
				if white < 60*80/6 {
					b.Errorf("%d of %d points are white: the square should be large", white, 60*80)
				}
				if err := camera.SetView(frame.View{}); err != nil {
					b.Fatal(err)
				}
				for range 4 {
					jpg, _ := b.read(camera)
					picture = decode(b, jpg)
				}
				if y := luma(picture.At(320, 240)); y > 250 {
					b.Errorf("luma %d in the middle of the whole picture", y)
				}
				b.close(camera)
			})
		})
	}
}

// TestControlsUnderLoad: two clients change everything while pictures are read; nothing leaks or stalls.
func TestControlsUnderLoad(t *testing.T) {
	changes := 5000
	if testing.Short() {
		changes = 200
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=500;encode_us_per_mpixel=0"}, func(b *bench) {
				camera := b.open(Config{FPS: 60, Width: 160, Height: 120, Path: path})
				var clients sync.WaitGroup
				for client := range 2 {
					clients.Go(func() {
						for i := range changes {
							n := int64(i + client)
							var err error
							switch n % 4 {
							case 0:
								err = camera.SetControls(b.Context(), []frame.ControlValue{set("auto_exposure", n/4%2), set("exposure_time_absolute", 100+n%1000), set("gain", 1024+n%1024)})
							case 1:
								err = camera.SetControls(b.Context(), []frame.ControlValue{set("white_balance_automatic", n/4%2), set("red_balance", 1000+n%500)})
							case 2:
								err = camera.SetControls(b.Context(), []frame.ControlValue{set("saturation_automatic", 0), set("saturation", n%256), set("color_effects", n/4%2)})
							case 3:
								err = camera.SetView(frame.View{Zoom: 1 + float64(n%8), X: float64(n%11) / 10, Y: 0.5})
							}
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				done := make(chan struct{})
				go func() {
					clients.Wait()
					close(done)
				}()
				pictures := 0
				for running := true; running; pictures++ {
					select {
					case <-done:
						running = false
					default:
					}
					b.read(camera)
				}
				if pictures < 10 {
					b.Errorf("%d pictures meanwhile", pictures)
				}
				b.close(camera)
			})
		})
	}
}

// TestRefusedControls: if the libraries refuse a change, nothing changes, and the error names the call.
func TestRefusedControls(t *testing.T) {
	onBoard(t, scenario{}, func(b *bench) {
		camera := b.open(Config{FPS: 30, Width: 320, Height: 240})
		before := b.control(camera, "auto_exposure")
		for _, call := range []string{"CVI_ISP_GetExposureAttr", "CVI_ISP_QueryExposureInfo", "CVI_ISP_GetWBAttr", "CVI_ISP_QueryWBInfo", "CVI_ISP_GetSaturationAttr"} {
			b.set("fail=" + call + ":1:-1")
			if _, err := camera.Controls(); err == nil || !strings.Contains(err.Error(), call) {
				b.Errorf("%s: %v", call, err)
			}
		}
		for _, call := range []string{"CVI_ISP_SetExposureAttr", "CVI_ISP_SetWBAttr", "CVI_ISP_SetSaturationAttr"} {
			b.set("fail=" + call + ":1:-1")
			err := camera.SetControls(b.Context(), []frame.ControlValue{
				set("auto_exposure", 1-before.Value), set("exposure_time_absolute", 3000), set("white_balance_automatic", 0), set("saturation_automatic", 0), set("saturation", 10),
			})
			if err == nil || !strings.Contains(err.Error(), call) {
				b.Errorf("%s: %v", call, err)
			}
			if now := b.control(camera, "auto_exposure"); now.Value != before.Value {
				b.Errorf("%s: exposure stays %d", call, now.Value)
			}
			if now := b.control(camera, "white_balance_automatic"); now.Value != 1 {
				b.Errorf("%s: white balance stays %d", call, now.Value)
			}
		}
		b.set("fail=")
		b.read(camera)
		b.close(camera)
	})
}
