//go:build linux && cgo

package sg2002

/*
#include <stdlib.h>
#include "mpi.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"
)

// The libraries depend on each other in a cycle, so they are opened lazily, in this order, which leaves no data relocation unresolved at any step.
// The optional ones are GCC's helpers, which the program provides itself, and libraries that are not called.
var libraries = []struct {
	name     string
	optional bool
}{
	{"libatomic.so.1", true},
	{"libgcc_s.so.1", true},
	{"libsys.so", false},
	{"libisp_algo.so", false},
	{"libae.so", false},
	{"libawb.so", false},
	{"libisp.so", false},
	{"libvpu.so", false},
	{"libcvi_bin_isp.so", false},
	{"libcvi_bin.so", false},
	{"libvenc.so", false},
	{"libaf.so", true},
	{"libini.so", true},
	{"libmisc.so", true},
}

// sensorLibraries contain the sensor drivers, the newer vintage first. The board's own software keeps copies of it in its own directories.
var sensorLibraries = []string{
	"libsophgo-middleware.so",
	"/usr/lib/python3.11/site-packages/maix/dl_lib/libsophgo-middleware.so",
	"/maixapp/apps/*/dl_lib/libsophgo-middleware.so",
	"libsns_full.so",
	"libsns_gc4653.so",
}

// vintage is the size in bytes of a sensor object of the SDK that the declarations describe: 15 pointers. The newer one has 16 and must
// not be called.
const vintage = C.sizeof_ISP_SNS_OBJ_S

// mpi is the set of opened libraries. They cannot be closed again: they leave threads and mappings behind.
type mpi struct {
	table   *C.struct_mpi
	dir     string
	sensors []unsafe.Pointer // handles of sensor libraries
	where   []string         // their paths
	others  []string         // candidates not opened yet
	broken  []string         // those that exist but cannot be opened, with the loader's message
	lacking map[sensorMode]bool
}

// sensorMode is a mode of a sensor; mpi.lacking records those that the driver turned out not to have.
type sensorMode struct {
	*sensor
	mode
}

var opened struct {
	sync.Mutex
	mpi *mpi
}

// Libraries opens the chip's libraries from dir ("": from the program's run path and the loader's search path) and resolves every function used.
// The error names what is missing and wraps ErrLibraries.
func Libraries(dir string) error {
	_, err := openLibraries(dir)
	return err
}

func openLibraries(dir string) (*mpi, error) {
	opened.Lock()
	defer opened.Unlock()
	if dir == "" {
		dir = os.Getenv("MAIXSTREAM_MPI_LIBS")
	}
	if m := opened.mpi; m != nil {
		if m.dir != dir {
			return nil, fmt.Errorf("camera: libraries from %q are already open; those from %q need a new process", m.dir, dir)
		}
		return m, nil
	}
	var missing []string
	var first error
	for _, library := range libraries {
		path := library.name
		if dir != "" {
			path = filepath.Join(dir, library.name)
		}
		if _, err := open(path); err != nil && !library.optional {
			missing = append(missing, library.name)
			if first == nil {
				first = err
			}
		}
	}
	if len(missing) > 0 {
		place := dir
		if place == "" {
			place = "/mnt/system/usr/lib"
		}
		return nil, fmt.Errorf("camera: %s not found in %s (%w): %w", strings.Join(missing, ", "), place, first, ErrLibraries)
	}
	m := &mpi{table: (*C.struct_mpi)(C.calloc(1, C.sizeof_struct_mpi)), dir: dir, lacking: map[sensorMode]bool{}}
	var library *C.char
	if name := C.mpi_resolve(m.table, &library); name != nil {
		C.free(unsafe.Pointer(m.table))
		return nil, fmt.Errorf("camera: %s has no function %s: %w: libraries of another SDK; update the board's image",
			C.GoString(library), C.GoString(name), ErrLibraries)
	}
	if err := m.sameDirectory(); err != nil {
		return nil, err
	}
	m.openSensors(dir)
	if len(m.sensors) == 0 {
		return nil, fmt.Errorf("camera: no library with sensor drivers found (%s%s): %w: is MaixPy or a MaixCAM app "+
			"installed?", strings.Join(sensorLibraries, ", "), m.problems(), ErrLibraries)
	}
	opened.mpi = m
	return m, nil
}

