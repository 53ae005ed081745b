//go:build linux && cgo

package sg2002

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// fatalRequests are those whose refusal cannot be foreseen: the library goes on with memory that it did not get. The first
// SYS_ION_ALLOC is our own probe, the second the library's.
var fatalRequests = []string{"VI_IOCTL_GET_TUN_ADDR:1", "SYS_ION_ALLOC:2"}

// TestEveryRequestRefused refuses each driver request, below the library calls, made until the first picture. Some library calls
// report the error, some do not, and then either no frame arrives or all is well: after at most one restart there are pictures. Only two crash
// the process, and leave the call's name to the next one.
func TestEveryRequestRefused(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=500;encode_us_per_mpixel=0", leavesOpen: true}, func(b *bench) {
				config := Config{Width: 320, Height: 240, Path: path, Overlay: "front door"}
				if request := os.Getenv(dyingEnv); request != "" {
					_, err := Open(b.Context(), config)
					b.Fatalf("%s: the libraries did not crash: %v", request, err)
				}
				requests := b.requests(config)
				if len(requests) < 45 {
					b.Fatalf("only %d requests found: %v", len(requests), requests)
				}
				seen, silent := map[string]int{}, 0
				for _, request := range requests {
					seen[request]++
					rule := fmt.Sprintf("%s:%d", request, seen[request])
					if slices.Contains(fatalRequests, rule) {
						b.dieOf(config, rule)
					} else if b.refuse(config, rule) {
						silent++
					}
				}
				b.Logf("refused %d requests of %d kinds, %d without a word", len(requests), len(seen), silent)
			})
		})
	}
}

// requests lists the driver requests made until the first picture, from the simulator's log.
func (b *bench) requests(config Config) []string {
	b.Helper()
	b.set("requests=1")
	camera := b.open(config)
	b.read(camera)
	b.set("requests=0")
	b.close(camera)
	log, err := os.ReadFile(filepath.Join(b.root, ".sim", "requests.log"))
	if err != nil {
		b.Fatal(err)
	}
	var list []string
	for _, name := range strings.Fields(string(log)) {
		// How often a frame or the encoder was not ready depends on the machine.
		if !slices.Contains(list, name) || !slices.Contains([]string{"VPSS_GET_CHN_FRAME", "CVI_VC_VENC_GET_STREAM"}, name) {
			list = append(list, name)
		}
	}
	return list
}

// refuse refuses one request and expects a picture from this start or the next, and no leaks; silent means that no call reported an error.
func (b *bench) refuse(config Config, rule string) (silent bool) {
	b.Helper()
	refused := b.Counter("injected.refusals")
	b.set("refuse=" + rule)
	ended := time.Now()
	for attempt := 1; ; attempt++ {
		camera, err := Open(b.Context(), config)
		if err == nil {
			ctx, cancel := context.WithTimeout(b.Context(), within)
			err = camera.ReadJPEG(ctx, pictureMemory, &frame.Picture{})
			if err == nil { // the ISP's thread starts at an unknown time
				err = camera.ReadJPEG(ctx, pictureMemory, &frame.Picture{})
			}
			cancel()
			if again := camera.Close(); again != nil {
				b.Errorf("%s: close: %v", rule, again)
			}
		}
		if n := b.Faults(); n != 0 {
			b.Fatalf("%s: %d faults and leaks (error: %v)", rule, n, err)
		}
		if err == nil && b.Counter("injected.refusals") > refused {
			break
		}
		if attempt > 2 {
			b.Fatalf("%s: no picture at try %d: %v", rule, attempt, err)
		}
		if err != nil && !errors.Is(err, frame.ErrGone) {
			b.Errorf("%s: the error does not wrap ErrGone: %v", rule, err)
		}
		failed, _ := errors.AsType[*Error](err)
		silent = silent || err != nil && failed == nil
		b.set("refuse=")
		if err == nil {
			b.set("refuse=" + rule) // not reached: the sequence of requests varies
		}
	}
	b.set("refuse=")
	b.Logf("%-32s %v", rule, time.Since(ended).Round(time.Millisecond))
	if ion, _ := readCarveout(); len(ion.orphans(false)) != 0 && !silent {
		b.reopened(config) // the next start frees what a library leaked
		if ion, _ := readCarveout(); len(ion.orphans(false)) != 0 {
			b.Errorf("%s: left: %+v", rule, ion.orphans(false))
		}
	}
	return silent
}

// dieOf refuses one request to another process, which crashes, and expects this one to know the call, and to stream.
func (b *bench) dieOf(config Config, rule string) {
	b.Helper()
	child := rerun(b.Context(), b.T, b.root, simulator, "allow=CRASH;refuse="+rule)
	child.Env = append(child.Env, dyingEnv+"="+rule)
	out, err := child.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 139 {
		b.Fatalf("%s: the process ended with %v, not as a crash: %s", rule, err, out)
	}
	if crash := LastCrash(); crash.Times != 1 || crash.Call == "" {
		b.Errorf("%s: %+v", rule, crash)
	}
	b.reopened(config)
}
