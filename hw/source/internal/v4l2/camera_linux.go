package v4l2

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/drops"
	"github.com/maixstream/maixstream/internal/pace"
)

// silence is how long a device may deliver nothing before it is given up.
const silence = 5 * time.Second

// camera takes pictures out of a device as they come and keeps the newest.
type camera struct {
	drops.Counter
	*controls
	device  string
	fd      int
	wake    int // an eventfd that ends run's poll
	chosen  choice
	layout  frame.Frame // planes' sizes and strides
	limited bool
	slots   []*slot
	arrived chan struct{} // capacity 1
	closed  chan struct{}
	stopped chan struct{}

	mu       sync.Mutex
	gate     pace.Gate
	period   time.Duration // between pictures that are handed out; 0: all
	asked    float64       // frames a second
	newest   *slot         // nil: fetched already
	waiting  []*slot       // of H.264, where none can be left out
	damaged  bool          // H.264 is missing before the next one
	device32 uint32        // the driver's last sequence number
	sequence uint64        // extended, from 1, without what the gate left out
	end      error         // set when nothing follows
	down     bool          // Close was called: buffers are not queued any more
}

// slot is one buffer.
type slot struct {
	camera   *camera
	index    uint32
	memory   []byte
	used     int // bytes of picture
	captured time.Time
	sequence uint64
	out      bool // the reader has it
	behind   bool // H.264 is missing before it
}

func newCamera(device string, fd int, chosen choice) *camera {
	return &camera{
		controls: newControls(device, fd), device: device, fd: fd, wake: -1, chosen: chosen,
		arrived: make(chan struct{}, 1), closed: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// Info implements frame.Source.
func (c *camera) Info() frame.Info {
	info := frame.Info{Name: c.chosen.name, Kind: "v4l2", Width: c.chosen.width, Height: c.chosen.height, Sizes: c.chosen.sizes}
	c.mu.Lock()
	defer c.mu.Unlock()
	if info.FPS = c.chosen.fps; info.FPS == 0 || c.asked < info.FPS {
		info.FPS = c.asked
	}
	return info
}

// SetFPS implements frame.RateSetter: pictures beyond the rate are left out; the next one passes.
func (c *camera) SetFPS(fps float64) error {
	if err := pace.CheckFPS(fps); err != nil {
		return fmt.Errorf("v4l2: %s: %w", c.device, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if fps != c.asked {
		c.asked = fps
		c.period = thin(fps, c.chosen.fps)
		c.gate.Reset()
	}
	return nil
}

// run takes pictures until Close or the device's end.
func (c *camera) run() {
	defer close(c.stopped)
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN | unix.POLLPRI}, {Fd: int32(c.wake), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(silence/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			c.finish(explain("wait", err))
			return
		case fds[1].Revents != 0:
			return
		case n == 0:
			c.finish(fmt.Errorf("wait: %w: no picture for %s", frame.ErrGone, silence))
			return
		}
		if fds[0].Revents&unix.POLLPRI != 0 {
			c.takeEvents(c.fd)
			if fds[0].Revents&^unix.POLLPRI == 0 {
				continue
			}
		}
		b := buffer{kind: bufTypeCapture, memory: memoryMmap}
		err = ioctl(c.fd, vidiocDequeue, &b)
		switch {
		case err == nil:
			c.take(&b)
		case !errors.Is(err, unix.EAGAIN):
			c.finish(explain("dequeue buffer", err))
			return
		case fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			c.finish(explain("wait", unix.ENODEV))
			return
		}
	}
}

// finish notes why nothing follows.
func (c *camera) finish(err error) {
	c.mu.Lock()
	c.end = fmt.Errorf("v4l2: %s: %w", c.device, err)
	c.mu.Unlock()
	c.announce()
}

// take keeps a picture as the newest, or gives it back.
func (c *camera) take(b *buffer) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down || int(b.index) >= len(c.slots) {
		return
	}
	if c.sequence == 0 {
		c.sequence, c.device32 = 1, b.sequence
	} else {
		c.sequence += max(1, uint64(b.sequence-c.device32)) // modulo 2^32
		c.device32 = b.sequence
	}
	s := c.slots[b.index]
	switch {
	case b.flags&bufFlagError != 0 || b.bytesused == 0 || int(b.bytesused) > len(s.memory):
		c.sequence--
		c.damaged = true
		c.Drop(fmt.Errorf("v4l2: %s: %w: the device flags it as damaged (%d bytes)", c.device, frame.ErrBadPicture, b.bytesused))
	case c.chosen.format.code == codeH264:
		s.used, s.captured, s.sequence, s.behind = int(b.bytesused), captureTime(b, now), c.sequence, c.damaged
		c.damaged = false
		c.waiting = append(c.waiting, s)
		s = nil
		c.announce()
	case !c.gate.Pass(now, c.period):
		c.sequence--
	default:
		s.used, s.captured, s.sequence = int(b.bytesused), captureTime(b, now), c.sequence
		s, c.newest = c.newest, s
		c.announce()
	}
	if s != nil {
		_ = c.queue(s.index) // a device that is gone says so at the next dequeue
	}
}

// renumber takes the number of a picture that was broken, and counted as that, out of the sequence.
func (c *camera) renumber() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sequence--
	if c.newest != nil {
		c.newest.sequence--
	}
}

// captureTime converts the driver's time of the picture.
func captureTime(b *buffer, now time.Time) time.Time {
	var clock unix.Timespec
	if b.flags&bufFlagTimestampMask != bufFlagTimestampMonotonic || unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock) != nil {
		return now
	}
	age := time.Duration(clock.Nano() - b.timestamp.Nano())
	if age < 0 || age > 10*time.Second { // a driver that has it wrong
		return now
	}
	return now.Add(-age)
}

