package v4l2

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
)

// Open opens and starts a video capture device. It returns a frame.JPEGSource if the device delivers JPEG, a frame.VideoSource if it delivers H.264, else a
// frame.RawSource whose frames are the device's own buffers, which may be written to until they are released. All but H.264 return the newest picture, and
// implement frame.RateSetter.
//
// Errors that may be temporary (unplugged, in use, not allowed) wrap frame.ErrGone.
func Open(device string, c Config) (frame.Source, error) {
	source, err := open(device, c)
	if err != nil {
		return nil, fmt.Errorf("v4l2: %s: %w", device, err)
	}
	return source, nil
}

func open(device string, c Config) (frame.Source, error) {
	if err := errors.Join(c.check(), pace.CheckFPS(c.FPS)); err != nil {
		return nil, err
	}
	info, err := os.Stat(device)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, explain("open", unix.ENOENT)
	case err != nil:
		return nil, err
	case info.Mode()&os.ModeCharDevice == 0:
		return nil, errors.New("open: not a device (a webcam is /dev/videoN)")
	}
	chosen, err := choose(device, &c)
	if err != nil {
		return nil, err
	}
	cam, err := start(device, chosen, &c)
	if err != nil {
		return nil, err
	}
	switch {
	case chosen.format.code == codeH264:
		return newCoded(cam), nil
	case chosen.format.pixels == frame.Unknown:
		return jpegCamera{cam}, nil
	}
	return rawCamera{cam}, nil
}

// start opens the device for streaming.
func start(device string, chosen choice, c *Config) (*camera, error) {
	cam := newCamera(device, chosen, *c)
	if err := cam.begin(); err != nil {
		return nil, err
	}
	cam.controls.attach(cam.fd)
	cam.subscribe()
	return cam, nil
}

// begin opens the device, already set to c.chosen, maps its buffers and starts streaming.
func (c *camera) begin() (err error) {
	c.fd, err = openDevice(c.device)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.retire()
			unix.Close(c.fd)
		}
	}()
	if err := c.settle(); err != nil {
		return err
	}
	request := requestBuffers{count: uint32(c.config.Buffers), kind: bufTypeCapture, memory: memoryMmap}
	if err := ioctl(c.fd, vidiocRequest, &request); err != nil {
		return explain("request buffers", err)
	}
	for i := range request.count {
		b := buffer{kind: bufTypeCapture, memory: memoryMmap, index: i}
		if err := ioctl(c.fd, vidiocQuery, &b); err != nil {
			return explain("query buffer", err)
		}
		mapped, err := unix.Mmap(c.fd, int64(uint32(b.offset)), int(b.length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return explain("map buffer", err)
		}
		c.slots = append(c.slots, &slot{camera: c, index: i, memory: mapped})
		if err := c.queue(i); err != nil {
			return explain("queue buffer", err)
		}
	}
	kind := uint32(bufTypeCapture)
	if err := ioctl(c.fd, vidiocStreamOn, &kind); err != nil {
		return explain("start", err)
	}
	if c.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	c.mu.Lock()
	c.period = thin(c.asked, c.chosen.fps)
	c.counts = false
	c.gate.Reset()
	c.mu.Unlock()
	c.stopped = make(chan struct{})
	go c.run()
	return nil
}

// halt undoes begin. Frames still held stay readable until they are released.
func (c *camera) halt() error {
	_, werr := unix.Write(c.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-c.stopped
	kind := uint32(bufTypeCapture)
	_ = ioctl(c.fd, vidiocStreamOff, &kind) // closing does it too
	// A held frame is mapped, and keeps the device open. Without its buffers it can be set to another size nevertheless (Linux 5.0).
	_ = ioctl(c.fd, vidiocRequest, &requestBuffers{kind: bufTypeCapture, memory: memoryMmap})
	c.retire()
	return errors.Join(werr, unix.Close(c.fd), unix.Close(c.wake))
}

// thin returns the gate's time between pictures: 0 if the device is not faster than the wanted rate.
func thin(fps, device float64) time.Duration {
	if device > 0 && fps >= device*0.99 {
		return 0
	}
	return pace.Period(fps)
}

// settle reads the device's actual format the first time; later it must be unchanged, as readers may use it.
func (c *camera) settle() error {
	layout, limited, err := c.readLayout()
	switch {
	case err != nil:
		return err
	case c.layout.Width == 0:
		c.layout, c.limited = layout, limited
		c.chosen.width, c.chosen.height = layout.Width, layout.Height
	case layout.Width != c.layout.Width || layout.Height != c.layout.Height || layout.Strides != c.layout.Strides || limited != c.limited:
		return fmt.Errorf("get format: %w: another program changed it to %dx%d", frame.ErrGone, layout.Width, layout.Height)
	}
	return nil
}

// readLayout reads the device's actual format.
func (c *camera) readLayout() (layout frame.Frame, limited bool, err error) {
	f := formatArg{kind: bufTypeCapture}
	if err := ioctl(c.fd, vidiocGetFormat, &f); err != nil {
		return layout, false, explain("get format", err)
	}
	format := c.chosen.format
	if got := letters(f.pix.pixelformat); got != format.code {
		return layout, false, fmt.Errorf("get format: %w: another program changed it to %s", frame.ErrGone, got)
	}
	if err := frame.CheckSize(int(f.pix.width), int(f.pix.height)); err != nil {
		return layout, false, err
	}
	layout = frame.Frame{Format: format.pixels, Width: int(f.pix.width), Height: int(f.pix.height)}
	rowBytes, _ := layout.Format.PlaneSize(0, layout.Width, layout.Height)
	layout.Strides[0] = max(rowBytes, int(f.pix.bytesperline))
	switch layout.Format {
	case frame.NV12, frame.NV21:
		layout.Strides[1] = layout.Strides[0]
	case frame.YUV420, frame.YUV422:
		layout.Strides[1], layout.Strides[2] = layout.Strides[0]/2, layout.Strides[0]/2
	}
	// Luma and chroma have limited range unless the driver specifies otherwise (V4L2_MAP_QUANTIZATION_DEFAULT).
	limited = format.luma && f.pix.quantization != quantizationFull && (f.pix.quantization != 0 || f.pix.colorspace != colorspaceJPEG)
	return layout, limited, nil
}
