package v4l2

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

// mode is one of a device's modes.
type mode struct {
	format        format
	width, height int
	fps           float64 // maximum; 0: unknown
}

// choice is the mode that a device was set to, and its other sizes.
type choice struct {
	mode
	name  string
	sizes []frame.Size // nil: any
	// largest of all formats.
	largest frame.Size
}

// choose finds and sets the device's mode nearest to c. It opens and closes the device, which keeps its settings.
func choose(device string, c *Config) (choice, error) {
	fd, err := openDevice(device)
	if err != nil {
		return choice{}, err
	}
	defer unix.Close(fd)
	card, capture, streams, err := queryCapture(fd)
	switch {
	case err != nil:
		return choice{}, explain("open", err)
	case !capture:
		return choice{}, fmt.Errorf("open: %w: not a video capture device", frame.ErrUnsupported)
	case !streams:
		return choice{}, fmt.Errorf("open: %w: the device cannot stream", frame.ErrUnsupported)
	}
	modes, has := modesOf(fd, c)
	if len(modes) == 0 {
		return choice{}, fmt.Errorf("open: %w: no supported pixel format (it has: %s; supported: %s). A webcam's other device nodes are for "+
			"its metadata", frame.ErrUnsupported, has, strings.Join(wanted(c), ", "))
	}
	best := slices.MinFunc(modes, func(a, b mode) int { return c.compare(a, b) })
	got, err := setFormat(fd, best.format.code, best.width, best.height)
	if err != nil {
		return choice{}, explain(fmt.Sprintf("set %s %dx%d", best.format.code, best.width, best.height), err)
	}
	if got != best.format.code {
		return choice{}, fmt.Errorf("set %s: %w: the device took %s", best.format.code, frame.ErrUnsupported, got)
	}
	result := choice{mode: best, name: device, largest: largestOf(fd, c)}
	if rate := min(c.FPS, 1000); best.fps > 0 || !math.IsInf(c.FPS, 1) {
		if best.fps > 0 {
			rate = min(rate, best.fps)
		}
		_ = setRate(fd, rate) // best effort: excess pictures are dropped
	}
	if fps, err := rateNow(fd); err == nil {
		result.fps = fps
	}
	if card != "" {
		result.name = device + " (" + card + ")"
	}
	for _, m := range modes {
		if size := (frame.Size{Width: m.width, Height: m.height}); m.format == best.format && !slices.Contains(result.sizes, size) {
			result.sizes = append(result.sizes, size)
		}
	}
	if sizes := sizesOf(fd, best.format.code); len(sizes) == 0 || slices.ContainsFunc(sizes, func(s sizeRange) bool { return s.stepwise() }) {
		result.sizes = nil
	}
	return result, nil
}

func wanted(c *Config) (codes []string) {
	for _, f := range formats {
		if c.Formats == nil || slices.Contains(c.Formats, f.code) {
			codes = append(codes, f.code)
		}
	}
	return codes
}

// modesOf lists the modes of all supported and wanted formats; has names all of the device's formats.
func modesOf(fd int, c *Config) (modes []mode, has string) {
	offered := pixelFormats(fd)
	for _, name := range wanted(c) {
		f, _ := formatOf(name)
		if !slices.Contains(offered, name) {
			continue
		}
		sizes := sizesOf(fd, name)
		if len(sizes) == 0 { // not listed: setFormat returns what the driver accepts
			modes = append(modes, mode{format: f, width: c.Width, height: c.Height})
		}
		for _, s := range sizes {
			w, h := fit(c.Width, s.minW, s.maxW, s.stepW), fit(c.Height, s.minH, s.maxH, s.stepH)
			if frame.CheckSize(w, h) != nil {
				continue
			}
			modes = append(modes, mode{format: f, width: w, height: h, fps: fastestOf(fd, name, w, h)})
		}
	}
	slices.Sort(offered)
	return withoutH264(modes), strings.Join(slices.Compact(offered), ", ")
}

// withoutH264 removes H.264 if there is anything else.
func withoutH264(modes []mode) []mode {
	other := func(m mode) bool { return m.format.code != codeH264 }
	if !slices.ContainsFunc(modes, other) {
		return modes
	}
	return slices.DeleteFunc(modes, func(m mode) bool { return !other(m) })
}

// fit returns the size nearest to want in a range with steps.
func fit(want int, least, most, step uint32) int {
	v := min(max(want, int(least)), int(most))
	if step > 1 {
		v -= (v - int(least)) % int(step)
	}
	return v
}

// compare orders modes: nearest size first, then the rate up to the wanted one, then the order of formats.
func (c *Config) compare(a, b mode) int {
	distance := func(m mode) float64 {
		return math.Abs(math.Log(float64(m.width)/float64(c.Width))) + math.Abs(math.Log(float64(m.height)/float64(c.Height)))
	}
	rate := func(m mode) float64 {
		if m.fps == 0 || m.fps >= c.FPS*0.99 { // accept 29.97 for 30
			return math.Inf(1)
		}
		return m.fps
	}
	switch da, db := distance(a), distance(b); {
	case da < db:
		return -1
	case da > db:
		return 1
	}
	switch ra, rb := rate(a), rate(b); {
	case ra > rb:
		return -1
	case ra < rb:
		return 1
	}
	index := func(m mode) int { return slices.Index(formats, m.format) }
	return index(a) - index(b)
}
