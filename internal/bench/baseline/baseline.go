//go:build cgo

// Package baseline calls libjpeg-turbo as C programs do, without this module's code in between: the limit with which
// the encoder's benchmarks are compared.
package baseline

// #include "baseline.h"
import "C"

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/maixstream/maixstream/hw/frame"
)

// Encode compresses f, YUV420 and a multiple of 16 pixels wide, n times in one C call. It returns the JPEG's size in bytes and the total CPU time.
func Encode(f *frame.Frame, quality, n int) (size int, cpu time.Duration, err error) {
	if err := f.Check(); err != nil {
		return 0, 0, err
	}
	if f.Format != frame.YUV420 || f.Strides[1] != f.Strides[2] {
		return 0, 0, errors.New("libjpeg: the frame must be yuv420 with equal chroma strides")
	}
	var ns C.int64_t
	var message [200]C.char
	r := C.mx_straight((*C.uint8_t)(unsafe.SliceData(f.Planes[0])), (*C.uint8_t)(unsafe.SliceData(f.Planes[1])), (*C.uint8_t)(unsafe.SliceData(f.Planes[2])),
		C.int(f.Strides[0]), C.int(f.Strides[1]), C.int(f.Width), C.int(f.Height), C.int(quality), C.int(n), &ns, &message[0])
	if r < 0 {
		return 0, 0, fmt.Errorf("straight: %s", C.GoString(&message[0]))
	}
	return int(r), time.Duration(ns), nil
}
