package sg2002

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Inspection is what Inspect finds out about the board's software and its sensor. It is JSON between processes.
type Inspection struct {
	Libraries []Library      `json:"libraries"`
	Symbols   int            `json:"symbols"` // functions looked for
	Missing   []Symbol       `json:"missing"` // those of libraries that were opened
	Drivers   []SensorDriver `json:"drivers"`
	Broken    []string       `json:"broken"` // libraries with drivers that are there and cannot be opened, in the loader's words
	Sensor    SensorAnswer   `json:"sensor"`
	ION       ION            `json:"ion"`
	Memory    []MemoryPart   `json:"memory"` // ION that a stream of the size asked for takes
	Video     Video          `json:"video"`
	Mode      string         `json:"mode"` // the sensor's mode that was counted with, as gc4653 2560x1440 at 25 fps
}

// Crash reports the library call in which the last starts died.
type Crash struct {
	Call  string
	Times int  // in a row; 0: none did
	Live  bool // a process uses the libraries, or waits because of the crashes
}

// Library is one of the chip's libraries.
type Library struct {
	Name     string `json:"name"`
	File     string `json:"file"`     // where the loader found it; "" when it did not
	Optional bool   `json:"optional"` // GCC's helpers, which the program has itself, and what it does not call
	Problem  string `json:"problem"`  // the loader's own words
}

// Symbol is a function and the library that should have it.
type Symbol struct {
	Name    string `json:"name"`
	Library string `json:"library"`
}

// SensorDriver is where a sensor's driver was found, and its vintage: the size of its object in bytes, which must be Want.
type SensorDriver struct {
	Sensor string `json:"sensor"`
	Object string `json:"object"`
	File   string `json:"file"`
	Bytes  int    `json:"bytes"`
	Want   int    `json:"want"`
	Date   string `json:"date"`  // of the file, 2006-01-02; "" when it cannot be told
	Modes  string `json:"modes"` // that a driver of its vintage has
	Older  bool   `json:"older"` // the image's own library, whose drivers have a sensor's first mode only
}

// NewerDrivers are where the newer vintage of the sensors' drivers lies as a rule.
const NewerDrivers = "libsophgo-middleware.so in /usr/lib/python3.11/site-packages/maix/dl_lib (MaixPy) or in an app's dl_lib below /maixapp/apps"

// describe returns what a library's driver supports for a sensor.
func (d *SensorDriver) describe(s *sensor) {
	d.Older = strings.HasPrefix(filepath.Base(d.File), "libsns_")
	if info, err := os.Stat(d.File); err == nil {
		d.Date = info.ModTime().UTC().Format("2006-01-02")
	}
	var modes []string
	for i, m := range s.modes {
		if i == 0 || !d.Older {
			modes = append(modes, fmt.Sprintf("%dx%d up to %g fps", m.width, m.height, m.fastest))
		}
	}
	d.Modes = strings.Join(modes, ", ")
}

// SensorAnswer is what a look at the camera's i2c bus showed.
type SensorAnswer struct {
	NotAsked string `json:"not_asked"` // why the bus was left alone; "" when it was not
	Name     string `json:"name"`      // the sensor that answered; "" when none did
	Bus      string `json:"bus"`       // the bus's own problem
	Others   []int  `json:"others"`    // addresses, 7-bit, of what else answered
}

// ION is what the kernel says about the memory of camera, scaler and encoder, in bytes. Orphaned is what buffers take that processes left which
// died; while a process has the camera it cannot be told from what is in use, and is 0.
type ION struct {
	Known    bool  `json:"known"` // false without debugfs
	Size     int64 `json:"size"`
	Used     int64 `json:"used"`
	Orphaned int64 `json:"orphaned"`
}

// Video is what H.264 beside the stream needs.
type Video struct {
	Fits     bool   `json:"fits"`     // the encoder makes pictures of the size asked for
	Bytes    int64  `json:"bytes"`    // of ION, while somebody takes it, the core's firmware included if it is not loaded yet
	Firmware string `json:"firmware"` // where the kernel reads it from
	Missing  bool   `json:"missing"`  // it is not there
}

// MemoryPart is a piece of ION memory.
type MemoryPart struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Guess bool   `json:"guess"` // the driver asks for it, and how much can only be seen on a board
}

// BoardInfo says which board this is.
type BoardInfo struct {
	ID    string // maixcam or maixcam_pro
	Model string // of the device tree
	Image string // the name of the system image, "" when it has none
}

// DescribeBoard reads which board this is; on another machine only Model, if it has a device tree, says something.
func DescribeBoard() BoardInfo {
	text := func(path string) string {
		content, _ := os.ReadFile(Root(path))
		first, _, _ := strings.Cut(strings.TrimRight(string(content), "\x00\n "), "\n")
		return first
	}
	return BoardInfo{ID: readBoard().id, Model: text("/proc/device-tree/model"), Image: text("/boot/ver")}
}
