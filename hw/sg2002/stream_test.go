//go:build linux && cgo

package sg2002

import (
	"fmt"
	"image"
	"slices"
	"testing"
	"time"
)

var paths = []string{"frame", "bound"}

// TestFrames: pictures of every shape, on both paths and at both rates, show what the sensor sees, and are copied once.
func TestFrames(t *testing.T) {
	full, fast := image.Pt(2560, 1440), image.Pt(1280, 720)
	for _, path := range paths {
		for i, c := range []struct {
			Config
			sensor image.Point
		}{
			{Config{FPS: 25, Width: 640, Height: 480}, full},
			{Config{FPS: 30, Width: 640, Height: 480}, full},
			{Config{FPS: 40, Width: 1280, Height: 720, Fit: "stretch", Flip: true}, fast}, // the full mode reaches only 30
			{Config{FPS: 60, Width: 1920, Height: 1080, Fit: "pad"}, full},                // the fast mode is too small
			{Config{FPS: 30, Width: 2560, Height: 1440}, full},
			{Config{FPS: 25, Width: 480, Height: 800, Fit: "pad", Mirror: true}, full},
			{Config{FPS: 24, Width: 646, Height: 362, Flip: true, Fit: "pad"}, full},
			{Config{FPS: 60, Width: 1280, Height: 720}, fast},
			{Config{FPS: 60, Width: 800, Height: 600, Fit: "pad", Mirror: true}, fast},
			{Config{FPS: 60, Width: 322, Height: 242, Fit: "stretch", Mirror: true, Flip: true}, fast},
			{Config{FPS: 60, Width: 720, Height: 720, Flip: true}, fast},
		} {
			c.Path = path
			if emulated() && c.Width*c.Height > 1280*720 || testing.Short() && i%2 == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s_%.0f_%dx%d_%s", path, c.FPS, c.Width, c.Height, c.Fit), func(t *testing.T) {
				onBoard(t, scenario{}, func(b *bench) { testFrames(b, c.Config, c.sensor) })
			})
		}
	}
}

func testFrames(b *bench, config Config, sensor image.Point) {
	camera := b.open(config)
	info := camera.Info()
	rate := min(config.FPS, map[int]float64{2560: 30, 1280: 60}[sensor.X])
	if info.Name != "gc4653" || info.Width != config.Width || info.Height != config.Height || info.FPS != rate {
		b.Errorf("info: %+v", info)
	}
	fit := config.Fit
	if fit == "" {
		fit = "crop"
	}
	v := view{sensor: sensor, fit: fit, mirror: config.Mirror, flip: config.Flip, width: config.Width, height: config.Height}
	pictures := 20
	if testing.Short() {
		pictures = 8
	}
	var bytes int64
	var read uint64
	type checked struct {
		jpg      []byte
		captured time.Time
	}
	var check []checked // after reading, since a reader that pauses on the path bound is given the newest picture next
	for i := range pictures {
		jpg, p := b.read(camera)
		bytes += int64(len(jpg))
		if p.Width != config.Width || p.Height != config.Height || p.Quality != 80 || p.Sequence <= read || config.Path != "bound" && p.Sequence != uint64(i+1) {
			b.Fatalf("picture %d: %+v", i, p)
		}
		read = p.Sequence
		if string(jpg[6:10]) != "JFIF" {
			b.Fatalf("picture %d is not JFIF: % x", i, jpg[:12])
		}
		if age := time.Since(p.Captured); age < 0 {
			b.Errorf("picture %d is %v old", i, age)
		}
		if i%6 != 0 && i != pictures-1 {
			continue // decoding all would take longer than encoding them
		}
		check = append(check, checked{slices.Clone(jpg), p.Captured})
	}
	first, last := -1, -1
	var begin, end time.Time
	for _, c := range check {
		picture := decode(b, c.jpg)
		v.check(b, picture, false)
		n := v.number(b, picture)
		if n <= last {
			b.Fatalf("frame %d after frame %d", n, last)
		}
		if first < 0 {
			first, begin = n, c.captured
		}
		last, end = n, c.captured
	}
	// The sensor's own rate, by its own time stamps: the speed of this machine does not matter.
	got := float64(last-first) / end.Sub(begin).Seconds()
	if got > rate*1.01 {
		b.Errorf("%.1f frames per second from a sensor running at %.0f", got, rate)
	}
	if made := float64(last - first); config.FPS < rate && made < float64(pictures-1)*rate/config.FPS*0.9 {
		b.Errorf("%d pictures of %.0f frames at %.0f of %.0f frames per second", pictures, made, config.FPS, rate)
	}
	copied, copiedBytes := int64(camera.c.copied), int64(camera.c.copied_bytes)
	b.close(camera)
	if copied != int64(read) || copiedBytes < bytes || read == uint64(pictures) && copiedBytes != bytes {
		b.Errorf("%d copies and %d bytes copied of %d pictures with %d bytes", copied, copiedBytes, read, bytes)
	}
	if maps := b.Counter("jpeg.maps"); maps != int64(read) {
		b.Errorf("%d streams fetched for %d pictures", maps, read)
	}
	if touched := b.Counter("jpeg.touched"); touched > copiedBytes {
		b.Errorf("%d bytes of JPEG touched of %d", touched, copiedBytes)
	}
	for _, counter := range []string{"raw.touched", "raw.mapped", "raw.flushed", "raw.invalidated", "jpeg.overflows"} {
		if n := b.Counter(counter); n != 0 {
			b.Errorf("%s: %d", counter, n)
		}
	}
}
