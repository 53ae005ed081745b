//go:build linux && cgo

package sg2002

/*
#include <stdlib.h>
#include "camera.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// All calls of the libraries are made on one thread of C (thread.c). An operation is handed to it, and awaited, through eventfds and without a call of C:
// such a call of 33 ms, as long as a frame takes, keeps Go's monitor thread looking after it every 20 µs, and even the shortest wakes it up. Go's poller
// waits instead, as it does for sockets.

// event is an eventfd that Go's poller waits for. One goroutine uses it.
type event struct {
	file  *os.File
	conn  syscall.RawConn
	take  func(fd uintptr) bool // made once, so that waiting allocates nothing
	until time.Time             // the deadline that the poller knows
}

// newEvent makes an event of its own of fd, a non-blocking eventfd.
func newEvent(fd int) (*event, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	e := &event{file: os.NewFile(uintptr(own), "mpi's answer")}
	err = e.file.SetReadDeadline(time.Time{}) // an error if the poller cannot wait for it
	if err == nil {
		e.conn, err = e.file.SyscallConn()
	}
	if err != nil {
		_ = e.file.Close()
		return nil, err
	}
	e.take = func(fd uintptr) bool {
		var count uint64
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&count)), unsafe.Sizeof(count))
		return errno == 0
	}
	return e, nil
}

// wait waits until the event is signalled, for as long as within or half as long again, and says whether it was. The deadline is left as it is while it serves: to
// set one for each picture costs as much as to read it.
func (e *event) wait(within time.Duration) bool {
	now := time.Now()
	if left := e.until.Sub(now); left < within || left > 2*within {
		e.until = now.Add(within + within/2)
		if err := e.file.SetReadDeadline(e.until); err != nil {
			return false
		}
	}
	if e.conn.Read(e.take) == nil {
		return true
	}
	late := false // it may have come at the last moment
	_ = e.conn.Control(func(fd uintptr) { late = e.take(fd) })
	return late
}

// raise signals an eventfd.
func raise(fd int) {
	one := uint64(1)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}

func (c *Camera) startThread() error {
	shared := (*C.struct_gate)(C.calloc(1, C.sizeof_struct_gate))
	if c.c = C.camera_new(c.mpi.table, shared); c.c == nil {
		C.free(unsafe.Pointer(shared))
		return errors.New("camera: no memory, descriptor or thread for it")
	}
	if n := one.note; n != nil {
		c.c.note = n.call()
	}
	var err error
	if c.done, err = newEvent(int(c.c.ready)); err == nil {
		if c.video.units, err = newEvent(int(c.c.unit)); err != nil {
			_ = c.done.file.Close()
		}
	}
	if err != nil {
		C.camera_free(c.c)
		C.free(unsafe.Pointer(shared))
		return fmt.Errorf("camera: wait for its thread: %w", err)
	}
	c.video.side, c.video.gate = c.c, (*gate)(unsafe.Pointer(shared))
	return nil
}

// endThread ends the C side, which must be down.
func (c *Camera) endThread() {
	C.camera_free(c.c)
	c.closeEvents()
	// A reader of H.264 looks at the gate until it has noticed; without a thread nobody else does.
	runtime.AddCleanup(c, func(g *gate) { C.free(unsafe.Pointer(g)) }, c.video.gate)
}

func (c *Camera) closeEvents() {
	_ = c.done.file.Close()
	_ = c.video.units.file.Close()
}

// abandonThread leaves a C side that hangs to its fate.
func (c *Camera) abandonThread() {
	C.camera_abandon(c.c)
	c.closeEvents()
}

// run does one operation on the MPI's thread. c.mu is held, or nobody else has c yet.
func (c *Camera) run(op C.enum_camera_op, within time.Duration) error {
	return c.result(c.perform(op, within))
}

func (c *Camera) perform(op C.enum_camera_op, within time.Duration) C.int {
	c.c.op = op
	raise(int(c.c.wake))
	if !c.done.wait(within) {
		C.camera_give_up(c.c)
		return C.CAMERA_HANGS
	}
	return c.c.result
}

// performInto does an operation that writes a picture into dst and reads y and vu, if they are not empty. None of them is kept.
func (c *Camera) performInto(op C.enum_camera_op, dst, y, vu []byte) C.int {
	defer c.pins.Unpin()
	at := func(b []byte) *C.uint8_t {
		if len(b) == 0 {
			return nil
		}
		c.pins.Pin(&b[0])
		return (*C.uint8_t)(unsafe.Pointer(&b[0]))
	}
	c.c.buffer, c.c.room = at(dst), C.size_t(len(dst))
	c.c.planes[0], c.c.planes[1] = at(y), at(vu)
	code := c.perform(op, pictureWithin)
	if code != C.CAMERA_HANGS { // else C has forgotten them, and the struct is its own
		c.c.buffer, c.c.planes[0], c.c.planes[1] = nil, nil, nil
	}
	return code
}
