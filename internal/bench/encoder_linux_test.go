package bench_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/internal/bench/baseline"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/internal/encodertest"
)

func newEncoder(t testing.TB) frame.Encoder {
	t.Helper()
	e, err := libjpeg.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// BenchmarkEncode measures the CPU time per frame of each format, on the thread to which it is locked.
func BenchmarkEncode(b *testing.B) {
	for _, size := range []frame.Size{{Width: 1280, Height: 720}, {Width: 1920, Height: 1080}} {
		scene := encodertest.Scene(size.Width, size.Height)
		for _, format := range []frame.Format{frame.YUV420, frame.NV21, frame.YUYV, frame.YUV422, frame.RGB, frame.RGBA, frame.Grey} {
			b.Run(fmt.Sprintf("%s/%dx%d", format, size.Width, size.Height), func(b *testing.B) {
				e := newEncoder(b)
				defer e.Close()
				f := encodertest.FromImage(b, scene, format, 0)
				dst := make([]byte, frame.MaxJPEGSize(size.Width, size.Height))
				b.ReportAllocs()
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				n, start := 0, usage.Thread()
				for b.Loop() {
					var err error
					if n, err = e.Encode(dst, f, 80); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(usage.Thread()-start)/float64(b.N)/1e6, "cpu-ms/frame")
				b.ReportMetric(float64(n), "bytes/frame")
			})
		}
	}
}

// BenchmarkAgainstBaseline alternates between this encoder and TurboJPEG called from C, and reports the ratio of their speeds (1: equal).
func BenchmarkAgainstBaseline(b *testing.B) {
	for _, size := range []frame.Size{{Width: 640, Height: 480}, {Width: 1280, Height: 720}, {Width: 1920, Height: 1080}} {
		b.Run(fmt.Sprintf("%dx%d", size.Width, size.Height), func(b *testing.B) {
			f := encodertest.FromImage(b, encodertest.Scene(size.Width, size.Height), frame.YUV420, 0)
			if _, _, err := baseline.Encode(f, 80, 3); err != nil {
				testenv.Unable(b, err.Error())
			}
			e := newEncoder(b)
			defer e.Close()
			dst := make([]byte, frame.MaxJPEGSize(size.Width, size.Height))
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			const batch = 10
			var ours, theirs time.Duration
			var ratios []float64
			for b.Loop() {
				start := usage.Thread()
				for range batch {
					if _, err := e.Encode(dst, f, 80); err != nil {
						b.Fatal(err)
					}
				}
				mine := usage.Thread() - start
				ours += mine
				_, cpu, err := baseline.Encode(f, 80, batch)
				if err != nil {
					b.Fatal(err)
				}
				theirs += cpu
				ratios = append(ratios, float64(cpu)/float64(mine))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "ratio(median)")
			b.ReportMetric(float64(ours)/float64(b.N*batch)/1e6, "cpu-ms/frame")
			b.ReportMetric(float64(theirs)/float64(b.N*batch)/1e6, "baseline-ms/frame")
		})
	}
}

// BenchmarkWorkers measures frames per second with one and two concurrent encoders.
func BenchmarkWorkers(b *testing.B) {
	f := encodertest.FromImage(b, encodertest.Scene(1280, 720), frame.YUV420, 0)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			start := time.Now()
			var wg sync.WaitGroup
			for range workers {
				e := newEncoder(b)
				defer e.Close()
				wg.Go(func() {
					dst := make([]byte, frame.MaxJPEGSize(1280, 720))
					for range b.N {
						if _, err := e.Encode(dst, f, 80); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(workers*b.N)/time.Since(start).Seconds(), "frames/s")
		})
	}
}
