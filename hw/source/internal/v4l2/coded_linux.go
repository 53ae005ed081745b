package v4l2

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/annexb"
)

// Controls of a device's encoder: V4L2_CID_MPEG_VIDEO_…, from linux/v4l2-controls.h.
const (
	controlGOPSize  = 0x9909cb
	controlBitrate  = 0x9909cf
	controlForceKey = 0x9909e5
	controlIPeriod  = 0x990a66 // H.264's, which some drivers have instead of the GOP size
)

// codedCamera passes on the device's H.264, one access unit per buffer.
type codedCamera struct {
	*controls
	camera  *camera
	tuner   *tuner
	buffers annexb.Buffers

	// Used by the reader only.
	out    *slot  // the buffer that the reader holds
	driver uint64 // the last slot's sequence
	number uint64 // the last unit's
}

// tunableCamera is a codedCamera whose bitrate can be changed.
type tunableCamera struct{ *codedCamera }

var (
	_ frame.VideoSource     = (*codedCamera)(nil)
	_ frame.KeyRequester    = (*codedCamera)(nil)
	_ frame.Dropper         = (*codedCamera)(nil)
	_ frame.Controller      = (*codedCamera)(nil)
	_ frame.VideoConfigurer = tunableCamera{}
)

// newCoded returns a source for a camera that delivers H.264.
func newCoded(c *camera) frame.Source {
	coded := &codedCamera{controls: c.controls, camera: c, tuner: c.controls.tuner()}
	if coded.tuner.has(controlBitrate) {
		return tunableCamera{coded}
	}
	return coded
}

// ReadUnit implements frame.VideoSource. The bytes are in the device's buffer, which the next call returns to it.
func (c *codedCamera) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	for {
		if c.out != nil {
			c.out.ReleaseFrame(nil)
			c.out = nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := c.camera.next(ctx)
		if err != nil {
			return err
		}
		c.out = s
		if lost := s.sequence - c.driver; c.driver > 0 && lost > 1 { // the pipeline counts the gap
			c.number += lost - 1
			c.buffers.Lost()
		}
		c.driver = s.sequence
		if s.behind { // damaged ones, already counted
			c.buffers.Lost()
		}
		if err := c.buffers.Unit(s.memory[:s.used], u); err != nil {
			c.camera.Drop(fmt.Errorf("v4l2: %s: %w", c.camera.device, err))
			continue
		}
		if len(u.NALs) == 0 { // only parameter sets, or undecodable
			continue
		}
		c.number++
		u.Captured, u.Sequence = s.captured, c.number
		return nil
	}
}

// Dropped implements frame.Dropper.
func (c *codedCamera) Dropped() (uint64, error) { return c.camera.Dropped() }

// Info implements frame.Source.
func (c *codedCamera) Info() frame.Info {
	info := c.camera.Info()
	info.FPS = c.camera.chosen.fps // units cannot be dropped
	info.Note = c.tuner.note()
	return info
}

// RequestKey implements frame.KeyRequester. The error wraps frame.ErrUnsupported if the device has no control for it.
func (c *codedCamera) RequestKey() error {
	if err := c.tuner.requestKey(); err != nil {
		return fmt.Errorf("v4l2: %s: request a key frame: %w", c.camera.device, err)
	}
	return nil
}

// ConfigureVideo implements frame.VideoConfigurer.
func (c tunableCamera) ConfigureVideo(v frame.VideoConfig) error {
	if err := c.tuner.configure(v); err != nil {
		return fmt.Errorf("v4l2: %s: %w", c.camera.device, err)
	}
	return nil
}

// Close implements frame.Source. The bytes of the last unit stay readable until the next ReadUnit.
func (c *codedCamera) Close() error { return c.camera.Close() }

// tuner sets the available controls of a device's encoder.
type tuner struct {
	set    func(id uint32, value int64) error
	limits map[uint32][2]int64 // minimum and maximum of the available controls

	mu      sync.Mutex
	current map[uint32]int64 // values set
}

// tuner queries which controls are available.
func (c *controls) tuner() *tuner {
	t := &tuner{limits: map[uint32][2]int64{}, current: map[uint32]int64{}}
	for _, id := range []uint32{controlGOPSize, controlBitrate, controlForceKey, controlIPeriod} {
		q := controlQuery{id: id}
		if ioctl(c.fd, vidiocQueryControl, &q) == nil && q.flags&(controlDisabled|controlReadOnly) == 0 {
			t.limits[id] = [2]int64{q.minimum, q.maximum}
		}
	}
	t.set = func(id uint32, value int64) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.fd < 0 {
			return errControlsClosed
		}
		return c.call(vidiocSetControls, &listed{id: id}, value)
	}
	return t
}

func (t *tuner) has(id uint32) bool {
	_, ok := t.limits[id]
	return ok
}

// note returns what the device cannot do.
func (t *tuner) note() string {
	var lacks []string
	if !t.has(controlForceKey) {
		lacks = append(lacks, "key frames on request: a new viewer waits for the next one")
	}
	if !t.has(controlBitrate) {
		lacks = append(lacks, "the bitrate: it stays as it is")
	}
	if lacks == nil {
		return ""
	}
	return "the device has no control for " + strings.Join(lacks, "; and none for ")
}

func (t *tuner) requestKey() error {
	if !t.has(controlForceKey) {
		return fmt.Errorf("%w: the device has no control for it", frame.ErrUnsupported)
	}
	return t.set(controlForceKey, 0)
}

// configure sets the bitrate and GOP size if they have changed, clamped to the device's limits.
func (t *tuner) configure(v frame.VideoConfig) error {
	pictures := int64(math.Round(v.GOP.Seconds() * v.FPS))
	return errors.Join(
		t.change("bitrate", controlBitrate, int64(v.Bitrate)),
		t.change("GOP", controlGOPSize, max(1, pictures)),
		t.change("GOP", controlIPeriod, max(1, pictures)),
	)
}

func (t *tuner) change(name string, id uint32, value int64) error {
	limits, ok := t.limits[id]
	if !ok {
		return nil
	}
	value = min(max(value, limits[0]), limits[1])
	t.mu.Lock()
	defer t.mu.Unlock()
	if was, known := t.current[id]; known && was == value {
		return nil
	}
	if err := t.set(id, value); err != nil {
		return fmt.Errorf("set the %s to %d: %w", name, value, err)
	}
	t.current[id] = value
	return nil
}
