//go:build linux && cgo

package sg2002

/*
#include <stdlib.h>
#include <string.h>
#include "camera.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// How long operations may take before they count as hanging. The driver's own limits are 2 s for a picture and 500 ms for the ISP's end.
const (
	upWithin      = 20 * time.Second
	downWithin    = 10 * time.Second
	changeWithin  = 5 * time.Second
	pictureWithin = 6 * time.Second
	slice         = 200 * time.Millisecond // a read looks up so often
	silence       = 3 * time.Second        // without a frame the sensor counts as lost
)

// streamBuffer is the encoder's memory in ION, a multiple of 1024. The default of 9 MiB is scarce memory wasted; an overflow is slow but handled.
func streamBuffer(width, height int) int {
	if width*height > 1280*720 {
		return 2 << 20
	}
	return 1 << 20
}

// Camera is the open camera: a frame.JPEGSource whose pictures the hardware has encoded. For programs that want raw frames there is Raw.
type Camera struct {
	mpi    *mpi
	sensor *sensor
	log    *zap.Logger

	closing atomic.Bool
	mu      sync.Mutex // serializes operations
	c       *C.struct_camera
	done    *event         // of an operation of c
	pins    runtime.Pinner // of the memory that it has
	config  Config
	object  *C.ISP_SNS_OBJ_S           // the sensor's driver
	mode    setting                    // how the sensor runs
	tight   []mode                     // for which memory was short
	info    atomic.Pointer[frame.Info] // not under mu, which a call that hangs keeps
	full    atomic.Pointer[frame.Size] // of the sensor's pictures; likewise
	board   board
	alone   bool          // no other process that lives keeps libisp's buffer
	streams bool          // a picture has come
	waited  time.Duration // for a frame, since the last one
	left    time.Time     // when the last ReadJPEG ended; the reader's own
	number  uint64
	text    overlayText
	light   light
	video   videoState
	bitmap  unsafe.Pointer // the overlay's, C memory
}

var (
	_ frame.JPEGSource    = (*Camera)(nil)
	_ frame.QualitySetter = (*Camera)(nil)
	_ frame.RateSetter    = (*Camera)(nil)
	_ frame.ModeSetter    = (*Camera)(nil)
	_ frame.Resizer       = (*Camera)(nil)
	_ frame.Orienter      = (*Camera)(nil)
	_ frame.Overlayer     = (*Camera)(nil)
)

// one guards the hardware within this process; hung is set when a library call never returned, after which the libraries are unusable.
var one struct {
	sync.Mutex
	open bool
	hung atomic.Bool
	note *note // for as long as libisp may use its shared buffer; nil before
}

// Open brings the camera up. Errors wrap ErrNoBoard or ErrLibraries where there is no such hardware or software, and frame.ErrGone where trying
// again later may help: no sensor, the camera in use, modules not loaded; and frame.ErrStuck once a call of the libraries never came back.
func Open(ctx context.Context, config Config) (*Camera, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if !OnBoard() && config.LibDir == "" && os.Getenv("MAIXSTREAM_MPI_LIBS") == "" {
		return nil, fmt.Errorf("camera: %s does not name a MaixCAM: %w", Root("/proc/device-tree/model"), ErrNoBoard)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := openLibraries(config.LibDir)
	if err != nil {
		return nil, err
	}
	one.Lock()
	defer one.Unlock()
	switch {
	case one.hung.Load():
		return nil, fmt.Errorf("camera: a call of the chip's libraries never came back: %w: %w", frame.ErrGone, frame.ErrStuck)
	case one.open:
		return nil, fmt.Errorf("camera: this program has it open already: %w", frame.ErrGone)
	}
	unlock := lockModules()
	defer unlock()
	missing := MissingNodes()
	if len(missing) > 0 {
		if err := finishReload(); err != nil {
			config.Log.Warn("camera: loading the kernel modules", zap.Error(err))
		}
		missing = MissingNodes()
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("camera: %s missing: are the kernel modules loaded? /etc/init.d/S00kmod start: %w", strings.Join(missing, ", "), frame.ErrGone)
	}
	camera := &Camera{mpi: m, log: config.Log, config: config, board: readBoard(), light: light{changed: make(chan struct{}, 1)}}
	if err := camera.takeNote(); err != nil {
		return nil, err
	}
	if err := camera.startThread(); err != nil {
		camera.giveNote()
		return nil, err
	}
	if err := camera.bringUp(); err != nil {
		if !one.hung.Load() {
			camera.endThread()
			if one.note != nil {
				one.note.forgive()
			}
			camera.giveNote()
		}
		return nil, err
	}
	one.open = true
	if config.Overlay != "" {
		if err := camera.SetOverlay(config.Overlay); err != nil {
			one.Unlock() // Close takes it
			_ = camera.Close()
			one.Lock()
			return nil, err
		}
	}
	return camera, nil
}

var errEmpty = errors.New("no frame yet")

func (c *Camera) result(code C.int) error {
	switch code {
	case C.CAMERA_OK:
		return nil
	case C.CAMERA_EMPTY:
		return errEmpty
	case C.CAMERA_TOO_LARGE:
		return fmt.Errorf("camera: a picture of %d bytes: %w", c.c.size, frame.ErrTooLarge)
	case C.CAMERA_HANGS:
		call := c.doing()
		c.hangs()
		return fmt.Errorf("camera: %s does not come back: %w: %w", call, frame.ErrGone, frame.ErrStuck)
	}
	return &Error{Call: C.GoString(c.c.failed.call), Code: uint32(c.c.failed.code)}
}

// doing names the call in progress.
func (c *Camera) doing() string {
	if name := C.GoString(c.c.note); name != "" {
		return name
	}
	return "a call of the chip's libraries"
}

// hangs marks the C side as hung.
func (c *Camera) hangs() {
	if !c.closing.Swap(true) {
		c.abandonThread()
	}
	one.hung.Store(true)
}

// Info implements frame.Source. It never blocks.
func (c *Camera) Info() frame.Info { return *c.info.Load() }

// Close brings the camera down and releases it. It waits for a read in progress. It may be called twice.
func (c *Camera) Close() error {
	if c.closing.Swap(true) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endUnits()
	err := c.result0(c.perform(C.CAMERA_DOWN, downWithin))
	one.Lock()
	defer one.Unlock()
	one.open = false
	if err != nil {
		one.hung.Store(true)
		c.abandonThread()
		return err
	}
	c.endThread()
	c.giveNote()
	c.c = nil
	C.free(c.bitmap)
	c.bitmap = nil
	return nil
}

// result0 is result for Close, which owns the C side's end.
func (c *Camera) result0(code C.int) error {
	if code == C.CAMERA_HANGS {
		return fmt.Errorf("camera: close: %s does not come back: %w: %w", c.doing(), frame.ErrGone, frame.ErrStuck)
	}
	return nil
}
