package v4l2

import (
	"bytes"
	"errors"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queries of a device's capabilities. Layouts and numbers are those of linux/videodev2.h.
const (
	capCapture    = 0x1        // V4L2_CAP_VIDEO_CAPTURE
	capStreaming  = 0x4000000  // V4L2_CAP_STREAMING
	capDeviceCaps = 0x80000000 // V4L2_CAP_DEVICE_CAPS

	sizeDiscrete = 1 // V4L2_FRMSIZE_TYPE_DISCRETE, V4L2_FRMIVAL_TYPE_DISCRETE

	// maxListed limits every enumeration: some drivers never end one.
	maxListed = 1024
)

type capability struct {
	_                   [16]byte // driver
	card, _             [32]byte // bus
	_, caps, deviceCaps uint32   // version
	_                   [3]uint32
}

type formatDescription struct {
	index, kind, _ uint32   // flags
	_              [32]byte // description
	pixelformat    uint32
	_              [4]uint32
}

// frameSizes is v4l2_frmsizeenum: v is width, height, or the minimum, maximum and step of width, then of height.
type frameSizes struct {
	index, pixelformat, kind uint32
	v                        [6]uint32
	_                        [2]uint32
}

// frameIntervals is v4l2_frmivalenum: v is a fraction, or the minimum, maximum and step.
type frameIntervals struct {
	index, pixelformat, width, height, kind uint32
	v                                       [6]uint32
	_                                       [2]uint32
}

// streamParameters is v4l2_streamparm of a capture device.
type streamParameters struct {
	kind, _, _, numerator, denominator uint32 // capability, mode
	_                                  [184]byte
}

const reads = 2

var (
	vidiocQueryCap       = number(reads, 0, unsafe.Sizeof(capability{}))
	vidiocEnumFormat     = number(readWrites, 2, unsafe.Sizeof(formatDescription{}))
	vidiocSetFormat      = number(readWrites, 5, unsafe.Sizeof(formatArg{}))
	vidiocGetParameters  = number(readWrites, 21, unsafe.Sizeof(streamParameters{}))
	vidiocSetParameters  = number(readWrites, 22, unsafe.Sizeof(streamParameters{}))
	vidiocEnumFrameSizes = number(readWrites, 74, unsafe.Sizeof(frameSizes{}))
	vidiocEnumIntervals  = number(readWrites, 75, unsafe.Sizeof(frameIntervals{}))
)

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// queryCapture returns the device's name, and whether it is a video capture device and can stream.
func queryCapture(fd int) (card string, capture, streams bool, err error) {
	var c capability
	if err := ioctl(fd, vidiocQueryCap, &c); err != nil {
		return "", false, false, err
	}
	caps := c.caps
	if caps&capDeviceCaps != 0 {
		caps = c.deviceCaps
	}
	return text(c.card[:]), caps&capCapture != 0, caps&capStreaming != 0, nil
}

// pixelFormats returns the device's formats by their four letters.
func pixelFormats(fd int) (codes []string) {
	for i := range uint32(maxListed) {
		d := formatDescription{index: i, kind: bufTypeCapture}
		if ioctl(fd, vidiocEnumFormat, &d) != nil {
			break
		}
		codes = append(codes, letters(d.pixelformat))
	}
	return codes
}

// sizeRange is a size, or a range if a step is not 0.
type sizeRange struct{ minW, maxW, stepW, minH, maxH, stepH uint32 }

func (s *sizeRange) stepwise() bool { return s.stepW != 0 || s.stepH != 0 }

// sizesOf returns a format's sizes; nil if the driver does not list them.
func sizesOf(fd int, code string) (sizes []sizeRange) {
	for i := range uint32(maxListed) {
		e := frameSizes{index: i, pixelformat: fourCC(code)}
		if ioctl(fd, vidiocEnumFrameSizes, &e) != nil {
			break
		}
		if e.kind != sizeDiscrete { // one entry is the whole range
			return append(sizes, sizeRange{e.v[0], e.v[1], max(1, e.v[2]), e.v[3], e.v[4], max(1, e.v[5])})
		}
		sizes = append(sizes, sizeRange{minW: e.v[0], maxW: e.v[0], minH: e.v[1], maxH: e.v[1]})
	}
	return sizes
}

// fastestOf returns the highest frame rate of a format at a size; 0 if the driver does not list them.
func fastestOf(fd int, code string, width, height int) (fps float64) {
	for i := range uint32(maxListed) {
		e := frameIntervals{index: i, pixelformat: fourCC(code), width: uint32(width), height: uint32(height)}
		if ioctl(fd, vidiocEnumIntervals, &e) != nil {
			break
		}
		if e.v[0] > 0 { // the shortest interval of a range comes first
			fps = max(fps, float64(e.v[1])/float64(e.v[0]))
		}
		if e.kind != sizeDiscrete {
			break
		}
	}
	return fps
}

// setRate requests a frame rate. The driver uses the nearest available one.
func setRate(fd int, fps float64) error {
	const parts = 1000 // per frame per second
	p := streamParameters{kind: bufTypeCapture, numerator: parts, denominator: uint32(max(1, math.Round(fps*parts)))}
	return ioctl(fd, vidiocSetParameters, &p)
}

// rateNow returns the driver's current frame rate, rounded to a thousandth.
func rateNow(fd int) (float64, error) {
	p := streamParameters{kind: bufTypeCapture}
	if err := ioctl(fd, vidiocGetParameters, &p); err != nil {
		return 0, err
	}
	if p.numerator == 0 {
		return 0, errors.New("the driver reports no frame rate")
	}
	return math.Round(float64(p.denominator)/float64(p.numerator)*1000) / 1000, nil
}

// setFormat sets a pixel format and size and returns the format that the device chose.
func setFormat(fd int, code string, width, height int) (string, error) {
	f := formatArg{kind: bufTypeCapture, pix: pixFormat{width: uint32(width), height: uint32(height), pixelformat: fourCC(code)}}
	if err := ioctl(fd, vidiocSetFormat, &f); err != nil {
		return "", err
	}
	return letters(f.pix.pixelformat), nil
}

// openDevice opens a video device, which the caller must close.
func openDevice(device string) (int, error) {
	for {
		fd, err := unix.Open(device, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR: // some drivers wait for the hardware
		default:
			return -1, explain("open", err)
		}
	}
}
