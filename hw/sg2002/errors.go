package sg2002

import (
	"fmt"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// Why there can be no camera, ever, in this process; both wrap frame.ErrUnsupported. A program adds what its user can do about it.
var (
	// ErrNoBoard: this machine is not a MaixCAM, or this build has no camera.
	ErrNoBoard = fmt.Errorf("%w: this is not a MaixCAM", frame.ErrUnsupported)
	// ErrLibraries: the chip's libraries, or the sensors' drivers, are missing, of two sets mixed, or of another SDK.
	ErrLibraries = fmt.Errorf("%w without the right libraries", frame.ErrUnsupported)
)

// CrashError is a start that is not tried because the ones before it died inside the chip's libraries, always in the same call. It wraps frame.ErrGone.
type CrashError struct {
	Call  string // the library's function
	Times int    // in a row
	Wait  time.Duration
	File  string // without which the next start does not wait
}

func (e *CrashError) Error() string {
	return fmt.Sprintf("camera: %d starts in a row ended inside the chip's libraries, in %s: the next one is tried in %v; reboot, or remove %s to try at once",
		e.Times, e.Call, e.Wait.Round(time.Second), e.File)
}

// Unwrap makes it a source that is gone: opening it again later may help.
func (e *CrashError) Unwrap() error { return frame.ErrGone }

// Error is a failed MPI call.
type Error struct {
	Call string // "CVI_VENC_CreateChn"
	Code uint32 // as the library returned it
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: 0x%08x (%s)", e.Call, e.Code, meaning(e.Code))
}

// Unwrap makes each failed call a source that is gone: opening it again is what helps, if anything does.
func (e *Error) Unwrap() error { return frame.ErrGone }

// noMemory reports whether the call failed for lack of ION memory.
func (e *Error) noMemory() bool {
	return e.Code>>24 == 0xc0 && e.Code&0x1fff == 12
}

// numbers are the error numbers that all modules share; a code is 0xc0000000 | module<<16 | 4<<13 | number.
var numbers = map[uint32]string{
	1: "no such device", 2: "no such channel", 3: "illegal parameter", 4: "exists already", 5: "does not exist", 6: "null pointer",
	7: "not configured", 8: "not supported", 9: "not permitted", 10: "no such pipe", 11: "no such group", 12: "out of memory",
	13: "no free block", 14: "no frame yet", 15: "full", 16: "not ready: modules not loaded, not root, or not started", 17: "bad address",
	18: "busy", 19: "too small", 20: "invalid block",
}

// special are codes of one module.
var special = map[uint32]string{
	0xc0078040: "the encoder is not receiving", 0xc0078041: "dropped by rate control", 0xc0078043: "nothing was encoded",
	0xc007804b: "a signal cut the wait short", 0xc00e8040: "the device is not enabled", 0xc00e8041: "the channel is enabled already",
	0xc00e8043: "time-out", 0xc0018040: "too many pools", 0xc002800c: "ION memory is short: a leak, or another user",
	0xc0078012: "busy: another JPEG channel holds the encoder, or nothing came in time",
}

func meaning(code uint32) string {
	if text, ok := special[code]; ok {
		return text
	}
	switch {
	case code == 0xffffffff:
		return "refused by the driver"
	case code>>24 == 0xcb:
		return "tuning file not used"
	case code>>24 == 0xc0 && numbers[code&0x1fff] != "":
		return numbers[code&0x1fff]
	case code < 4096:
		return fmt.Sprintf("errno %d", code)
	}
	return "unknown code"
}
