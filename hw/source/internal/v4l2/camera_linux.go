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

// silence is how long a device may deliver nothing before it is considered gone.
const silence = 5 * time.Second

// falseAlarm is the pause after a wait that ended without a picture or event.
const falseAlarm = 10 * time.Millisecond

// camera reads pictures from a device as they arrive and keeps the newest.
type camera struct {
	drops.Counter
	*controls
	device  string
	config  Config
	driver  func(request uintptr, b *buffer) error // replaces the ioctls for buffers in tests; else nil
	chosen  choice
	arrived chan struct{} // capacity 1
	closed  chan struct{}

	// life guards what is recreated when the device is turned on, and is held while it is off, for a larger picture or for good.
	life    sync.Mutex
	fd      int
	wake    int         // an eventfd that interrupts run's wait
	layout  frame.Frame // planes' sizes and strides
	limited bool
	stopped chan struct{} // closed when run has ended

	mu       sync.Mutex
	slots    []*slot
	gate     pace.Gate
	period   time.Duration // between delivered pictures; 0: all
	asked    float64       // the requested rate, in frames per second
	newest   *slot         // nil: already fetched
	waiting  []*slot       // H.264, of which none can be dropped
	damaged  bool          // H.264 before the next buffer was lost
	device32 uint32        // the driver's last sequence number
	counts   bool          // device32 is valid: from since the device was turned on
	sequence uint64        // extended, from 1, without pictures that the gate dropped
	end      error         // set when the stream has ended
	down     bool          // Close was called: buffers are no longer queued
}

// slot is a buffer.
type slot struct {
	camera   *camera
	index    uint32
	memory   []byte
	used     int // bytes of picture
	captured time.Time
	sequence uint64
	out      bool // held by the reader
	retired  bool // the device is off: the buffer is no longer queued
	behind   bool // H.264 before it was lost
}

func newCamera(device string, chosen choice, c Config) *camera {
	return &camera{
		controls: newControls(device, -1), device: device, fd: -1, wake: -1, chosen: chosen, config: c, asked: c.FPS,
		arrived: make(chan struct{}, 1), closed: make(chan struct{}),
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

// SetFPS implements frame.RateSetter: pictures beyond the rate are dropped, but never the next one.
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

// run reads pictures until Close or the device's end.
func (c *camera) run() {
	defer close(c.stopped)
	w, err := newWaiter(c.fd, c.wake)
	if err != nil {
		c.finish(explain("wait", err))
		return
	}
	defer w.close()
	for last := time.Now(); ; {
		ready, woken, err := w.wait(silence - time.Since(last))
		switch {
		case err != nil:
			c.finish(explain("wait", err))
			return
		case woken:
			return
		}
		if ready&unix.EPOLLPRI != 0 {
			c.takeEvents(c.fd)
		}
		// The device is asked after every wait: events are no sign of pictures, and after a long interruption the wait's end is no sign of their absence.
		b := buffer{kind: bufTypeCapture, memory: memoryMmap}
		err = c.exchange(vidiocDequeue, &b)
		switch {
		case err == nil:
			last = time.Now()
			c.take(&b)
		case !errors.Is(err, unix.EAGAIN):
			c.finish(explain("dequeue buffer", err))
			return
		case ready&unix.EPOLLHUP != 0:
			c.finish(explain("wait", unix.ENODEV))
			return
		case time.Since(last) >= silence:
			c.finish(fmt.Errorf("wait: %w: no picture for %s", frame.ErrGone, silence))
			return
		case ready&^unix.EPOLLPRI != 0: // EPOLLERR also means that a signal interrupted the driver's poll function: wait again, but not in a tight loop
			time.Sleep(falseAlarm)
		}
	}
}

// finish sets the stream's final error.
func (c *camera) finish(err error) {
	c.mu.Lock()
	c.end = fmt.Errorf("v4l2: %s: %w", c.device, err)
	c.mu.Unlock()
	c.announce()
}

// take keeps a picture as the newest, or requeues its buffer.
func (c *camera) take(b *buffer) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down || int(b.index) >= len(c.slots) {
		return
	}
	if c.counts {
		c.sequence += max(1, uint64(b.sequence-c.device32)) // modulo 2^32
	} else {
		c.sequence, c.counts = c.sequence+1, true
	}
	c.device32 = b.sequence
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
	case !c.wanted(now):
		c.sequence--
	default:
		s.used, s.captured, s.sequence = int(b.bytesused), captureTime(b, now), c.sequence
		s, c.newest = c.newest, s
		c.announce()
	}
	if s != nil {
		_ = c.queue(s.index) // if the device is gone, the next dequeue reports it
	}
}

// wanted reports whether to deliver the current picture. While one waits to be fetched, a newer one replaces it, and takes its number. mu is held.
func (c *camera) wanted(now time.Time) bool {
	if c.gate.Pass(now, c.period) {
		return true
	}
	if c.newest == nil {
		return false
	}
	c.sequence--
	return true
}

// renumber removes a broken picture, which is counted as such, from the sequence.
func (c *camera) renumber() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sequence--
	if c.newest != nil {
		c.newest.sequence--
	}
}

// captureTime converts the driver's timestamp.
func captureTime(b *buffer, now time.Time) time.Time {
	var clock unix.Timespec
	if b.flags&bufFlagTimestampMask != bufFlagTimestampMonotonic || unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock) != nil {
		return now
	}
	age := time.Duration(clock.Nano() - b.timestamp.Nano())
	if age < 0 || age > 10*time.Second { // implausible
		return now
	}
	return now.Add(-age)
}

func (c *camera) queue(index uint32) error {
	b := buffer{kind: bufTypeCapture, memory: memoryMmap, index: index}
	return c.exchange(vidiocQueue, &b)
}

// exchange queues or dequeues a buffer.
func (c *camera) exchange(request uintptr, b *buffer) error {
	if c.driver != nil {
		copied := *b // b itself must not escape, which would allocate per picture
		err := c.driver(request, &copied)
		*b = copied
		return err
	}
	return ioctl(c.fd, request, b)
}

func (c *camera) announce() {
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// next waits for the newest picture and takes it over: the caller must release it.
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

// ReleaseFrame implements frame.Owner: it requeues the buffer, or unmaps it if the device is off.
func (s *slot) ReleaseFrame(*frame.Frame) {
	c := s.camera
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !s.out:
	case s.retired:
		s.unmap()
	default:
		_ = c.queue(s.index)
	}
	s.out = false
}

// Close implements frame.Source. Frames still held stay readable until they are released.
func (c *camera) Close() error {
	c.mu.Lock()
	first := !c.down
	c.down = true
	c.mu.Unlock()
	if first {
		close(c.closed) // also interrupts a larger picture
	}
	c.life.Lock()
	defer c.life.Unlock()
	if !first || c.fd < 0 {
		return nil
	}
	c.controls.close()
	err := c.halt()
	c.fd = -1
	return err
}

// retire unmaps all buffers that the reader does not hold.
func (c *camera) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.slots {
		if s.retired = true; !s.out {
			s.unmap()
		}
	}
	c.slots, c.newest = nil, nil
}

func (s *slot) unmap() {
	if s.memory != nil {
		_ = unix.Munmap(s.memory) // fails only for addresses that are not mapped
		s.memory = nil
	}
}