func open(path string) (unsafe.Pointer, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why [256]C.char
	handle := C.mpi_open(name, &why[0], C.size_t(len(why)))
	if handle == nil {
		return nil, errors.New(C.GoString(&why[0]))
	}
	return handle, nil
}

// sameDirectory rejects a mix of two sets of libraries: each set has its own state, and mixing them crashes.
func (m *mpi) sameDirectory() error {
	at := func(f unsafe.Pointer) string { return C.GoString(C.mpi_file_of(f)) }
	base := filepath.Dir(at(unsafe.Pointer(m.table.CVI_SYS_Init)))
	for _, f := range []unsafe.Pointer{
		unsafe.Pointer(m.table.CVI_VPSS_CreateGrp), unsafe.Pointer(m.table.CVI_VENC_CreateChn),
		unsafe.Pointer(m.table.CVI_ISP_Init), unsafe.Pointer(m.table.CVI_AE_Register), unsafe.Pointer(m.table.CVI_BIN_ImportBinData),
	} {
		if dir := filepath.Dir(at(f)); dir != base {
			return fmt.Errorf("camera: libraries from two sets are mixed (libsys.so from %s, %s): %w: check LD_LIBRARY_PATH", base, at(f), ErrLibraries)
		}
	}
	return nil
}

// openSensors opens the first sensor library it finds and keeps the other candidates for later: each app on the board may have a copy.
func (m *mpi) openSensors(dir string) {
	for _, name := range sensorLibraries {
		switch {
		case filepath.IsAbs(name):
			paths, _ := filepath.Glob(Root(name))
			m.others = append(m.others, paths...)
		case dir != "":
			m.others = append(m.others, filepath.Join(dir, name))
		default:
			m.others = append(m.others, name)
		}
	}
	m.openNext()
}

// openNext opens one more sensor library; it returns false when there are no more.
func (m *mpi) openNext() bool {
	for len(m.others) > 0 {
		path := m.others[0]
		m.others = m.others[1:]
		handle, err := open(path)
		if err == nil {
			m.sensors, m.where = append(m.sensors, handle), append(m.where, path)
			return true
		}
		// Report a library that exists but lacks a dependency: otherwise the user would look in vain for a file that is there.
		if _, absent := os.Stat(path); absent == nil || strings.Contains(err.Error(), "needed by") {
			m.broken = append(m.broken, err.Error())
		}
	}
	return false
}

// problems lists sensor libraries that exist but could not be opened; "" if there are none.
func (m *mpi) problems() string {
	if len(m.broken) == 0 {
		return ""
	}
	return "; not to be opened: " + strings.Join(m.broken, "; ")
}

// driver finds a sensor's driver, its size in bytes, and its library's index in m.sensors; object is nil if no library has it.
func (m *mpi) driver(s *sensor) (object *C.ISP_SNS_OBJ_S, size, library int) {
	name := C.CString(s.object)
	defer C.free(unsafe.Pointer(name))
	for i := 0; i < len(m.sensors) || m.openNext(); i++ {
		var size C.size_t
		if object := C.mpi_sensor(m.sensors[i], name, &size); object != nil {
			return object, int(size), i
		}
	}
	return nil, 0, 0
}

// object finds a sensor's driver and checks its vintage, before anything in it is called.
func (m *mpi) object(s *sensor) (*C.ISP_SNS_OBJ_S, error) {
	object, size, library := m.driver(s)
	switch {
	case object == nil:
		return nil, fmt.Errorf("camera: no driver for sensor %s (%s) in %s%s: %w", s.name, s.object, strings.Join(m.where, ", "), m.problems(), ErrLibraries)
	case size != vintage:
		return nil, fmt.Errorf("camera: %s in %s has %d bytes instead of %d: %w: sensor driver of another SDK; update the board's image",
			s.object, m.where[library], size, vintage, ErrLibraries)
	}
	return object, nil
}
