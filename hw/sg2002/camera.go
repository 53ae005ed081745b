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

// Time limits after which an operation counts as hung. The driver's own limits are 2 s for a picture and 500 ms for stopping the ISP.
const (
	upTimeout      = 20 * time.Second
	downTimeout    = 10 * time.Second
	changeTimeout  = 5 * time.Second
	pictureTimeout = 6 * time.Second
	readSlice      = 200 * time.Millisecond // how often a read checks ctx and Close
	silence        = 3 * time.Second        // without a frame for this long the sensor counts as lost
)

// streamBuffer returns the size of the encoder's buffer in ION, a multiple of 1024. The default of 9 MiB wastes scarce memory; an overflow is slow but handled.
func streamBuffer(width, height int) int {
	if width*height > 1280*720 {
		return 2 << 20
	}
	return 1 << 20
}

// Camera is the open camera: a frame.JPEGSource whose pictures are encoded in hardware. For raw frames see Raw.
type Camera struct {
	mpi    *mpi
	sensor *sensor
	log    *zap.Logger

	closing atomic.Bool
	mu      sync.Mutex // serializes operations
	c       *C.struct_camera
	done    *event         // signals the end of an operation of c
	pins    runtime.Pinner // for memory passed to c
	config  Config
	object  *C.ISP_SNS_OBJ_S           // the sensor's driver
	mode    setting                    // how the sensor runs
	tight   []mode                     // modes that memory was too short for
	info    atomic.Pointer[frame.Info] // not under mu, which a hanging call keeps locked
	full    atomic.Pointer[frame.Size] // the sensor's picture size; not under mu either
	board   board
	alone   bool          // no other live process keeps libisp's buffer
	streams bool          // a picture has been delivered
	waited  time.Duration // for a frame, since the last one arrived
	left    time.Time     // when the last ReadJPEG ended; used by the reader only
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

// hardware guards the hardware within this process. hung is set once a library call never returned; the libraries are unusable from then on.
var hardware struct {
	sync.Mutex
	open bool
	hung atomic.Bool
	note *note // for as long as libisp may use its shared buffer; nil before
}

// Open brings the camera up. Errors wrap ErrNoBoard or ErrLibraries if the hardware or software is not there; frame.ErrGone if trying
// again later may help (no sensor, camera in use, modules not loaded); and also frame.ErrStuck once a library call has never returned.
func Open(ctx context.Context, config Config) (*Camera, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if !OnBoard() && config.LibDir == "" && os.Getenv("MAIXSTREAM_MPI_LIBS") == "" {
		return nil, fmt.Errorf("camera: %s names no MaixCAM: %w", Root("/proc/device-tree/model"), ErrNoBoard)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := openLibraries(config.LibDir)
	if err != nil {
		return nil, err
	}
	hardware.Lock()
	defer hardware.Unlock()
	switch {
	case hardware.hung.Load():
		return nil, fmt.Errorf("camera: a call into the chip's libraries never returned: %w: %w", frame.ErrGone, frame.ErrStuck)
	case hardware.open:
		return nil, fmt.Errorf("camera: already open in this process: %w", frame.ErrGone)
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
		return nil, fmt.Errorf("camera: %s missing: load the kernel modules (/etc/init.d/S00kmod start): %w", strings.Join(missing, ", "), frame.ErrGone)
	}
	camera := &Camera{mpi: m, log: config.Log, config: config, board: readBoard(), light: light{changed: make(chan struct{}, 1)}}
	if err := camera.beginNote(); err != nil {
		return nil, err
	}
	if err := camera.startThread(); err != nil {
		camera.endNote()
		return nil, err
	}
	if err := camera.bringUp(); err != nil {
		if !hardware.hung.Load() {
			camera.endThread()
			if hardware.note != nil {
				hardware.note.resetCrashes()
			}
			camera.endNote()
		}
		return nil, err
	}
	hardware.open = true
	if config.Overlay != "" {
		if err := camera.SetOverlay(config.Overlay); err != nil {
			hardware.Unlock() // Close locks it
			_ = camera.Close()
			hardware.Lock()
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
		call := c.currentCall()
		c.markHung()
		return fmt.Errorf("camera: %s does not come back: %w: %w", call, frame.ErrGone, frame.ErrStuck)
	}
	return &Error{Call: C.GoString(c.c.failed.call), Code: uint32(c.c.failed.code)}
}

// currentCall names the call in progress.
func (c *Camera) currentCall() string {
	if name := C.GoString(c.c.note); name != "" {
		return name
	}
	return "a call into the chip's libraries"
}

// markHung abandons the C side, whose thread is stuck in a library call.
func (c *Camera) markHung() {
	if !c.closing.Swap(true) {
		c.abandonThread()
	}
	hardware.hung.Store(true)
}

// Info implements frame.Source. It never blocks.
func (c *Camera) Info() frame.Info { return *c.info.Load() }

// Close brings the camera down and releases it. It waits for a read in progress and may be called twice.
func (c *Camera) Close() error {
	if c.closing.Swap(true) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endUnits()
	err := c.closeResult(c.perform(C.CAMERA_DOWN, downTimeout))
	hardware.Lock()
	defer hardware.Unlock()
	hardware.open = false
	if err != nil {
		hardware.hung.Store(true)
		c.abandonThread()
		return err
	}
	c.endThread()
	c.endNote()
	c.c = nil
	C.free(c.bitmap)
	c.bitmap = nil
	return nil
}

// closeResult is result for Close, which abandons the C side itself.
func (c *Camera) closeResult(code C.int) error {
	if code == C.CAMERA_HANGS {
		return fmt.Errorf("camera: close: %s does not come back: %w: %w", c.currentCall(), frame.ErrGone, frame.ErrStuck)
	}
	return nil
}
