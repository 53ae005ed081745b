//go:build linux && cgo

package sg2002

/*
#include "mpi.h"

// cgo cannot call function pointers.
static int32_t transfer(const struct mpi *m, int32_t bus, int32_t addr, const uint8_t *out, int32_t out_len, uint8_t *in, int32_t in_len)
{
	return m->i2c_transfer(bus, addr, out, out_len, in, in_len);
}
static int32_t poke(const struct mpi *m, uint64_t addr, uint32_t value) { return m->poke(addr, value); }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sensorBus is the camera's i2c bus, shared with the touch screen.
const sensorBus = 4

// Pads that can be the sensor's clock output or a MIPI lane (registers of the pin multiplexer), and their functions.
const (
	padMIPI4N, padMIPI0N     = 0x0300116c, 0x0300118c
	padIsMIPI, padIsClock    = 0x3, 0x5
	muxPage                  = 0x03001000
	i2cReadWrite, i2cReading = 0x0707, 0x0001 // ioctl I2C_RDWR and message flag I2C_M_RD, linux/i2c-dev.h, linux/i2c.h
)

// setPads makes one of two pads the sensor's clock and the other a MIPI lane, according to the board's wiring.
func (m *mpi) setPads(b board) error {
	pads := [][2]uint32{{padMIPI4N, padIsMIPI}, {padMIPI0N, padIsMIPI}}
	switch b.mclk {
	case 0:
		pads[0][1] = padIsClock
	case 1:
		pads[1][1] = padIsClock
	}
	if m.simulated() {
		for _, p := range pads {
			if code := C.poke(m.table, C.uint64_t(p[0]), C.uint32_t(p[1])); code != 0 {
				return fmt.Errorf("camera: set pad 0x%08x: error %d", p[0], code)
			}
		}
		return nil
	}
	file, err := os.OpenFile("/dev/mem", os.O_RDWR|unix.O_SYNC, 0)
	if err != nil {
		return fmt.Errorf("camera: set the pads of the sensor's clock: %w", err)
	}
	defer file.Close()
	page, err := unix.Mmap(int(file.Fd()), muxPage, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("camera: map the pin multiplexer at 0x%08x: %w", muxPage, err)
	}
	for _, p := range pads {
		*(*uint32)(unsafe.Pointer(&page[p[0]-muxPage])) = p[1]
	}
	return unix.Munmap(page)
}

// simulated reports whether the libraries are the simulator's; i2c and registers are then reached through them.
func (m *mpi) simulated() bool {
	return os.Getenv("MAIXSTREAM_ROOT") != "" && m.table.i2c_transfer != nil && m.table.poke != nil
}

// detect returns the first known sensor that answers on i2c, nil if there is none.
func (m *mpi) detect() *sensor {
	for i := range sensors {
		s := &sensors[i]
		for _, address := range s.addresses {
			if m.answers(address, s.check) {
				return s
			}
		}
	}
	return nil
}

func (m *mpi) answers(address int, check *register) bool {
	out, in := []byte(nil), make([]byte, 1)
	if check != nil {
		out, in = []byte{byte(check.number)}, make([]byte, check.bytes)
	}
	if err := m.i2c(address, out, in); err != nil {
		return false
	}
	if check == nil {
		return true
	}
	var value uint32
	for _, b := range in {
		value = value<<8 | uint32(b)
	}
	return value == check.value
}

// i2c writes out and then reads in, as one transfer.
func (m *mpi) i2c(address int, out, in []byte) error {
	if m.simulated() {
		var o, i *C.uint8_t
		if len(out) > 0 {
			o = (*C.uint8_t)(&out[0])
		}
		if len(in) > 0 {
			i = (*C.uint8_t)(&in[0])
		}
		if code := C.transfer(m.table, sensorBus, C.int32_t(address), o, C.int32_t(len(out)), i, C.int32_t(len(in))); code != 0 {
			return unix.Errno(-code)
		}
		return nil
	}
	file, err := os.OpenFile(fmt.Sprintf("/dev/i2c-%d", sensorBus), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	type message struct {
		address, flags, length uint16
		_                      uint16
		data                   uintptr
	}
	var messages [2]message
	var pin runtime.Pinner
	defer pin.Unpin()
	n := 0
	if len(out) > 0 {
		pin.Pin(&out[0])
		messages[n] = message{address: uint16(address), length: uint16(len(out)), data: uintptr(unsafe.Pointer(&out[0]))}
		n++
	}
	if len(in) > 0 {
		pin.Pin(&in[0])
		messages[n] = message{address: uint16(address), flags: i2cReading, length: uint16(len(in)), data: uintptr(unsafe.Pointer(&in[0]))}
		n++
	}
	pin.Pin(&messages[0])
	transfer := struct {
		messages uintptr
		count    uint32
	}{uintptr(unsafe.Pointer(&messages[0])), uint32(n)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), i2cReadWrite, uintptr(unsafe.Pointer(&transfer))); errno != 0 {
		return errno
	}
	return nil
}
