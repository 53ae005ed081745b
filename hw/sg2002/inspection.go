package sg2002

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Inspection is the result of Inspect: the state of the board's software and sensor. It is passed between processes as JSON.
type Inspection struct {
	Libraries []Library      `json:"libraries"`
	Symbols   int            `json:"symbols"` // functions looked for
	Missing   []Symbol       `json:"missing"` // functions missing from libraries that could be opened
	Drivers   []SensorDriver `json:"drivers"`
	Broken    []string       `json:"broken"` // driver libraries that exist but cannot be opened, with the loader's message
	Sensor    SensorAnswer   `json:"sensor"`
	ION       ION            `json:"ion"`
	Memory    []MemoryPart   `json:"memory"` // ION that a stream of the requested size takes
	Video     Video          `json:"video"`
	Mode      string         `json:"mode"` // the sensor mode this was calculated for, such as "gc4653 2560x1440 at 25 fps"
}

// Crash reports the library call in which the last starts died.
type Crash struct {
	Call  string
	Times int  // in a row; 0 if none crashed
	Live  bool // a process is using the libraries, or is waiting because of the crashes
}

// Library is one of the chip's libraries.
type Library struct {
	Name     string `json:"name"`
	File     string `json:"file"`     // where the loader found it; "" if it did not
	Optional bool   `json:"optional"` // GCC's helpers, which the program provides itself, and libraries it does not call
	Problem  string `json:"problem"`  // the loader's message
}

// Symbol is a function and the library it should be in.
type Symbol struct {
	Name    string `json:"name"`
	Library string `json:"library"`
}

// SensorDriver is where a sensor's driver was found, and its vintage: the size of its object in bytes, which must equal Want.
type SensorDriver struct {
	Sensor string `json:"sensor"`
	Object string `json:"object"`
	File   string `json:"file"`
	Bytes  int    `json:"bytes"`
	Want   int    `json:"want"`
	Date   string `json:"date"`  // of the file, 2006-01-02; "" if unknown
	Modes  string `json:"modes"` // that a driver of this vintage has
	Older  bool   `json:"older"` // the image's own library, whose drivers have only each sensor's first mode
}

// NewerDrivers says where the newer vintage of the sensor drivers is normally found.
const NewerDrivers = "libsophgo-middleware.so in /usr/lib/python3.11/site-packages/maix/dl_lib (MaixPy) or in an app's dl_lib below /maixapp/apps"

// describe fills in what the library's driver supports for a sensor.
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

// SensorAnswer is the result of probing the camera's i2c bus.
type SensorAnswer struct {
	NotAsked string `json:"not_asked"` // why the bus was left alone; "" if it was probed
	Name     string `json:"name"`      // the sensor that answered; "" if none did
	Bus      string `json:"bus"`       // the bus's own problem
	Others   []int  `json:"others"`    // 7-bit addresses of other devices that answered
}

// ION is the memory of camera, scaler and encoder as the kernel reports it, in bytes. Orphaned is held by buffers of dead processes;
// while a process has the camera these cannot be told apart from buffers in use, and Orphaned is 0.
type ION struct {
	Known    bool  `json:"known"` // false without debugfs
	Size     int64 `json:"size"`
	Used     int64 `json:"used"`
	Orphaned int64 `json:"orphaned"`
}

// Video is what H.264 needs in addition to the JPEG stream.
type Video struct {
	Fits     bool   `json:"fits"`     // the encoder supports the requested size
	Bytes    int64  `json:"bytes"`    // of ION, while H.264 has a reader; includes the core's firmware if not loaded yet
	Firmware string `json:"firmware"` // where the kernel reads it from
	Missing  bool   `json:"missing"`  // the file does not exist
}

// MemoryPart is a piece of ION memory.
type MemoryPart struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Guess bool   `json:"guess"` // estimated: the driver decides, and only a board shows how much
}

// BoardInfo identifies the board.
type BoardInfo struct {
	ID    string // maixcam or maixcam_pro
	Model string // of the device tree
	Image string // the system image's name, "" if unknown
}

// DescribeBoard identifies the board. On other machines only Model is meaningful, if there is a device tree.
func DescribeBoard() BoardInfo {
	text := func(path string) string {
		content, _ := os.ReadFile(Root(path))
		first, _, _ := strings.Cut(strings.TrimRight(string(content), "\x00\n "), "\n")
		return first
	}
	return BoardInfo{ID: readBoard().id, Model: text("/proc/device-tree/model"), Image: text("/boot/ver")}
}
