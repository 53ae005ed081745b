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

// tolerated are calls that may fail without harm: what is not initialised cannot be ended, a tuning file only makes the picture better, and the
// longest exposure only keeps the rate up in the dark.
var tolerated = []string{
	"CVI_SYS_Exit", "CVI_VB_Exit", "CVI_BIN_GetBinName", "CVI_BIN_ImportBinData", "CVI_ISP_GetExposureAttr", "CVI_ISP_SetExposureAttr",
}

// recovered are calls of the stream that are made once more when the driver refuses them, as it does when a signal comes in between, or whose
// failure makes the encoder anew; and that of a sensor's mode, of which another is taken.
var recovered = []string{"pfn_cmos_set_image_mode", "CVI_SYS_IonFree", "CVI_VENC_SendFrame", "CVI_VENC_GetStream", "CVI_VENC_ReleaseStream", "CVI_VPSS_ReleaseChnFrame", "CVI_VENC_GetFd"}

// TestEveryCallFails fails each call that the way to the first picture is made of, one after the other: the error names the call, all is given back,
// and the next opening works.
func TestEveryCallFails(t *testing.T) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			onBoard(t, scenario{settings: "sensor_fps=500;encode_us_per_mpixel=0;sensor=os04a10"}, func(b *bench) {
				// Not a clock: it is drawn once more when a second passes before the first picture, and not when none does.
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

// calls lists what the libraries are called for up to the first picture, in order, by their own account.
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
		// How often nothing had come yet is this machine's matter, and another number at the next time.
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
		if call == "CVI_ISP_Run" { // on a thread of its own, whose turn comes when it comes
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
		b.Errorf("%s: not noticed", what)
	case err != nil && !errors.As(err, &failed):
		b.Errorf("%s: the error does not have the call: %v", what, err)
	case err != nil && !strings.HasSuffix(failed.Call, strings.TrimPrefix(call, "pfn_cmos_")):
		b.Errorf("%s: the error blames another call: %v", what, err)
	case err != nil && !errors.Is(err, frame.ErrGone):
		b.Errorf("%s: the error does not say that another try may help: %v", what, err)
	}
	if faults := b.Faults(); faults != 0 {
		b.Fatalf("%s: %d faults and leaks (error: %v)", what, faults, err)
	}
	camera = b.open(config)
	b.read(camera)
	b.close(camera)
}
