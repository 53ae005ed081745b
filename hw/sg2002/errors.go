package sg2002

import (
	"fmt"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// Reasons why this process can never have a camera; both wrap frame.ErrUnsupported. A program adds what its user can do about it.
var (
	// ErrNoBoard: this machine is not a MaixCAM, or this build has no camera support.
	ErrNoBoard = fmt.Errorf("%w: this is not a MaixCAM", frame.ErrUnsupported)
	// ErrLibraries: the chip's libraries or sensor drivers are missing, mixed from two sets, or from another SDK.
	ErrLibraries = fmt.Errorf("%w: libraries missing or incompatible", frame.ErrUnsupported)
)

// CrashError refuses a start because the previous ones crashed inside the chip's libraries, always in the same call. It wraps frame.ErrGone.
type CrashError struct {
	Call  string // the library function
	Times int    // in a row
	Wait  time.Duration
	File  string // removing it allows a start at once
}

func (e *CrashError) Error() string {
	return fmt.Sprintf("camera: %d starts in a row crashed in %s of the chip's libraries: next try in %v; reboot, or remove %s to try at once",
		e.Times, e.Call, e.Wait.Round(time.Second), e.File)
}

// Unwrap makes it a frame.ErrGone: opening the camera again later may help.
func (e *CrashError) Unwrap() error { return frame.ErrGone }

// Error is a failed MPI call.
type Error struct {
	Call string // "CVI_VENC_CreateChn"
	Code uint32 // as the library returned it
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: 0x%08x (%s)", e.Call, e.Code, meaning(e.Code))
}

// Unwrap makes each failed call a frame.ErrGone: if anything helps, it is opening the camera again.
func (e *Error) Unwrap() error { return frame.ErrGone }

// noMemory reports whether the call failed because ION memory ran out.
func (e *Error) noMemory() bool {
	return e.Code>>24 == 0xc0 && e.Code&0x1fff == 12
}

// numbers are the error numbers shared by all modules; a code is 0xc0000000 | module<<16 | 4<<13 | number.
var numbers = map[uint32]string{
	1: "no such device", 2: "no such channel", 3: "illegal parameter", 4: "already exists", 5: "does not exist", 6: "null pointer",
	7: "not configured", 8: "not supported", 9: "not permitted", 10: "no such pipe", 11: "no such group", 12: "out of memory",
	13: "no free block", 14: "no frame yet", 15: "full", 16: "not ready: modules not loaded, not root, or not started", 17: "bad address",
	18: "busy", 19: "too small", 20: "invalid block",
}

// special are codes specific to one module.
var special = map[uint32]string{
	0xc0078040: "the encoder is not receiving", 0xc0078041: "dropped by rate control", 0xc0078043: "nothing encoded",
	0xc007804b: "wait interrupted by a signal", 0xc00e8040: "device not enabled", 0xc00e8041: "channel already enabled",
	0xc00e8043: "timed out", 0xc0018040: "too many pools", 0xc002800c: "ION memory is short: a leak, or another user",
	0xc0078012: "busy: another JPEG channel holds the encoder, or timed out",
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
