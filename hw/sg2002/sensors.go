package sg2002

import (
	"fmt"
	"strings"
)

// Bayer orders as the ISP and the VI device number them: ISP_BAYER_FORMAT_E and BAYER_FORMAT_E of the MPI.
const (
	bggr, gbrg, grbg, rggb = 0, 1, 2, 3
)

// sensor is one that the MaixCAM's image has a driver for. The values are those used by the board's own software; docs/hardware.md gives the source
// of each.
type sensor struct {
	name      string
	object    string // the driver's symbol
	addresses []int  // 7-bit, on i2c bus 4
	check     *register
	lanes     [2][5]int // for MaixCAM and MaixCAM-Pro: pads of clock lane and data lanes
	swaps     [2][5]int
	clock     bool // clocked by the board's clock output
	yuv, grey bool
	exposure  uint32 // longest, in microseconds; bounds the frame rate from below
	modes     []mode // from most to fewest pixels
}

// register distinguishes sensors that share an address.
type register struct {
	number, bytes int
	value         uint32
}

// mode is a frame size of a sensor and the range of rates, in frames per second, that its driver supports for it.
type mode struct {
	width, height    int
	slowest, fastest float64
	from             float64 // the requested rate from which it is preferred to the mode before it; 0: as soon as that one is too slow
	isp, device      int     // bayer orders
	tuning           string  // file in /mnt/cfg/param; "": the library's default
	proTuning        string  // on a Pro, if different
}

// setting is a mode and the rate to run the sensor at.
type setting struct {
	mode
	fps float64
}

func (s setting) String() string { return fmt.Sprintf("%dx%d at %g fps", s.width, s.height, s.fps) }

var sensors = []sensor{
	{
		name: "gc4653", object: "stSnsGc4653_Obj", addresses: []int{0x29}, clock: true, exposure: 363636,
		lanes: [2][5]int{{4, 3, 2, -1, -1}, {0, 1, 2, -1, -1}}, swaps: [2][5]int{{}, {1, 1, 1, 0, 0}},
		modes: []mode{{2560, 1440, 2.75, 30, 0, rggb, grbg, "", ""}, {1280, 720, 31, 60, 0, grbg, grbg, "", ""}},
	},
	{
		name: "sc035gs", object: "stSnsSC035GS_Obj", addresses: []int{0x30}, clock: true, grey: true, exposure: 800000,
		lanes: [2][5]int{{4, 3, -1, -1, -1}, {0, 1, -1, -1, -1}}, swaps: [2][5]int{{}, {1, 1, 0, 0, 0}},
		modes: []mode{{640, 480, 0.31, 180, 0, bggr, bggr, "", ""}},
	},
	{
		name: "ov2685", object: "stSnsOv2685_Obj", addresses: []int{0x3c, 0x48}, clock: true, exposure: 363636,
		lanes: [2][5]int{{4, 3, 2, -1, -1}, {0, 1, 2, -1, -1}}, swaps: [2][5]int{{1, 1, 1, 0, 0}, {}},
		modes: []mode{{1600, 1200, 2.75, 30, 0, bggr, bggr, "cvi_sdr_bin.ov2685", ""}},
	},
	{
		name: "gc02m1", object: "stSnsGc02m1_Obj", addresses: []int{0x37}, clock: true, exposure: 363636,
		lanes: [2][5]int{{4, 3, -1, -1, -1}, {0, 1, -1, -1, -1}}, swaps: [2][5]int{{}, {1, 1, 0, 0, 0}},
		modes: []mode{{1600, 1200, 2.32, 30, 0, rggb, rggb, "cvi_sdr_bin.gc02m1", ""}},
	},
	{
		name: "gc030a", object: "stSnsGc030a_Obj", addresses: []int{0x21}, check: &register{0xf0, 2, 0x030a}, clock: true, exposure: 363636,
		lanes: [2][5]int{{4, 3, -1, -1, -1}, {0, 1, -1, -1, -1}}, swaps: [2][5]int{{}, {1, 1, 0, 0, 0}},
		modes: []mode{{640, 480, 0.92, 30, 0, grbg, grbg, "", ""}},
	},
	{
		name: "os04a10", object: "stSnsOs04a10_Obj", addresses: []int{0x36}, exposure: 40000000,
		lanes: [2][5]int{{2, 1, 3, 0, 4}, {2, 3, 1, 4, 0}}, swaps: [2][5]int{{}, {1, 1, 1, 1, 1}},
		modes: []mode{
			{2560, 1440, 0.74, 30, 0, bggr, bggr, "cvi_sdr_bin.os04a10", ""},
			{1280, 720, 80, 90, 80, bggr, bggr, "cvi_sdr_bin.os04a10", "cvi_sdr_bin_90fps.os04a10"},
		},
	},
	{
		name: "lt6911", object: "stSnsLT6911_Obj", addresses: []int{0x2b}, yuv: true, exposure: 363636,
		lanes: [2][5]int{{2, 4, 3, 1, 0}, {2, 0, 1, 3, 4}}, swaps: [2][5]int{{}, {1, 1, 1, 1, 1}},
		modes: []mode{{1920, 1080, 60, 60, 0, bggr, bggr, "", ""}}, // at the rate of the connected source
	},
}

// Sensors returns the names that Config.Sensor accepts besides auto.
func Sensors() []string {
	var names []string
	for i := range sensors {
		names = append(names, sensors[i].name)
	}
	return names
}

// sensorNamed finds a sensor by its name, with or without the vendor prefix used by the board's software (gcore_gc4653).
func sensorNamed(name string) (*sensor, error) {
	for i := range sensors {
		if s := &sensors[i]; s.name == name || strings.HasSuffix(name, "_"+s.name) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("camera: sensor %q: unknown (one of auto, %s)", name, strings.Join(Sensors(), ", "))
}

// choices lists the settings for pictures of a given size and rate, best first. Best is the mode with the most pixels, unless it is
// too slow and another one, not smaller than the picture, is faster. The others are fallbacks for a missing mode or too little memory. The rate is the
// requested one, limited to what the mode supports.
func (s *sensor) choices(width, height int, fps float64) []setting {
	best := s.modes[0]
	for _, m := range s.modes[1:] {
		if fps > best.fastest && fps >= m.from && m.width >= width && m.height >= height {
			best = m
		}
	}
	var list []setting
	for i, m := range append([]mode{best}, s.modes...) {
		if i == 0 || m != best && (m == s.modes[0] || m.width >= width && m.height >= height) {
			list = append(list, setting{m, min(max(fps, m.slowest), m.fastest)})
		}
	}
	return list
}
