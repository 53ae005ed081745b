//go:build linux && cgo

package load

// #cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra -Werror
// #include "bare.h"
import "C"

import (
	"fmt"
	"net"
	"runtime"
	"syscall"
	"unsafe"
)

// bare is the minimal server, in C: one thread, one epoll, a timer, and per frame and viewer one writev of head and picture,
// from memory that holds the picture already. It is in C because Go's runtime would double the cost of such a loop: its monitor tracks each
// blocking system call. It answers standard input itself, and ends with it.
func bare(l *net.TCPListener, viewers int, pictures [][]byte, fps int) error {
	file, err := l.File()
	if err != nil {
		return err
	}
	defer file.Close()
	var memory []byte
	starts, sizes := make([]C.size_t, len(pictures)), make([]C.size_t, len(pictures))
	for i, p := range pictures {
		starts[i], sizes[i] = C.size_t(len(memory)), C.size_t(len(p))
		memory = append(memory, p...)
	}
	// Only the viewers connect to this process's listener.
	runtime.LockOSThread()
	var what *C.char
	if errno := C.mx_bare(C.int(file.Fd()), C.int(viewers), C.int(fps), (*C.uint8_t)(unsafe.SliceData(memory)),
		unsafe.SliceData(starts), unsafe.SliceData(sizes), C.int(len(pictures)), &what); errno != 0 {
		return fmt.Errorf("bare loop: %s: %w", C.GoString(what), syscall.Errno(errno))
	}
	return nil
}

// HasBare reports whether this program was built with the bare loop.
const HasBare = true
