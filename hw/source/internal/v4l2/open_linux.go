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

// Open opens a video capture device and starts it. It returns a frame.JPEGSource where the device delivers JPEG, a frame.VideoSource where it delivers H.264, else a
// frame.RawSource whose frames are the device's own buffers: they may be written until they are released. The first and the last always give the newest picture, and
// implement frame.RateSetter.
//
// Errors that may be different later (unplugged, in use, not allowed) wrap frame.ErrGone.
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

// start opens the device for streaming, maps its buffers and turns it on.
func start(device string, chosen choice, c *Config) (_ *camera, err error) {
	fd, err := openDevice(device)
	if err != nil {
		return nil, err
	}
	cam := newCamera(device, fd, chosen)
	defer func() {
		if err != nil {
			cam.unmap()
			unix.Close(fd)
		}
	}()
	if err := cam.setLayout(); err != nil {
		return nil, err
	}
	request := requestBuffers{count: uint32(c.Buffers), kind: bufTypeCapture, memory: memoryMmap}
	if err := ioctl(fd, vidiocRequest, &request); err != nil {
		return nil, explain("request buffers", err)
	}
	for i := range request.count {
		b := buffer{kind: bufTypeCapture, memory: memoryMmap, index: i}
		if err := ioctl(fd, vidiocQuery, &b); err != nil {
			return nil, explain("query buffer", err)
		}
		mapped, err := unix.Mmap(fd, int64(uint32(b.offset)), int(b.length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, explain("map buffer", err)
		}
		cam.slots = append(cam.slots, &slot{camera: cam, index: i, memory: mapped})
		if err := cam.queue(i); err != nil {
			return nil, explain("queue buffer", err)
		}
	}
	kind := uint32(bufTypeCapture)
	if err := ioctl(fd, vidiocStreamOn, &kind); err != nil {
		return nil, explain("start", err)
	}
	if cam.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	cam.period = thin(c.FPS, chosen.fps)
	cam.asked = c.FPS
	cam.subscribe()
	go cam.run()
	return cam, nil
}

// thin returns the time between pictures for the gate: 0 where the device is not faster than what is wanted.
func thin(fps, device float64) time.Duration {
	if device > 0 && fps >= device*0.99 {
		return 0
	}
	return pace.Period(fps)
}

// setLayout asks what the device was really set to.
func (c *camera) setLayout() error {
	f := formatArg{kind: bufTypeCapture}
	if err := ioctl(c.fd, vidiocGetFormat, &f); err != nil {
		return explain("get format", err)
	}
	if got := letters(f.pix.pixelformat); got != c.chosen.format.code {
		return fmt.Errorf("get format: %w: somebody set it to %s meanwhile", frame.ErrGone, got)
	}
	if err := frame.CheckSize(int(f.pix.width), int(f.pix.height)); err != nil {
		return err
	}
	c.layout = frame.Frame{Format: c.chosen.format.pixels, Width: int(f.pix.width), Height: int(f.pix.height)}
	c.chosen.width, c.chosen.height = c.layout.Width, c.layout.Height
	rowBytes, _ := c.layout.Format.PlaneSize(0, c.layout.Width, c.layout.Height)
	c.layout.Strides[0] = max(rowBytes, int(f.pix.bytesperline))
	switch c.layout.Format {
	case frame.NV12, frame.NV21:
		c.layout.Strides[1] = c.layout.Strides[0]
	case frame.YUV420, frame.YUV422:
		c.layout.Strides[1], c.layout.Strides[2] = c.layout.Strides[0]/2, c.layout.Strides[0]/2
	}
	// Luma and chroma have limited range unless the driver says otherwise (V4L2_MAP_QUANTIZATION_DEFAULT).
	c.limited = c.chosen.format.luma && f.pix.quantization != quantizationFull && (f.pix.quantization != 0 || f.pix.colorspace != colorspaceJPEG)
	return nil
}
