//go:build linux

package main

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/bench/baseline"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/internal/encodertest"
)

// encode compares the encoder with direct calls of libjpeg.
func (s *set) encode() (*group, error) {
	g := &group{Title: "Software encoder", Text: "A scene of smooth shades, edges and fine texture, quality 80; CPU time of the thread. libjpeg-turbo " +
		"called directly (`internal/bench/baseline`) compresses the same planar 4:2:0 frame, alternating with the encoder; speed is the ratio of their " +
		"times. YUYV is the usual webcam format and includes its conversion; it is compared with ustreamer below. Two workers: the ratio of the frame " +
		"rates of two concurrent encoders and one, in wall time, which other work on the machine affects; the ratio of CPU time per frame shows how much " +
		"the two slow each other down. The goal requires two otherwise idle cores and a CPU ratio of at most 1.05."}
	for _, size := range []frame.Size{{Width: 640, Height: 480}, {Width: 1280, Height: 720}, {Width: 1920, Height: 1080}} {
		scene := encodertest.Scene(size.Width, size.Height)
		planar, packed := planarOf(scene), packedOf(scene)
		for range s.runs {
			if err := s.encodeOnce(g, fmt.Sprintf("%dx%d", size.Width, size.Height), planar, packed); err != nil {
				return nil, err
			}
		}
	}
	f := planarOf(encodertest.Scene(1280, 720))
	for range s.runs {
		one, oneCPU, err := throughput(f, 1, s.window/2)
		if err != nil {
			return nil, err
		}
		two, twoCPU, err := throughput(f, 2, s.window/2)
		if err != nil {
			return nil, err
		}
		g.add("1280x720: one worker", "frames/s", one)
		g.add("1280x720: two workers", "frames/s", two)
		g.add("1280x720: CPU per frame, two workers / one", "", twoCPU/oneCPU)
		ratio := g.add("1280x720: two workers / one", "", two/one)
		if runtime.NumCPU() > 1 {
			ratio.atLeast(1.9)
		}
	}
	return g, nil
}

func (s *set) encodeOnce(g *group, size string, planar, packed *frame.Frame) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e, err := hw.NewEncoder()
	if err != nil {
		return err
	}
	defer e.Close()
	dst := make([]byte, frame.MaxJPEGSize(planar.Width, planar.Height))
	batches := 8
	if s.quick {
		batches = 3
	}
	const batch = 5
	var ours, theirs, yuyv time.Duration
	var before, after runtime.MemStats
	objects := uint64(0)
	for i := range batches + 1 {
		if i == 1 { // the first warms up
			ours, theirs, yuyv, objects = 0, 0, 0, 0
		}
		_, cpu, err := baseline.Encode(planar, 80, batch)
		if err != nil {
			return err
		}
		theirs += cpu
		runtime.ReadMemStats(&before)
		began := usage.Thread()
		for range batch {
			if _, err := e.Encode(dst, planar, 80); err != nil {
				return err
			}
		}
		ours += usage.Thread() - began
		runtime.ReadMemStats(&after)
		objects += after.Mallocs - before.Mallocs
		began = usage.Thread()
		for range batch {
			if _, err := e.Encode(dst, packed, 80); err != nil {
				return err
			}
		}
		yuyv += usage.Thread() - began
	}
	n := float64(batches * batch)
	g.add(size+": planar 4:2:0", "ms", ms(ours)/n)
	g.add(size+": libjpeg called directly", "ms", ms(theirs)/n)
	g.add(size+": speed relative to libjpeg called directly", "", float64(theirs)/float64(ours)).atLeast(0.95)
	g.add(size+": objects allocated per frame", "", float64(objects)/n).atMost(0)
	g.add(size+": YUYV", "ms", ms(yuyv)/n)
	return nil
}

// throughput returns the frames per second of concurrent encoders, one goroutine each, by wall time; and the CPU time per frame in seconds.
func throughput(f *frame.Frame, workers int, d time.Duration) (perSecond, cpu float64, err error) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	counts, errs := make([]int, workers), make([]error, workers)
	var began time.Time
	ready.Add(workers)
	for w := range workers {
		done.Go(func() {
			e, err := hw.NewEncoder()
			if err != nil {
				ready.Done()
				errs[w] = err
				return
			}
			defer e.Close()
			dst := make([]byte, frame.MaxJPEGSize(f.Width, f.Height))
			_, errs[w] = e.Encode(dst, f, 80) // its buffers grow
			ready.Done()
			<-start
			for time.Since(began) < d && errs[w] == nil {
				_, errs[w] = e.Encode(dst, f, 80)
				counts[w]++
			}
		})
	}
	ready.Wait()
	before, beforeErr := usage.Process(os.Getpid())
	began = time.Now()
	close(start)
	done.Wait()
	took := time.Since(began).Seconds()
	after, afterErr := usage.Process(os.Getpid())
	n := 0
	for _, count := range counts {
		n += count
	}
	if err := errors.Join(append(errs, beforeErr, afterErr)...); err != nil {
		return 0, 0, err
	}
	return float64(n) / took, (after - before).Seconds() / float64(n), nil
}

// ycc returns the mean colour of a block.
func ycc(img *image.RGBA, x, y, w, h int) (luma, cb, cr uint8) {
	var r, g, b, n int
	for v := y; v < min(y+h, img.Rect.Max.Y); v++ {
		for u := x; u < min(x+w, img.Rect.Max.X); u++ {
			c := img.RGBAAt(u, v)
			r, g, b, n = r+int(c.R), g+int(c.G), b+int(c.B), n+1
		}
	}
	return color.RGBToYCbCr(uint8(r/n), uint8(g/n), uint8(b/n))
}

// planarOf returns a planar 4:2:0 frame.
func planarOf(img *image.RGBA) *frame.Frame {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	f, err := frame.Alloc(frame.YUV420, width, height)
	if err != nil {
		panic(err) // cannot happen with our sizes
	}
	for y := range height {
		for x := range width {
			luma, _, _ := ycc(img, x, y, 1, 1)
			f.Planes[0][y*f.Strides[0]+x] = luma
			if x%2 == 0 && y%2 == 0 {
				_, cb, cr := ycc(img, x, y, 2, 2)
				f.Planes[1][y/2*f.Strides[1]+x/2], f.Planes[2][y/2*f.Strides[2]+x/2] = cb, cr
			}
		}
	}
	return f
}

// packedOf returns a YUYV frame, as webcams deliver.
func packedOf(img *image.RGBA) *frame.Frame {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	f, err := frame.Alloc(frame.YUYV, width, height)
	if err != nil {
		panic(err)
	}
	for y := range height {
		row := f.Planes[0][y*f.Strides[0]:]
		for x := 0; x < width; x += 2 {
			first, _, _ := ycc(img, x, y, 1, 1)
			second, _, _ := ycc(img, x+1, y, 1, 1)
			_, cb, cr := ycc(img, x, y, 2, 1)
			row[2*x], row[2*x+1], row[2*x+2], row[2*x+3] = first, cb, second, cr
		}
	}
	return f
}
