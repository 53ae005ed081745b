//go:build linux && cgo

package sg2002

/*
#include "camera.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// bringUp cleans up after dead processes, finds the sensor, and starts it.
func (c *Camera) bringUp() (err error) {
	if err := c.clearLeftovers(); err != nil {
		return err
	}
	if err := c.findSensor(); err != nil {
		return err
	}
	if c.object, err = c.mpi.object(c.sensor); err != nil {
		return err
	}
	choices := c.choices(c.config.Width, c.config.Height, c.config.FPS)
	for i, to := range choices {
		if err = c.start(to); !c.unfit(to, err) || i == len(choices)-1 {
			break
		}
	}
	failed, _ := errors.AsType[*Error](err)
	switch {
	case failed == nil:
		return err
	case failed.Call == "sensor pfnSnsProbe":
		return fmt.Errorf("camera: sensor %s does not answer; check its cable (%w)", c.sensor.name, err)
	}
	return fmt.Errorf("camera: bring-up: %w", err)
}

// choices lists the ways to run the sensor, best first, leaving out those found unfit; it is never empty.
func (c *Camera) choices(width, height int, fps float64) []setting {
	all := c.sensor.choices(width, height, fps)
	fit := slices.DeleteFunc(slices.Clone(all), func(s setting) bool {
		return c.mpi.lacking[sensorMode{c.sensor, s.mode}] || slices.Contains(c.tight, s.mode)
	})
	if len(fit) == 0 {
		return all[:1]
	}
	return fit
}

// unfit reports whether a start failed because the driver lacks the mode or there was too little memory for it, and remembers that.
func (c *Camera) unfit(s setting, err error) bool {
	failed, _ := errors.AsType[*Error](err)
	why := "the sensor's driver lacks a mode"
	switch {
	case failed != nil && failed.Call == "sensor set_image_mode":
		c.mpi.lacking[sensorMode{c.sensor, s.mode}] = true
	case errors.Is(err, errNoMemory), failed != nil && failed.noMemory():
		why = "too little memory for a sensor mode"
		c.tight = append(c.tight, s.mode)
	default:
		return false
	}
	c.log.Warn("camera: "+why, zap.String("sensor", c.sensor.name), zap.Stringer("mode", s), zap.Error(err))
	return true
}

// start brings everything up with the sensor in the given mode.
func (c *Camera) start(to setting) error {
	c.mode = to
	c.fill()
	if err := c.room(); err != nil {
		return err
	}
	if err := c.run(C.CAMERA_UP, upTimeout); err != nil {
		return err
	}
	if code := c.c.exposure_result; code != 0 {
		c.log.Warn("camera: the sensor's driver does not take a longest exposure: in the dark the "+
			"rate may fall", zap.Error(&Error{Call: "CVI_ISP_SetExposureAttr", Code: uint32(code)}))
	}
	c.restoreTone()
	c.waited = 0
	c.updateInfo()
	return nil
}

// updateInfo updates Info and the sensor's size from the configuration.
func (c *Camera) updateInfo() {
	c.info.Store(&frame.Info{
		Name: c.sensor.name, Kind: "camera", Width: c.config.Width, Height: c.config.Height,
		FPS: c.mode.fps, Encoder: "hardware (VENC)", Sizes: c.sizes(),
	})
	c.full.Store(&frame.Size{Width: c.mode.width, Height: c.mode.height})
}

// sizes lists the sizes a page offers. Any even size within the limits works; these are the usual ones that the sensor can fill.
func (c *Camera) sizes() []frame.Size {
	own := frame.Size{Width: c.config.Width, Height: c.config.Height}
	return frame.Offer(frame.UsualSizes(), own, func(s frame.Size) bool { return s.Width <= c.mode.width && s.Height <= c.mode.height })
}

// clearLeftovers cleans up after a dead process, by the gentlest way that works. It refuses while the owner is alive.
func (c *Camera) clearLeftovers() error {
	if Pools() == 0 {
		return nil
	}
	if inUse() {
		return busyError()
	}
	c.log.Warn("camera: left open by a dead process; cleaning up", zap.Int("pools", Pools()))
	if err := c.run(C.CAMERA_RECOVER, changeTimeout); err != nil {
		if hardware.hung.Load() { // from here on this process has the modules open, and nothing else can be called
			return err
		}
		c.log.Debug("camera: releasing by library calls", zap.Error(err))
	}
	if Pools() == 0 {
		return nil
	}
	if err := reloadModules(); err != nil {
		return fmt.Errorf("camera: left open by a dead process, and reloading the kernel modules failed: %w: stop whatever uses the screen, or "+
			"reboot: %w", err, frame.ErrGone)
	}
	if Pools() > 0 {
		return fmt.Errorf("camera: %d VB pools left after reloading the kernel modules: reboot: %w", Pools(), frame.ErrGone)
	}
	return nil
}

// room checks that there is enough memory, and marks buffers of dead processes to be freed.
func (c *Camera) room() error {
	if inUse() {
		return busyError() // a process may have VI open before its VB is up
	}
	ion, ok := readCarveout()
	if !ok {
		c.log.Debug("camera: free ION memory unknown (is debugfs mounted?)")
		return nil
	}
	need := int64(C.camera_memory(&c.c.config))
	if c.mpi.table.isp_buffer { // already allocated
		need -= C.ISP_BUFFER
	}
	orphans := ion.orphans(bool(c.mpi.table.isp_buffer) || !c.alone)
	for i, b := range orphans[:min(len(orphans), C.ORPHANS)] {
		c.log.Info("camera: freeing a dead process's buffer", zap.String("name", b.name), zap.Int64("bytes", b.size))
		c.c.config.orphans[i] = C.uint64_t(b.phys)
		c.c.config.orphan_count = C.int(i + 1)
	}
	return checkRoom(need, ion, orphans)
}

func (c *Camera) findSensor() (err error) {
	if name := os.Getenv("MMF_SENSOR_NAME"); c.config.Sensor == "auto" && name != "" {
		c.config.Sensor = name
	}
	if err := c.run(C.CAMERA_RESET_LINE, changeTimeout); err != nil {
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
	// A sensor answers only while it has its clock, which is still off after a cold start.
	if err := c.run(C.CAMERA_CLOCK, changeTimeout); err == nil {
		time.Sleep(10 * time.Millisecond)
		if c.sensor = c.mpi.detect(); c.sensor != nil {
			return nil
		}
	} else if hardware.hung.Load() {
		return err
	}
	c.log.Debug("camera: no sensor answers on i2c; trying the default one")
	c.sensor = &sensors[0]
	return nil
}

// fill fills in the C side's configuration.
func (c *Camera) fill() {
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
	k.sensor = c.object
	k.mclk_enable, k.mclk, k.i2c_bus = bit(s.clock), C.uint8_t(c.board.mclk), sensorBus
	k.width, k.height, k.fps = C.uint32_t(m.width), C.uint32_t(m.height), C.float(m.fps)
	k.isp_bayer, k.dev_bayer = C.ISP_BAYER_FORMAT_E(m.isp), C.BAYER_FORMAT_E(m.device)
	k.yuv, k.grey = C.bool(s.yuv), C.bool(s.grey)
	c.light.monotone = s.grey
	c.applyView(c.light.view)
	tuning := m.tuning
	if c.board.pro && m.proTuning != "" {
		tuning = m.proTuning
	}
	if tuning != "" {
		setText(k.tuning[:], "/mnt/cfg/param/"+tuning)
	}
	setText(k.tuning_file[:], os.Getenv("MAIXSTREAM_ROOT"))
	k.untuned = C.bool(hardware.note != nil && hardware.note.crash.Untuned)
	// An exposure longer than a frame time would slow the sensor down.
	k.exposure_max = C.uint32_t(min(float64(s.exposure), 1e6/min(c.config.FPS, m.fps)))
	k.out_width, k.out_height = C.uint32_t(c.config.Width), C.uint32_t(c.config.Height)
	k.fit = map[string]C.enum_fit{"crop": C.FIT_CROP, "pad": C.FIT_PAD, "stretch": C.FIT_STRETCH}[c.config.Fit]
	c.orient()
	k.out_fps = c.wantedRate(c.config.FPS)
	k.quality = C.uint32_t(realQuality(c.config.Quality))
	k.bound = C.bool(c.config.Path == "bound")
	k.stream_buffer = C.uint32_t(streamBuffer(c.config.Width, c.config.Height))
	c.fillVideo()
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

// orient sets VPSS so that a sensor mounted upside down gives an upright picture, then applies the requested mirror and flip.
func (c *Camera) orient() {
	c.c.config.mirror = C.bool(!c.board.mirror != c.config.Mirror)
	c.c.config.flip = C.bool(!c.board.flip != c.config.Flip)
}

// wantedRate returns the rate to set in VPSS: whole frames per second, 0 for all frames. The pipeline drops the rest.
func (c *Camera) wantedRate(fps float64) C.int32_t {
	if whole := math.Ceil(fps); whole < c.mode.fps {
		return C.int32_t(whole)
	}
	return 0
}
