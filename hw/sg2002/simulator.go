//go:build linux && cgo

package sg2002

/*
#include <stdlib.h>
#include "mpi.h"

static int64_t counter(const struct mpi *m, const char *name) { return m->counter ? m->counter(name) : -1; }
static int32_t report(const struct mpi *m) { return m->report ? m->report() : -1; }
static int32_t set(const struct mpi *m, const char *settings) { return m->set ? m->set(settings) : -1; }
*/
import "C"

import "unsafe"

// Simulator gives tests access to the simulator of the libraries. There is none on a board.
type Simulator struct{ mpi *mpi }

// OpenSimulator opens the libraries in dir; ok is false if they are the chip's own.
func OpenSimulator(dir string) (s Simulator, ok bool, err error) {
	m, err := openLibraries(dir)
	if err != nil {
		return Simulator{}, false, err
	}
	return Simulator{m}, m.table.report != nil, nil
}

// Counter returns one of the simulator's counters, -1 for an unknown name.
func (s Simulator) Counter(name string) int64 {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	return int64(C.counter(s.mpi.table, n))
}

// Faults returns the number of rule violations and leaks of this process so far.
func (s Simulator) Faults() int { return int(C.report(s.mpi.table)) }

// Set changes the simulator's settings, as its control file does, and reports whether they were accepted.
func (s Simulator) Set(settings string) bool {
	n := C.CString(settings)
	defer C.free(unsafe.Pointer(n))
	return C.set(s.mpi.table, n) == 0
}
