//go:build linux && cgo

package sg2002

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
)

// tolerated are calls that may fail without harm: the end of something never initialised, the tuning file, which only improves the picture, and the
// longest exposure, which only keeps the rate up in the dark.
var tolerated = []string{
	"CVI_SYS_Exit", "CVI_VB_Exit", "CVI_BIN_GetBinName", "CVI_BIN_ImportBinData", "CVI_ISP_GetExposureAttr", "CVI_ISP_SetExposureAttr",
}

// recovered are calls that the stream repeats if the driver refuses them, as it does when a signal interferes, or whose failure
// recreates the encoder; and setting a sensor's mode, where another mode is used instead.
var recovered = []string{"pfn_cmos_set_image_mode", "CVI_SYS_IonFree", "CVI_VENC_SendFrame", "CVI_VENC_GetStream", "CVI_VENC_ReleaseStream", "CVI_VPSS_ReleaseChnFrame", "CVI_VENC_GetFd"}

// TestEveryCallFails fails each call made until the first picture, one after the other: the error names the call, everything is released,
// and the next Open works.
func TestEveryCallFails(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=500;encode_us_per_mpixel=0;sensor=os04a10"}, func(b *bench) {
				// Not a clock: it would be redrawn, or not, depending on whether a second passes before the first picture.
				config := Config{Width: 320, Height: 240, Path: path, Overlay: "front door"}
				calls := b.calls(config)
				if len(calls) < 60 {
					b.Fatalf("only %d calls found: %v", len(calls), calls)
				}
				seen := map[string]int{}
				for _, call := range calls {
					seen[call]++
					b.failCall(config, call, seen[call])
				}
				b.Logf("failed %d calls of %d functions", len(calls), len(seen))
			})
		})
	}
}

// calls lists the library calls made until the first picture, in order, from the simulator's trace.
func (b *bench) calls(config Config) []string {
	b.Helper()
	b.set("trace=1")
	camera := b.open(config)
	b.read(camera)
	b.set("trace=0")
	b.close(camera)
	log, err := os.ReadFile(filepath.Join(b.root, ".sim", "trace.log"))
	if err != nil {
		b.Fatal(err)
	}
	var calls []string
	for _, match := range regexp.MustCompile(`(?m)^\d+ [0-9.]+ (\w+).* = (\w+)`).FindAllStringSubmatch(string(log), -1) {
		// How often a frame was not ready depends on the machine and varies.
		if match[1] == "CVI_VPSS_GetChnFrame" && match[2] != "0x0" {
			continue
		}
		calls = append(calls, match[1])
	}
	return append(calls, "CVI_ISP_Run") // it ends with the camera
}

func (b *bench) failCall(config Config, call string, n int) {
	b.Helper()
	what := fmt.Sprintf("%s, time %d", call, n)
	injected := b.Counter("injected.failures")
	b.set(fmt.Sprintf("fail=%s:%d:-1", call, n))
	camera, err := Open(b.Context(), config)
	if err == nil {
		if call == "CVI_ISP_Run" { // runs on its own thread, at an unknown time
			err = b.readUntilError(camera)
		} else {
			ctx, cancel := context.WithTimeout(b.Context(), within)
			err = camera.ReadJPEG(ctx, pictureMemory, &frame.Picture{})
			cancel()
		}
		if again := camera.Close(); again != nil {
			b.Errorf("%s: close: %v", what, again)
		}
	}
	b.set("fail=")
	if b.Counter("injected.failures") == injected {
		b.Errorf("%s: never called", what)
	}
	var failed *Error
	switch {
	case err == nil && !slices.Contains(tolerated, call) && !slices.Contains(recovered, call):
		b.Errorf("%s: not reported", what)
	case err != nil && !errors.As(err, &failed):
		b.Errorf("%s: the error does not name the call: %v", what, err)
	case err != nil && !strings.HasSuffix(failed.Call, strings.TrimPrefix(call, "pfn_cmos_")):
		b.Errorf("%s: the error names another call: %v", what, err)
	case err != nil && !errors.Is(err, frame.ErrGone):
		b.Errorf("%s: the error does not wrap ErrGone: %v", what, err)
	}
	if faults := b.Faults(); faults != 0 {
		b.Fatalf("%s: %d faults and leaks (error: %v)", what, faults, err)
	}
	camera = b.open(config)
	b.read(camera)
	b.close(camera)
}
