package v4l2

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/videodev2.h. The layouts are those of the C structs; types that depend on the word size follow unix.Timeval and uintptr.
const (
	bufTypeCapture = 1
	memoryMmap     = 1

	bufFlagError              = 0x40
	bufFlagTimestampMask      = 0xe000
	bufFlagTimestampMonotonic = 0x2000

	colorspaceJPEG   = 7
	quantizationFull = 1
)

type pixFormat struct {
	width, height, pixelformat, _ uint32
	bytesperline, _, colorspace   uint32
	_, _, _, quantization, _      uint32
}

type formatArg struct {
	kind uint32
	_    [unsafe.Sizeof(uintptr(0)) - 4]byte // the union contains pointers
	pix  pixFormat
	_    [200 - unsafe.Sizeof(pixFormat{})]byte
}

type requestBuffers struct {
	count, kind, memory uint32
	_, _                uint32 // capabilities, flags
}

type buffer struct {
	index, kind, bytesused, flags, _ uint32
	timestamp                        unix.Timeval
	_                                [4]uint32 // timecode
	sequence, memory                 uint32
	offset                           uintptr // union m
	length, _, _                     uint32
}

func number(direction, nr, size uintptr) uintptr { return direction<<30 | size<<16 | 'V'<<8 | nr }

const (
	writes     = 1
	readWrites = 3
)

var (
	vidiocGetFormat = number(readWrites, 4, unsafe.Sizeof(formatArg{}))
	vidiocRequest   = number(readWrites, 8, unsafe.Sizeof(requestBuffers{}))
	vidiocQuery     = number(readWrites, 9, unsafe.Sizeof(buffer{}))
	vidiocQueue     = number(readWrites, 15, unsafe.Sizeof(buffer{}))
	vidiocDequeue   = number(readWrites, 17, unsafe.Sizeof(buffer{}))
	vidiocStreamOn  = number(writes, 18, 4)
	vidiocStreamOff = number(writes, 19, 4)
)

// ioctl calls the driver, again if a signal interrupts it. arg points to the request's struct.
func ioctl[T any](fd int, request uintptr, arg *T) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(arg)))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		case unix.EAGAIN: // boxing it anew would allocate per picture
			return errAgain
		default:
			return errno
		}
	}
}

var errAgain error = unix.EAGAIN
