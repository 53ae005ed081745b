package main

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
)

// sizeValue is a flag like 640x480, in pixels.
type sizeValue struct{ width, height int }

func (s *sizeValue) String() string { return fmt.Sprintf("%dx%d", s.width, s.height) }
func (s *sizeValue) Type() string   { return "WxH" }
func (s *sizeValue) Set(text string) error {
	var w, h int
	if n, err := fmt.Sscanf(strings.ToLower(text), "%dx%d", &w, &h); n != 2 || err != nil || fmt.Sprintf("%dx%d", w, h) != strings.ToLower(text) {
		return fmt.Errorf("want WIDTHxHEIGHT in pixels, such as 640x480")
	}
	if err := frame.CheckSize(w, h); err != nil {
		return fmt.Errorf("out of range: 1x1 to %dx%d", frame.MaxDimension, frame.MaxDimension)
	}
	s.width, s.height = w, h
	return nil
}

// listenAddress completes an address to listen on: a bare port means all addresses.
func listenAddress(text string) string {
	if port, err := strconv.ParseUint(text, 10, 16); err == nil && port > 0 {
		return ":" + text
	}
	return text
}

// sourceName completes a webcam's name: /dev/video0 and v4l2:0 are v4l2:/dev/video0.
func sourceName(text string) string {
	if strings.HasPrefix(text, "/dev/video") {
		return "v4l2:" + text
	}
	if number, ok := strings.CutPrefix(text, "v4l2:"); ok {
		if _, err := strconv.ParseUint(number, 10, 16); err == nil {
			return "v4l2:/dev/video" + number
		}
		if strings.HasPrefix(number, "video") {
			return "v4l2:/dev/" + number
		}
	}
	return text
}

// choiceValue is a flag that accepts one of a few words.
type choiceValue struct {
	value   string
	choices []string
}

func choice(first string, others ...string) *choiceValue {
	return &choiceValue{first, append([]string{first}, others...)}
}

func (c *choiceValue) String() string { return c.value }
func (c *choiceValue) Type() string   { return strings.Join(c.choices, "|") }
func (c *choiceValue) Set(text string) error {
	for _, one := range c.choices {
		if text == one {
			c.value = text
			return nil
		}
	}
	return fmt.Errorf("one of %s", strings.Join(c.choices, ", "))
}

// bytesValue is a flag like 256MiB.
type bytesValue uint64

func (b *bytesValue) String() string { return strings.ReplaceAll(humanize.IBytes(uint64(*b)), " ", "") }
func (b *bytesValue) Type() string   { return "BYTES" }
func (b *bytesValue) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("want a number of bytes with a unit, such as 256MiB or 1GB")
	}
	*b = bytesValue(n)
	return nil
}

// rangeValue is a bounded integer.
type rangeValue struct{ value, least, most int }

func (r *rangeValue) String() string { return fmt.Sprint(r.value) }
func (r *rangeValue) Type() string   { return fmt.Sprintf("%d..%d", r.least, r.most) }
func (r *rangeValue) Set(text string) error {
	var n int
	if _, err := fmt.Sscanf(text, "%d", &n); err != nil || fmt.Sprint(n) != text || n < r.least || n > r.most {
		return fmt.Errorf("a whole number from %d to %d", r.least, r.most)
	}
	r.value = n
	return nil
}

// fpsValue is a frame rate; fractions such as 0.5 (one frame in two seconds) are allowed.
type fpsValue float64

// maxFPS is more than any sensor of the board reaches (180).
const maxFPS = 240

func (f *fpsValue) String() string { return fmt.Sprint(float64(*f)) }
func (f *fpsValue) Type() string   { return "FPS" }
func (f *fpsValue) Set(text string) error {
	var v float64
	var rest string
	if n, _ := fmt.Sscanf(text, "%g%s", &v, &rest); n != 1 || !(v >= pace.MinFPS && v <= maxFPS) {
		return fmt.Errorf("frames per second: from %.6f (one per hour) to %d", pace.MinFPS, maxFPS)
	}
	*f = fpsValue(v)
	return nil
}

// zoomValue is a magnification.
type zoomValue float64

func (z *zoomValue) String() string { return fmt.Sprint(float64(*z)) }
func (z *zoomValue) Type() string   { return fmt.Sprintf("1..%d", frame.MaxZoom) }
func (z *zoomValue) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 1 && v <= frame.MaxZoom) {
		return fmt.Errorf("a number from 1 to %d", frame.MaxZoom)
	}
	*z = zoomValue(v)
	return nil
}

// panValue is the centre of the magnified part of a picture, clamped at the picture's edges.
type panValue struct{ x, y float64 }

func (p *panValue) String() string { return fmt.Sprintf("%g,%g", p.x, p.y) }
func (p *panValue) Type() string   { return "X,Y" }
func (p *panValue) Set(text string) error {
	left, right, _ := strings.Cut(text, ",")
	x, errX := strconv.ParseFloat(strings.TrimSpace(left), 64)
	y, errY := strconv.ParseFloat(strings.TrimSpace(right), 64)
	if errX != nil || errY != nil || !(x >= 0 && x <= 1) || !(y >= 0 && y <= 1) {
		return fmt.Errorf("two numbers from 0 to 1, such as 0.5,0.5 for the middle")
	}
	p.x, p.y = x, y
	return nil
}

// colorValue is a flag like #336699, white or black.
type colorValue struct {
	text  string
	color color.Color
}

func (c *colorValue) String() string { return c.text }
func (c *colorValue) Type() string   { return "COLOR" }
func (c *colorValue) Set(text string) error {
	var r, g, b uint8
	switch {
	case text == "white":
		c.color = color.White
	case text == "black":
		c.color = color.Black
	default:
		if n, err := fmt.Sscanf(text, "#%02x%02x%02x", &r, &g, &b); n != 3 || err != nil || len(text) != 7 {
			return fmt.Errorf("want white, black or #RRGGBB, such as #336699")
		}
		c.color = color.NRGBA{r, g, b, 255}
	}
	c.text = text
	return nil
}
