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

// All library calls are made on one C thread (camera.c). Operations are handed to it, and awaited, through eventfds rather than cgo calls:
// a cgo call of 33 ms, the length of a frame, has Go's monitor thread check it every 20 µs, and even the shortest call wakes that thread up. Instead Go's
// poller waits, as it does for sockets.

// event is an eventfd that Go's poller waits on. Only one goroutine uses it.
type event struct {
	file  *os.File
	conn  syscall.RawConn
	take  func(fd uintptr) bool // created once, so that waiting does not allocate
	until time.Time             // the deadline set in the poller
}

// newEvent returns an event for a duplicate of fd, a non-blocking eventfd.
func newEvent(fd int) (*event, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	e := &event{file: os.NewFile(uintptr(own), "mpi event")}
	err = e.file.SetReadDeadline(time.Time{}) // fails if the poller cannot wait on it
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

// wait waits for the event, for at least within and at most half as long again, and reports whether it was signalled. A deadline that is still good is left
// as it is: setting one for each picture costs as much as reading it.
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
	signalled := false // it may have been signalled at the last moment
	_ = e.conn.Control(func(fd uintptr) { signalled = e.take(fd) })
	return signalled
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
		return errors.New("camera: start the MPI thread: out of memory, descriptors or threads")
	}
	if n := hardware.note; n != nil {
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
		return fmt.Errorf("camera: wait for the MPI thread: %w", err)
	}
	c.video.side, c.video.gate = c.c, (*gate)(unsafe.Pointer(shared))
	return nil
}

// endThread ends the C side, which must be down already.
func (c *Camera) endThread() {
	C.camera_free(c.c)
	c.closeEvents()
	// An H.264 reader may use the gate until it notices the end; without the thread nothing else does.
	runtime.AddCleanup(c, func(g *gate) { C.free(unsafe.Pointer(g)) }, c.video.gate)
}

func (c *Camera) closeEvents() {
	_ = c.done.file.Close()
	_ = c.video.units.file.Close()
}

// abandonThread leaves a hung C side to itself.
func (c *Camera) abandonThread() {
	C.camera_abandon(c.c)
	c.closeEvents()
}

// run performs one operation on the MPI thread. c.mu is held, or nothing else uses c yet.
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

// performInto performs an operation that writes a picture into dst and reads y and vu, if not empty. It keeps none of them.
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
	code := c.perform(op, pictureTimeout)
	if code != C.CAMERA_HANGS { // otherwise C has dropped them already, and owns the struct
		c.c.buffer, c.c.planes[0], c.c.planes[1] = nil, nil, nil
	}
	return code
}
