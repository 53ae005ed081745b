//go:build linux && cgo

package sg2002

/*
#include "camera.h"

static const VENC_PACK_S *pack(const struct camera *c, uint32_t i) { return &c->video.packs[i]; }
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

var (
	_ frame.VideoSource     = (*Camera)(nil)
	_ frame.VideoSwitcher   = (*Camera)(nil)
	_ frame.VideoConfigurer = (*Camera)(nil)
	_ frame.VideoChecker    = (*Camera)(nil)
	_ frame.KeyRequester    = (*Camera)(nil)
)

// gate mirrors C's struct gate. It outlives the thread.
type gate struct{ unit, key, failed uint32 }

// videoState is Go's view of H.264.
type videoState struct {
	side    *C.struct_camera // Camera.c; the reader uses it only while it holds a unit
	gate    *gate
	units   *event // signals news in the gate to the reader
	holding bool   // the reader holds a unit; used by the reader only
	nals    [12][]byte
	config  frame.VideoConfig // under mu, like on
	on      bool
	reason  error // why it was switched off, if not by the C side
	warned  bool  // the refused fine settings were logged
}

// videoChannel is the number of the encoder channel for H.264.
const videoChannel = C.VIDEO_CHN

// videoBuffer is the size of the buffer for encoded pictures: the one used by products with this chip, far above any picture at usual bitrates.
const videoBuffer = 1 << 20

// The encoder's limits (cvi_defines.h; its driver checks them only at start), and the file its firmware is loaded from.
const (
	videoMinWidth, videoMinHeight = 114, 16
	videoMaxWidth, videoMaxHeight = 4096, 2304
	videoFirmware                 = "/usr/share/fw_vcodec/coda980.bin"
	videoFirmwareBuffer           = "VCODEC_H264_FW_Buffer"
)

// videoMemory returns how much ION H.264 takes at a size, in bytes, by the driver's own arithmetic (docs/hardware.md). firmware is the core's, which is
// loaded once and stays.
func videoMemory(width, height int) (channel, firmware int64) {
	up := func(n, to int64) int64 { return (n + to - 1) / to * to }
	area := up(up(int64(width), 16), 32) * up(int64(height), 32)
	picture := up(area, 16<<10) + 2*up(area/4, 16<<10)
	return 2*picture + videoBuffer + 80<<10, 768 << 10
}

// videoSize reports whether the encoder supports a size.
func videoSize(width, height int) bool {
	return width >= videoMinWidth && height >= videoMinHeight && width <= videoMaxWidth && height <= videoMaxHeight
}

// CheckVideo implements frame.VideoChecker: it checks size and memory.
func (c *Camera) CheckVideo() error {
	return c.change(func() error {
		if c.video.on {
			return nil
		}
		return c.videoFits(c.config.Width, c.config.Height, 0)
	})
}

// videoFits returns an error if the encoder does not support the size or memory is too small. spare is additional memory that will be free by then.
func (c *Camera) videoFits(width, height int, spare int64) error {
	if !videoSize(width, height) {
		return fmt.Errorf("camera: %w of %dx%d: size must be %dx%d to %dx%d", frame.ErrVideo, width, height, videoMinWidth, videoMinHeight, videoMaxWidth, videoMaxHeight)
	}
	ion, ok := readCarveout()
	if !ok {
		return nil // the driver will report it
	}
	need, firmware := videoMemory(width, height)
	if !ion.has(videoFirmwareBuffer) {
		need += firmware
	}
	const mega = 1 << 20
	if free := ion.size - ion.used + spare; need > free {
		return fmt.Errorf("camera: %w of %dx%d: %.1f MiB of ION memory needed, %.1f are free: choose a smaller size, or disable full-size stills", frame.ErrVideo,
			width, height, float64(need)/mega, float64(free)/mega)
	}
	return nil
}

// ConfigureVideo implements frame.VideoConfigurer. Bitrate and rate apply from the next regular key frame on; a new key frame interval begins with a key frame.
func (c *Camera) ConfigureVideo(config frame.VideoConfig) error {
	if config.Bitrate <= 0 || !(config.FPS > 0) || config.GOP < 0 {
		return fmt.Errorf("camera: H.264 at %d bit/s, %v frames per second, a key frame every %v: must be positive", config.Bitrate, config.FPS, config.GOP)
	}
	c.doneWithUnit() // an operation waiting for the unit holds the camera
	return c.change(func() error {
		c.video.config = config
		if !c.video.on {
			return nil
		}
		c.fillVideo()
		return c.runVideo()
	})
}

// SetVideo implements frame.VideoSwitcher: it creates or destroys the encoder's channel. Errors wrap frame.ErrVideo.
func (c *Camera) SetVideo(on bool) error {
	c.doneWithUnit()
	return c.change(func() error {
		if on == c.video.on {
			return nil
		}
		if on {
			if err := c.videoFits(c.config.Width, c.config.Height, 0); err != nil {
				return err
			}
			atomic.StoreUint32(&c.video.gate.failed, 0)
			c.video.reason = nil
		}
		c.video.on = on
		c.fillVideo()
		err := c.runVideo()
		if v := &c.c.video; !on && err == nil {
			c.log.Debug("camera: H.264 switched off", zap.Uint64("units", uint64(v.units)), zap.Uint64("skipped", uint64(v.skipped)), zap.Uint64("lost", uint64(v.lost)),
				zap.Uint64("recreated", uint64(v.recreated)), zap.Uint64("restarted_for_a_key_frame", uint64(v.restarted)))
		}
		return err
	})
}

// fillVideo fills in the video part of the C side's configuration.
func (c *Camera) fillVideo() {
	k := &c.c.config
	k.video = C.bool(c.video.on)
	fps := c.video.config.FPS
	if rate := float64(c.wantedRate(fps)); rate > 0 {
		fps = rate // what VPSS delivers
	} else {
		fps = math.Min(c.mode.fps, 60) // the encoder's limit
	}
	if fps < 1 {
		fps = 1
	}
	gop := c.video.config.GOP.Seconds() * math.Min(fps, c.video.config.FPS)
	k.coding.buffer = videoBuffer
	k.coding.kilobits = C.uint32_t(min(max(c.video.config.Bitrate/1000, 32), 100_000))
	k.coding.rate = C.uint32_t(math.Round(fps))
	k.coding.gop = C.uint32_t(min(max(math.Round(gop), 1), 3600))
}

// runVideo applies the configuration to the encoder.
func (c *Camera) runVideo() error {
	err := c.run(C.CAMERA_VIDEO, changeTimeout)
	if hardware.hung.Load() {
		return err
	}
	if err != nil {
		c.video.on = bool(c.c.config.video)
		return videoError(err)
	}
	if shaped := c.c.video.shaped; c.video.on && shaped.call != nil && !c.video.warned {
		c.video.warned = true
		c.log.Warn("camera: H.264 setting refused; continuing with the driver's default", zap.Error(&Error{Call: C.GoString(shaped.call), Code: uint32(shaped.code)}))
	}
	return nil
}

// videoError explains a failed call of the encoder.
func videoError(err error) error {
	failed, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err
	case failed.Call == "CVI_VENC_CreateChn" && failed.Code == 0xc0078006:
		return fmt.Errorf("camera: %w: the encoder's firmware is missing: %s (%w)", frame.ErrVideo, Root(videoFirmware), failed)
	case failed.Call == "CVI_VENC_StartRecvFrame", failed.noMemory():
		return fmt.Errorf("camera: %w: %w: ION memory may be short", frame.ErrVideo, failed)
	}
	return fmt.Errorf("camera: %w: %w", frame.ErrVideo, failed)
}

// videoRefits checks that H.264 still fits after a change of size: its present memory is free by then, and the pictures need more or less.
func (c *Camera) videoRefits(width, height int) error {
	if !c.video.on {
		return nil
	}
	pictures := func(width, height int) int64 {
		up := func(n, to int) int { return (n + to - 1) / to * to }
		return int64(C.POOL_BLOCKS*up(width, C.DEFAULT_ALIGN)*up(height, 16)*3/2 + streamBuffer(width, height))
	}
	spare, _ := videoMemory(c.config.Width, c.config.Height)
	return c.videoFits(width, height, spare+pictures(c.config.Width, c.config.Height)-pictures(width, height))
}

// refuseVideo switches H.264 off and passes the reason to its reader.
func (c *Camera) refuseVideo(reason error) {
	c.video.on, c.video.reason = false, reason
	atomic.StoreUint32(&c.video.gate.failed, 1)
	raise(int(c.c.unit))
}

// RequestKey implements frame.KeyRequester: the next encoded frame becomes a key frame.
func (c *Camera) RequestKey() error {
	atomic.StoreUint32(&c.video.gate.key, 1)
	return nil
}

// ReadUnit implements frame.VideoSource. Units arrive while H.264 is on and pictures are read: both come from the same frames. u's bytes are the
// encoder's own memory, valid until the next ReadUnit, before which no further frame is encoded. Resize, SetMode and Close wait two seconds for that and
// then invalidate them. An error that wraps frame.ErrVideo means that H.264 was given up.
func (c *Camera) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	v := &c.video
	c.doneWithUnit()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.closing.Load() {
			return fmt.Errorf("camera: closed: %w", frame.ErrGone)
		}
		if atomic.CompareAndSwapUint32(&v.gate.unit, C.UNIT_READY, C.UNIT_TAKEN) {
			c.fillUnit(u)
			v.holding = true
			return nil
		}
		if atomic.LoadUint32(&v.gate.failed) != 0 {
			return c.videoFailed()
		}
		v.units.wait(readSlice)
	}
}

// doneWithUnit returns the unit being read. Only the reader calls it.
func (c *Camera) doneWithUnit() {
	if c.video.holding {
		c.video.holding = false
		atomic.StoreUint32(&c.video.gate.unit, C.UNIT_DONE)
	}
}

// unitTimeout is how long Close waits for a reader that is copying a unit.
const unitTimeout = 2 * time.Second

// endUnits invalidates the unit being read, after waiting for a reader that is copying it.
func (c *Camera) endUnits() {
	unit := &c.video.gate.unit
	for until := time.Now().Add(unitTimeout); atomic.LoadUint32(unit) == C.UNIT_TAKEN && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	atomic.CompareAndSwapUint32(unit, C.UNIT_TAKEN, C.UNIT_DONE)
}

// fillUnit points u at the unit the reader holds.
func (c *Camera) fillUnit(u *frame.AccessUnit) {
	v := &c.video.side.video
	u.NALs = c.video.nals[:0]
	for i := range uint32(v.stream.u32PackCount) {
		p := C.pack(c.video.side, C.uint32_t(i))
		b := unsafe.Slice((*byte)(unsafe.Pointer(p.pu8Addr)), int(p.u32Len))[p.u32Offset:]
		if nal := withoutStartCode(b); len(nal) > 0 {
			u.NALs = append(u.NALs, nal)
		}
	}
	u.Key, u.Captured, u.Sequence = bool(v.key), captured(uint64(v.pts)), uint64(v.number)
}

// withoutStartCode strips a NAL unit's start code of three or four bytes, and trailing zeros.
func withoutStartCode(b []byte) []byte {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	if zeros >= 2 && zeros < len(b) && b[zeros] == 1 {
		b = b[zeros+1:]
	}
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

// videoFailed handles H.264 having been given up by the C side.
func (c *Camera) videoFailed() error {
	return c.change(func() error {
		atomic.StoreUint32(&c.video.gate.failed, 0)
		c.video.on = false
		if reason := c.video.reason; reason != nil {
			c.video.reason = nil
			return reason
		}
		failed := &Error{Call: C.GoString(c.c.video.failed.call), Code: uint32(c.c.video.failed.code)}
		return videoError(failed)
	})
}

// videoStats are counters since the camera was opened.
type videoStats struct{ units, bytes, skipped, lost, recreated, restarted uint64 }

func (c *Camera) videoStats() (s videoStats) {
	_ = c.change(func() error {
		v := &c.c.video
		s = videoStats{uint64(v.units), uint64(v.bytes), uint64(v.skipped), uint64(v.lost), uint64(v.recreated), uint64(v.restarted)}
		return nil
	})
	return s
}
