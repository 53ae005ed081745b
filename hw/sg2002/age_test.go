//go:build linux && cgo

package sg2002

import (
	"fmt"
	"image"
	"slices"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
)

// TestPicturesAreNew: a picture carries the sensor's frame number. However low the rate and however long the reader paused, the picture it gets
// is one of the sensor's latest: no stale picture waits in the hardware's queues.
func TestPicturesAreNew(t *testing.T) {
	testenv.Long(t, "takes ten seconds")
	const sensorFPS = 60
	v := view{sensor: image.Pt(1280, 720), fit: "stretch", width: 640, height: 360}
	for _, path := range []string{"frame", "bound", "raw"} {
		for _, fps := range []float64{1, 5, 29} {
			t.Run(fmt.Sprintf("%s_%.0f", path, fps), func(t *testing.T) {
				onBoard(t, scenario{}, func(b *bench) {
					config := Config{FPS: sensorFPS, Width: 640, Height: 360, Path: path}
					if path == "raw" {
						config.Path = "frame"
					}
					camera := b.open(config)
					if err := camera.SetFPS(fps); err != nil {
						b.Fatal(err)
					}
					next := func() (number int) {
						if path != "raw" {
							jpg, _ := b.read(camera)
							return v.number(b, decode(b, jpg))
						}
						f, encoder := new(frame.Frame), camera.Encoder()
						if err := camera.Raw().ReadFrame(b.Context(), f); err != nil {
							b.Fatal(err)
						}
						defer f.Release()
						n, err := encoder.Encode(pictureMemory, f, 80)
						if err != nil {
							b.Fatal(err)
						}
						return v.number(b, decode(b, pictureMemory[:n]))
					}
					next()
					for _, pause := range []time.Duration{0, 1200 * time.Millisecond} {
						var ages []time.Duration
						for begin := time.Now(); time.Since(begin) < 3*time.Second; {
							time.Sleep(pause)
							number := next()
							behind := b.Counter("vi.frames") - int64(number)
							ages = append(ages, time.Duration(behind)*time.Second/sensorFPS)
						}
						slices.Sort(ages)
						p50, p99 := ages[len(ages)/2], ages[(len(ages)-1)*99/100]
						b.Logf("%d pictures, pause %v: age p50 %v, p99 %v", len(ages), pause, p50, p99)
						if p50 > time.Second { // a picture from a queue would be older; a busy machine does not delay half of them this much
							b.Errorf("pause %v: pictures are %v old", pause, p50)
						}
					}
					b.close(camera)
				})
			})
		}
	}
}
