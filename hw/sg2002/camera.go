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
	"math"
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
	mu      sync.Mutex // one operation at a time
	c       *C.struct_camera
	done    *event         // of an operation of c
	pins    runtime.Pinner // of the memory that it has
	config  Config
	mode    mode
	info    atomic.Pointer[frame.Info] // not under mu, which a call that hangs keeps
	board   board
	last    time.Time // of the last frame
	number  uint64
	text    overlayText
	bitmap  unsafe.Pointer // the overlay's, C memory
}

var (
	_ frame.JPEGSource    = (*Camera)(nil)
	_ frame.QualitySetter = (*Camera)(nil)
	_ frame.RateSetter    = (*Camera)(nil)
	_ frame.Resizer       = (*Camera)(nil)
	_ frame.Orienter      = (*Camera)(nil)
	_ frame.Overlayer     = (*Camera)(nil)
)

// one guards the hardware within this process; hung is set when a call of the libraries never came back, after which they are unusable.
var one struct {
	sync.Mutex
	open bool
	hung atomic.Bool
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
	camera := &Camera{mpi: m, log: config.Log, config: config, board: readBoard()}
	if err := camera.startThread(); err != nil {
		return nil, err
	}
	if err := camera.bringUp(); err != nil {
		if !one.hung.Load() {
			camera.endThread()
		}
		return nil, err
	}
	one.open = true
	camera.last = time.Now()
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

func (c *Camera) bringUp() error {
	if err := c.clearLeftovers(); err != nil {
		return err
	}
	if err := c.findSensor(); err != nil {
		return err
	}
	object, err := c.mpi.object(c.sensor)
	if err != nil {
		return err
	}
	c.mode = c.sensor.mode(c.config.Width, c.config.Height, c.config.FPS)
	err = c.start(object)
	failed, _ := errors.AsType[*Error](err)
	if failed != nil && failed.Call == "sensor set_image_mode" && c.mode != c.sensor.modes[0] {
		// The oldest driver of gc4653 has only this one.
		c.log.Warn("camera: the sensor's driver lacks the mode that would suit best", zap.String("sensor", c.sensor.name), zap.Int("width", c.mode.width),
			zap.Int("height", c.mode.height), zap.Float64("fps", c.mode.fps))
		c.mode = c.sensor.modes[0]
		err = c.start(object)
		failed, _ = errors.AsType[*Error](err)
	}
	switch {
	case failed != nil && failed.Call == "sensor pfnSnsProbe":
		return fmt.Errorf("camera: sensor %s does not answer: is its cable in? (%w)", c.sensor.name, err)
	case failed != nil:
		return fmt.Errorf("camera: bring-up: %w", err)
	case err != nil:
		return err
	}
	if code := c.c.exposure_result; code != 0 {
		c.log.Warn("camera: the sensor's driver does not take a longest exposure: in the dark the rate may fall", zap.Error(&Error{Call: "CVI_ISP_SetExposureAttr", Code: uint32(code)}))
	}
	c.tell()
	return nil
}

// tell makes what Info says that of the configuration.
func (c *Camera) tell() {
	c.info.Store(&frame.Info{
		Name: c.sensor.name, Kind: "camera", Width: c.config.Width, Height: c.config.Height,
		FPS: c.mode.fps, Encoder: "hardware (VENC)", Sizes: c.sizes(),
	})
}

// start brings everything up in the mode chosen.
func (c *Camera) start(object *C.ISP_SNS_OBJ_S) error {
	c.fill(object)
	if err := c.room(); err != nil {
		return err
	}
	return c.run(C.CAMERA_UP, upWithin)
}

// sizes are what a page offers; any even size within the limits is fine, these are the usual ones that the sensor's picture fills.
func (c *Camera) sizes() []frame.Size {
	var list []frame.Size
	for _, s := range []frame.Size{{Width: 320, Height: 240}, {Width: 640, Height: 480}, {Width: 800, Height: 600}, {Width: 1280, Height: 720}, {Width: 1920, Height: 1080}, {Width: 2560, Height: 1440}} {
		if s.Width <= c.mode.width && s.Height <= c.mode.height {
			list = append(list, s)
		}
	}
	own := frame.Size{Width: c.config.Width, Height: c.config.Height}
	for _, s := range list {
		if s == own {
			return list
		}
	}
	return append(list, own)
}

// clearLeftovers finds what a process that died has left, and clears it by the gentlest way that works; it refuses when the owner lives.
func (c *Camera) clearLeftovers() error {
	if Pools() == 0 {
		return nil
	}
	if inUse() {
		return busyError()
	}
	c.log.Warn("camera: a program that died has left it open: clearing up", zap.Int("pools", Pools()))
	if err := c.run(C.CAMERA_RECOVER, changeWithin); err != nil {
		if one.hung.Load() { // this process has the modules open from now on, and nothing else can be called
			return err
		}
		c.log.Debug("camera: giving back by calls", zap.Error(err))
	}
	if Pools() == 0 {
		return nil
	}
	if err := reloadModules(); err != nil {
		return fmt.Errorf("camera: left open by a program that died, and the kernel modules cannot be loaded again: %w: stop what uses the screen or reboot: %w", err, frame.ErrGone)
	}
	if Pools() > 0 {
		return fmt.Errorf("camera: %d VB pools are left after the kernel modules were loaded again: reboot: %w", Pools(), frame.ErrGone)
	}
	return nil
}

// room checks that memory will suffice, and marks what dead processes left in it to be freed.
func (c *Camera) room() error {
	if inUse() {
		return busyError() // before VB is up a process may have VI open already
	}
	ion, ok := readCarveout()
	if !ok {
		c.log.Debug("camera: the kernel does not say how much ION memory is free (is debugfs mounted?)")
		return nil
	}
	need := int64(C.camera_memory(&c.c.config))
	kept := bool(c.mpi.table.isp_buffer)
	if kept {
		need -= C.ISP_BUFFER
	}
	orphans := ion.orphans(kept)
	for i, b := range orphans[:min(len(orphans), C.ORPHANS)] {
		c.log.Info("camera: freeing a buffer that a dead program left", zap.String("name", b.name), zap.Int64("bytes", b.size))
		c.c.config.orphans[i] = C.uint64_t(b.phys)
		c.c.config.orphan_count = C.int(i + 1)
	}
	return checkRoom(need, ion, orphans)
}

func (c *Camera) findSensor() (err error) {
	if name := os.Getenv("MMF_SENSOR_NAME"); c.config.Sensor == "auto" && name != "" {
		c.config.Sensor = name
	}
	if err := c.run(C.CAMERA_RESET_LINE, changeWithin); err != nil {
		return fmt.Errorf("camera: release the sensor's reset: %w", err)
	}
	if err := c.mpi.setPads(c.board); err != nil {
		return err
	}
	if c.config.Sensor != "auto" {
		c.sensor, err = sensorNamed(c.config.Sensor)
		return err
	}
	if c.sensor = c.mpi.detect(); c.sensor != nil {
		return nil
	}
	// A sensor answers only while it has its clock, which after a cold start nobody has turned on yet.
	if err := c.run(C.CAMERA_CLOCK, changeWithin); err == nil {
		time.Sleep(10 * time.Millisecond)
		if c.sensor = c.mpi.detect(); c.sensor != nil {
			return nil
		}
	} else if one.hung.Load() {
		return err
	}
	c.log.Debug("camera: no sensor answers on i2c; trying the usual one")
	c.sensor = &sensors[0]
	return nil
}

// fill writes the C side's configuration.
func (c *Camera) fill(object *C.ISP_SNS_OBJ_S) {
	k, s, m := &c.c.config, c.sensor, c.mode
	variant := 0
	if c.board.pro {
		variant = 1
	}
	lanes, swaps := s.lanes[variant], s.swaps[variant]
	if c.board.lanes != nil {
		lanes = *c.board.lanes
	}
	if c.board.swaps != nil {
		swaps = *c.board.swaps
	}
	for i := range 5 {
		k.lanes[i], k.swaps[i] = C.int16_t(lanes[i]), C.int8_t(swaps[i])
	}
	k.sensor = object
	k.mclk_enable, k.mclk, k.i2c_bus = bit(s.clock), C.uint8_t(c.board.mclk), sensorBus
	k.width, k.height, k.fps = C.uint32_t(m.width), C.uint32_t(m.height), C.float(m.fps)
	k.isp_bayer, k.dev_bayer = C.ISP_BAYER_FORMAT_E(m.isp), C.BAYER_FORMAT_E(m.device)
	k.yuv, k.grey = C.bool(s.yuv), C.bool(s.grey)
	tuning := m.tuning
	if c.board.pro && m.proTuning != "" {
		tuning = m.proTuning
	}
	if tuning != "" {
		setText(k.tuning[:], "/mnt/cfg/param/"+tuning)
	}
	setText(k.tuning_file[:], os.Getenv("MAIXSTREAM_ROOT"))
	// An exposure longer than a frame time would slow the sensor down.
	k.exposure_max = C.uint32_t(min(float64(s.exposure), 1e6/min(c.config.FPS, m.fps)))
	k.out_width, k.out_height = C.uint32_t(c.config.Width), C.uint32_t(c.config.Height)
	k.fit = map[string]C.enum_fit{"crop": C.FIT_CROP, "pad": C.FIT_PAD, "stretch": C.FIT_STRETCH}[c.config.Fit]
	c.orient()
	k.out_fps = c.wantedRate(c.config.FPS)
	k.quality = C.uint32_t(realQuality(c.config.Quality))
	k.bound = C.bool(c.config.Path == "bound")
	k.stream_buffer = C.uint32_t(streamBuffer(c.config.Width, c.config.Height))
	k.still, k.still_buffer = C.bool(c.config.Still), C.uint32_t(streamBuffer(m.width, m.height))
}

func bit(on bool) C.uint8_t {
	if on {
		return 1
	}
	return 0
}

func setText(to []C.char, text string) {
	for i := range to {
		to[i] = 0
	}
	for i := range min(len(text), len(to)-1) {
		to[i] = C.char(text[i])
	}
}

// orient sets VPSS so that a sensor mounted upside down shows its picture upright, and then as asked for.
func (c *Camera) orient() {
	c.c.config.mirror = C.bool(!c.board.mirror != c.config.Mirror)
	c.c.config.flip = C.bool(!c.board.flip != c.config.Flip)
}

// wantedRate is what VPSS is told: whole frames a second, 0 for all of them. The pipeline thins the rest.
func (c *Camera) wantedRate(fps float64) C.int32_t {
	if whole := math.Ceil(fps); whole < c.mode.fps {
		return C.int32_t(whole)
	}
	return 0
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

// doing names the call that is under way.
func (c *Camera) doing() string {
	if name := c.c.doing; name != nil {
		return C.GoString((*C.char)(unsafe.Pointer(name)))
	}
	return "a call of the chip's libraries"
}

// hangs gives the C side up for lost.
func (c *Camera) hangs() {
	if !c.closing.Swap(true) {
		c.abandonThread()
	}
	one.hung.Store(true)
}

// Info implements frame.Source. It never waits.
func (c *Camera) Info() frame.Info { return *c.info.Load() }

// ReadJPEG implements frame.JPEGSource. dst may be any memory; it is written only during the call.
func (c *Camera) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	return c.readUntil(ctx, C.CAMERA_JPEG, dst, p)
}

// Still takes one picture of the size of the sensor's mode, beside the stream, whatever size that has: StillSize pixels, without overlay, at
// the stream's quality. A Camera opened without Config.Still gives an error that wraps frame.ErrUnsupported. dst is as ReadJPEG's;
// frame.MaxJPEGSize bytes always suffice. It may be called while another goroutine reads; the stream loses a frame or two.
func (c *Camera) Still(ctx context.Context, dst []byte, p *frame.Picture) error {
	if !c.config.Still {
		return fmt.Errorf("camera: still picture: %w: the camera was opened without", frame.ErrUnsupported)
	}
	return c.readUntil(ctx, C.CAMERA_STILL, dst, p)
}

// StillSize is the size of Still's pictures, in pixels.
func (c *Camera) StillSize() frame.Size {
	return frame.Size{Width: c.mode.width, Height: c.mode.height}
}

// readUntil reads a picture, waiting in slices, so that ctx and Close are heeded and others get their turn.
func (c *Camera) readUntil(ctx context.Context, op C.enum_camera_op, dst []byte, p *frame.Picture) error {
	if len(dst) == 0 {
		return fmt.Errorf("camera: %w", frame.ErrTooLarge)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.read(op, dst, p)
		if err != errEmpty { //nolint:errorlint // our own, never wrapped
			return err
		}
	}
}

func (c *Camera) read(op C.enum_camera_op, dst []byte, p *frame.Picture) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Load() {
		return fmt.Errorf("camera: closed: %w", frame.ErrGone)
	}
	if err := c.text.refresh(c); err != nil {
		c.log.Debug("camera: overlay", zap.Error(err))
	}
	c.c.wait_ms = C.int32_t(slice.Milliseconds())
	code := c.performInto(op, dst, nil, nil)
	if code == C.CAMERA_OK {
		size := frame.Size{Width: c.config.Width, Height: c.config.Height}
		if op == C.CAMERA_STILL {
			size = c.StillSize()
		} else {
			c.number++
		}
		c.last = time.Now()
		*p = frame.Picture{
			Size: int(c.c.size), Width: size.Width, Height: size.Height, Quality: int(c.c.config.quality),
			Captured: captured(uint64(c.c.pts)), Sequence: c.number,
		}
		return nil
	}
	err := c.result(code)
	if err == errEmpty { //nolint:errorlint // our own, never wrapped
		allowed := silence
		if fps := c.c.config.out_fps; fps > 0 {
			allowed += 2 * time.Second / time.Duration(fps)
		}
		if quiet := time.Since(c.last); quiet > allowed {
			return fmt.Errorf("camera: no frame for %.1f s: sensor %s lost? %w", quiet.Seconds(), c.sensor.name, frame.ErrGone)
		}
	}
	return err
}

// Close brings the camera down and frees it for others. It waits for a read that is under way. It may be called twice.
func (c *Camera) Close() error {
	if c.closing.Swap(true) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
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
