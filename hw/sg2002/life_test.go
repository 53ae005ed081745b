//go:build linux && cgo

package sg2002

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/frame"
)

// catchSignals keeps signals from ending the process.
func catchSignals() (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGPROF, syscall.SIGALRM, syscall.SIGUSR1)
	return func() { signal.Stop(c) }
}

// openResources returns the number of open descriptors and of threads of this process.
func openResources() (descriptors, threads int) {
	fds, _ := filepath.Glob("/proc/self/fd/*")
	tasks, _ := filepath.Glob("/proc/self/task/*")
	return len(fds), len(tasks)
}

// TestOpenClose opens and closes the camera a thousand times (short: twenty) in one process, on both paths, reading a picture each time.
func TestOpenClose(t *testing.T) {
	cycles := 1000
	if testing.Short() {
		cycles = 20
	}
	const shares = 4 // parallel processes: most of a cycle is waiting
	for share := range shares {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=1000;encode_us_per_mpixel=0"}, func(b *bench) {
				var fds, threads int
				for i := range cycles / shares {
					config := Config{FPS: 60, Width: 320, Height: 240, Path: paths[i%2], Still: i%3 == 0}
					if i%4 == 0 {
						config.Overlay = "%S"
					}
					camera := b.open(config)
					b.read(camera)
					if i%5 == 0 {
						b.video(camera, coding)
						stop := b.pictures(camera)
						b.expectUnit(camera, true)
						stop()
						if i%2 == 0 { // otherwise Close ends H.264
							if err := camera.SetVideo(false); err != nil {
								b.Error(err)
							}
						} else {
							camera.doneWithUnit()
						}
					}
					b.close(camera)
					if i == 4 {
						fds, threads = openResources()
					}
				}
				nowFds, nowThreads := openResources()
				if nowFds > fds+2 || nowThreads > threads+4 {
					b.Errorf("after 5 cycles %d descriptors and %d threads, at the end %d and %d", fds, threads, nowFds, nowThreads)
				}
				if used := b.Counter("ion.used"); used != 22<<20+768<<10 { // the firmware for H.264 stays
					b.Errorf("%d bytes of ION are used", used)
				}
				b.Logf("%d cycles", cycles/shares)
			})
		})
	}
}

// TestKilled kills the streaming process a hundred times (short: three) at random moments, also during its start; the next one cleans up and streams.
func TestKilled(t *testing.T) {
	kills := 100
	if testing.Short() {
		kills = 3
	}
	const shares = 4
	for share := range shares {
		if kills < shares && share > 0 {
			break
		}
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			config := Config{FPS: 60, Width: 320, Height: 240, Path: paths[share%2], Overlay: "%S", Still: share > 1}
			if os.Getenv(childEnv) == t.Name() {
				streamForEver(t, config)
				return
			}
			if simulator == "" {
				testenv.Missing(t, "the simulator of the board's libraries", "make sim-libs")
			}
			t.Parallel()
			root := newBoard(t, "")
			random := rand.New(rand.NewPCG(1, uint64(share)))
			count := max(kills/shares, min(kills, shares-1))
			streamed := 0
			for i := range count {
				// Some die during their start, most while streaming; each of these has delivered its frames.
				wait := time.Duration(random.IntN(300)) * time.Millisecond
				if runAndKill(t, root, i%3 == 0, wait) {
					streamed++
				}
				if t.Failed() {
					t.Fatalf("at kill %d", i)
				}
			}
			runAndEnd(t, root)
			checkReport(t, root, false)
			if streamed == 0 {
				t.Error("no process ever streamed")
			}
			t.Logf("%d kills, %d of them while streaming", count, streamed)
		})
	}
}

// streamForEver is the process to be killed: it reports its first pictures, and ends at the end of its input.
func streamForEver(t *testing.T, config Config) {
	config.Log = nil
	camera, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if config.Width >= videoMinWidth && config.Path == "frame" != config.Still { // two of four, one per path
		if err := errors.Join(camera.ConfigureVideo(coding), camera.SetVideo(true)); err != nil {
			t.Fatal(err)
		}
		go func() {
			var u frame.AccessUnit
			for err := error(nil); err == nil; {
				err = camera.ReadUnit(t.Context(), &u)
			}
		}()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = os.Stdin.Read(make([]byte, 1))
	}()
	for i := 0; ; i++ {
		var p frame.Picture
		ctx, cancel := context.WithTimeout(t.Context(), within)
		err := camera.ReadJPEG(ctx, pictureMemory, &p)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			fmt.Println("streaming")
		}
		select {
		case <-ended:
			if err := camera.Close(); err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

// runAndKill starts a process on the board and kills it: after wait, or wait after its first pictures, which are then required.
func runAndKill(t *testing.T, root string, early bool, wait time.Duration) (streamed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	child := rerun(ctx, t, root, simulator, "encode_us_per_mpixel=0")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	streamed = start(t, child, early)
	time.Sleep(wait)
	_ = child.Process.Kill()
	_ = child.Wait()
	return streamed
}

// runAndEnd starts a process, waits for its pictures, and lets it end normally.
func runAndEnd(t *testing.T, root string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	child := rerun(ctx, t, root, simulator, "encode_us_per_mpixel=0")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, child, false)
	_ = in.Close()
	if err := child.Wait(); err != nil {
		t.Errorf("the process that was not killed: %v", err)
	}
}

// start starts a process and, unless it is to die early, waits until it streams.
func start(t *testing.T, child *exec.Cmd, early bool) bool {
	t.Helper()
	var output strings.Builder
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	child.Stderr = child.Stdout
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if early {
		return false
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "streaming") {
			go func() {
				for lines.Scan() { // so that it never blocks on its output
				}
			}()
			return true
		}
		output.WriteString(lines.Text() + "\n")
	}
	t.Errorf("the process did not stream:\n%s", output.String())
	return false
}
