//go:build linux && cgo

package sg2002

/*
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include "camera.h"

static const struct {
	const char *name, *library;
} symbols[] = {
#define X(name, library) {#name, library},
	MPI_CALLS(X)
#undef X
};

static int symbol_count(void) { return sizeof symbols / sizeof *symbols; }
static const char *symbol_name(int i) { return symbols[i].name; }
static const char *symbol_library(int i) { return symbols[i].library; }
static int symbol_found(int i) { return dlsym(RTLD_DEFAULT, symbols[i].name) != NULL; }

static const char *opened_file(void *handle)
{
	struct link_map *map = NULL;
	return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name ? map->l_name : "";
}

// The simulator's hooks; mpi_resolve sets them only if no symbol is missing.
static void find_seams(struct mpi *m)
{
	*(void **)&m->i2c_transfer = dlsym(RTLD_DEFAULT, "maixsim_i2c_transfer");
	*(void **)&m->poke = dlsym(RTLD_DEFAULT, "maixsim_poke");
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// touchAddresses are the touch controller's, which is on the camera's i2c bus: if it answers, the bus works.
var touchAddresses = []int{0x14, 0x5a}

// Inspect examines the chip's libraries as the loader sees them, and looks for the sensor. It calls no library function. Run it in a separate
// process: libraries cannot be closed again, and broken ones may crash the process. While a live process has the camera,
// the sensor's bus and pads are left alone; otherwise the pads are set as every start sets them, since a sensor does not answer without its
// clock. Of the Config it uses Width, Height, FPS, LibDir, Sensor and Overlay. opening is called with each library's name before it is opened.
func Inspect(config Config, opening func(library string)) (Inspection, error) {
	if err := config.check(); err != nil {
		return Inspection{}, err
	}
	dir := config.LibDir
	if dir == "" {
		dir = os.Getenv("MAIXSTREAM_MPI_LIBS")
	}
	var in Inspection
	missing := map[string]bool{}
	for _, library := range libraries {
		path := library.name
		if dir != "" {
			path = filepath.Join(dir, library.name)
		}
		opening(library.name)
		found := Library{Name: library.name, Optional: library.optional}
		if handle, err := open(path); err != nil {
			found.Problem = err.Error()
			missing[library.name] = true
		} else {
			found.File = C.GoString(C.opened_file(handle))
		}
		in.Libraries = append(in.Libraries, found)
	}
	in.Symbols = int(C.symbol_count())
	for i := range C.symbol_count() {
		symbol := Symbol{C.GoString(C.symbol_name(i)), C.GoString(C.symbol_library(i))}
		if !missing[symbol.Library] && C.symbol_found(i) == 0 {
			in.Missing = append(in.Missing, symbol)
		}
	}
	m := &mpi{table: (*C.struct_mpi)(C.calloc(1, C.sizeof_struct_mpi)), dir: dir}
	defer C.free(unsafe.Pointer(m.table))
	C.find_seams(m.table)
	opening("sensors' drivers")
	m.openSensors(dir)
	in.Drivers, in.Broken = m.drivers(), m.broken
	in.Sensor = m.probe()
	used := &sensors[0]
	if s, err := sensorNamed(in.Sensor.Name); err == nil {
		used = s
	}
	if config.Sensor != "auto" {
		s, err := sensorNamed(config.Sensor)
		if err != nil {
			return in, err
		}
		used = s
	}
	in.ION = lookAtION()
	in.Video = lookAtVideo(config)
	for i, choice := range used.choices(config.Width, config.Height, config.FPS) {
		need, parts := int64(0), memoryParts(used, choice.mode, config)
		for _, part := range parts {
			need += part.Bytes
		}
		fits := !in.ION.Known || need <= in.ION.Size-in.ION.Used+in.ION.Orphaned
		if i == 0 || fits {
			in.Mode, in.Memory = fmt.Sprintf("%s %v", used.name, choice), parts
		}
		if fits {
			break
		}
	}
	return in, nil
}

func lookAtION() ION {
	heap, ok := readCarveout()
	ion := ION{Known: ok, Size: heap.size, Used: heap.used}
	if !InUse() {
		for _, b := range heap.orphans(LastCrash().Live) {
			ion.Orphaned += b.size
		}
	}
	return ion
}

func lookAtVideo(config Config) Video {
	v := Video{Fits: videoSize(config.Width, config.Height), Firmware: videoFirmware}
	channel, firmware := videoMemory(config.Width, config.Height)
	v.Bytes = channel
	if heap, ok := readCarveout(); !ok || !heap.has(videoFirmwareBuffer) {
		v.Bytes += firmware
	}
	_, err := os.Stat(Root(videoFirmware))
	v.Missing = err != nil
	return v
}

// drivers lists the driver that would be used for each sensor.
func (m *mpi) drivers() []SensorDriver {
	var list []SensorDriver
	for i := range sensors {
		if object, size, library := m.driver(&sensors[i]); object != nil {
			d := SensorDriver{Sensor: sensors[i].name, Object: sensors[i].object, File: C.GoString(C.opened_file(m.sensors[library])), Bytes: size, Want: vintage}
			d.describe(&sensors[i])
			list = append(list, d)
		}
	}
	return list
}

// probe probes the camera's i2c bus.
func (m *mpi) probe() SensorAnswer {
	var answer SensorAnswer
	switch {
	case !OnBoard():
		answer.NotAsked = "this is not a MaixCAM"
	case os.Getenv("MAIXSTREAM_ROOT") != "" && !m.simulated():
		answer.NotAsked = "the simulator's bus is in its libraries, which are missing"
	case InUse():
		answer.NotAsked = "the camera is in use"
	default:
		if err := m.setPads(readBoard()); err != nil {
			answer.Bus = err.Error()
			return answer
		}
		if s := m.detect(); s != nil {
			answer.Name = s.name
			return answer
		}
		for _, address := range touchAddresses {
			err := m.i2c(address, nil, make([]byte, 1))
			if err == nil {
				answer.Others = append(answer.Others, address)
			} else if !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.EREMOTEIO) && answer.Bus == "" { // these two mean no device at the address
				answer.Bus = fmt.Sprintf("/dev/i2c-%d: %v", sensorBus, err)
			}
		}
		if len(answer.Others) > 0 {
			answer.Bus = ""
		}
	}
	return answer
}

// memoryParts lists the ION memory a stream takes: the allocations of system_up, output_up and the drivers beneath them.
func memoryParts(s *sensor, m mode, c Config) []MemoryPart {
	up := func(n, to int) int64 { return int64((n + to - 1) / to * to) }
	nv21 := func(w, h int) int64 { return up(w, C.DEFAULT_ALIGN) * up(h, 2) * 3 / 2 }
	block := max(nv21(m.width, m.height), nv21(m.height, m.width))
	if s.yuv {
		block = up(2*m.width, C.DEFAULT_ALIGN) * int64(m.height)
	}
	parts := []MemoryPart{
		{"sensor frames", 3 * block, false},
		{"output frames", C.POOL_BLOCKS * up(c.Width, C.DEFAULT_ALIGN) * up(c.Height, 16) * 3 / 2, false},
		{"encoder buffer", int64(streamBuffer(c.Width, c.Height)), false},
		{"shared ISP buffer", C.ISP_BUFFER, false},
		{"raw sensor frames", rawBuffer(m), true},
	}
	if c.Overlay != "" {
		// Two canvases at two bytes per pixel, for a strip of at most a tenth of the picture's height.
		parts = append(parts, MemoryPart{"overlay", 2 * 2 * int64(c.Width) * int64(max(c.Height/10, 24)), true})
	}
	return parts
}

// rawBuffer estimates VI_DMA_BUF, whose size the driver decides and only a board can show: 3.5 bytes per pixel, 12 MiB at 2560x1440.
func rawBuffer(m mode) int64 { return int64(m.width) * int64(m.height) * 7 / 2 }
