// Package v4l2 is a source of pictures from a webcam or any other Linux video capture device.
package v4l2

import (
	"fmt"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
)

// Config configures a device. Zero fields select the default.
type Config struct {
	Width, Height int     // pixels; the nearest available size is used; default 640x480
	FPS           float64 // maximum pictures per second; default 30
	// Formats restricts the pixel formats, by their four letters ("MJPG", "YUYV"); nil: all supported ones, MJPG first if size and rate are equal,
	// because its pictures need no encoding. H264 is used only if it is listed here, or the device has nothing else.
	Formats []string
	// Buffers is how many pictures the device and the reader share, 2 to 32; default 6. If the reader holds more than Buffers-2 frames, the
	// device drops pictures.
	Buffers int
	// Still enables frame.StillOpener, which stops the stream for each picture.
	Still bool
}

// format is a supported pixel format.
type format struct {
	code   string       // four letters
	pixels frame.Format // Unknown: JPEG or H.264
	luma   bool         // may have limited range
}

// formats lists them by increasing work for the encoder.
var formats = []format{
	{"MJPG", frame.Unknown, false},
	{"JPEG", frame.Unknown, false},
	{"YU12", frame.YUV420, true},
	{"NV12", frame.NV12, true},
	{"NV21", frame.NV21, true},
	{"422P", frame.YUV422, true},
	{"YUYV", frame.YUYV, true},
	{"RGB3", frame.RGB, false},
	{"BGR3", frame.BGR, false},
	{"GREY", frame.Grey, false}, // vivid and infrared webcams use the full range
	{codeH264, frame.Unknown, false},
}

// codeH264 is used only if requested, or if the device has nothing else: it must be decoded to provide JPEG.
const codeH264 = "H264"

func fourCC(code string) uint32 {
	return uint32(code[0]) | uint32(code[1])<<8 | uint32(code[2])<<16 | uint32(code[3])<<24
}

func letters(code uint32) string {
	return string([]byte{byte(code), byte(code >> 8), byte(code >> 16), byte(code >> 24)})
}

// check fills in the defaults and returns an error if a value is out of range.
func (c *Config) check() error {
	if c.Width == 0 && c.Height == 0 {
		c.Width, c.Height = 640, 480
	}
	if c.FPS == 0 {
		c.FPS = 30
	}
	if c.Buffers == 0 {
		c.Buffers = 6
	}
	if c.Buffers < 2 || c.Buffers > 32 {
		return fmt.Errorf("%d buffers: out of range (2 to 32)", c.Buffers)
	}
	for i, code := range c.Formats {
		code = strings.ToUpper(code)
		if code == "MJPEG" {
			code = "MJPG"
		}
		c.Formats[i] = code
		if _, err := formatOf(code); err != nil {
			return err
		}
	}
	return frame.CheckSize(c.Width, c.Height)
}

func formatOf(code string) (format, error) {
	var known []string
	for _, f := range formats {
		if f.code == code {
			return f, nil
		}
		known = append(known, f.code)
	}
	return format{}, fmt.Errorf("pixel format %q: %w (%s)", code, frame.ErrUnsupported, strings.Join(known, ", "))
}