func (c *camera) queue(index uint32) error {
	b := buffer{kind: bufTypeCapture, memory: memoryMmap, index: index}
	return ioctl(c.fd, vidiocQueue, &b)
}

func (c *camera) announce() {
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// next waits for the newest picture and takes it over: the caller must give it back.
func (c *camera) next(ctx context.Context) (*slot, error) {
	for {
		select {
		case <-c.closed:
			return nil, c.errClosed()
		default:
		}
		if s, err := c.fetch(); s != nil || err != nil {
			return s, err
		}
		select {
		case <-c.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.closed:
		}
	}
}

func (c *camera) fetch() (*slot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, c.errClosed()
	}
	if len(c.waiting) > 0 {
		s := c.waiting[0]
		c.waiting = append(c.waiting[:0], c.waiting[1:]...)
		s.out = true
		return s, nil
	}
	if s := c.newest; s != nil {
		c.newest, s.out = nil, true
		return s, nil
	}
	return nil, c.end
}

func (c *camera) errClosed() error {
	return fmt.Errorf("v4l2: %s: %w: closed", c.device, frame.ErrEnd)
}

// ReleaseFrame implements frame.Owner: the device gets its buffer back, or, after Close, the system.
func (s *slot) ReleaseFrame(*frame.Frame) {
	c := s.camera
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !s.out:
	case c.down:
		s.unmap()
	default:
		_ = c.queue(s.index)
	}
	s.out = false
}

// Close implements frame.Source. Frames that are still out stay readable until their release.
func (c *camera) Close() error {
	c.mu.Lock()
	if c.down {
		c.mu.Unlock()
		<-c.stopped
		return nil
	}
	c.down = true
	close(c.closed)
	c.mu.Unlock()
	c.controls.close()
	_, werr := unix.Write(c.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-c.stopped
	kind := uint32(bufTypeCapture)
	_ = ioctl(c.fd, vidiocStreamOff, &kind) // closing does it too
	c.mu.Lock()
	c.unmap()
	c.mu.Unlock()
	return errors.Join(werr, unix.Close(c.fd), unix.Close(c.wake))
}

// unmap gives all buffers back that the reader has not.
func (c *camera) unmap() {
	for _, s := range c.slots {
		if !s.out {
			s.unmap()
		}
	}
}

func (s *slot) unmap() {
	if s.memory != nil {
		_ = unix.Munmap(s.memory) // fails on addresses that are not mapped only
		s.memory = nil
	}
}
