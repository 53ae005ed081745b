package v4l2

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

// explain says what an error number of a video device means and what to do. Those that may be different later wrap frame.ErrGone.
func explain(operation string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO):
		advice = "no such device" + others()
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		advice = "not allowed: add the user to the group that owns the device (usermod -aG video USER) and log in again"
	case errors.Is(err, unix.EBUSY):
		advice = "in use by another program (fuser -v DEVICE tells which)"
	case errors.Is(err, unix.ENODEV):
		advice = "unplugged"
	case errors.Is(err, unix.EIO):
		advice = "the device fails (cable, power, or another device on the same bus)"
	case errors.Is(err, unix.ENOSPC):
		advice = "the USB bus has no room for this size and rate: choose smaller ones, or plug it into another port"
	case errors.Is(err, unix.ENOMEM):
		advice = "no memory for its buffers"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTTY), errors.Is(err, unix.ENOTSUP):
		return fmt.Errorf("%s: not a device that can stream video: %w", operation, err)
	default:
		return fmt.Errorf("%s: %w: %w", operation, frame.ErrGone, err)
	}
	return &advised{text: operation + ": " + advice, err: err}
}

// advised is an error number in our words alone, which stand on the "no signal" picture, too. It wraps the number, and frame.ErrGone.
type advised struct {
	text string
	err  error
}

func (a *advised) Error() string { return a.text }

func (a *advised) Unwrap() []error { return []error{frame.ErrGone, a.err} }

// others lists the devices that there are.
func others() string {
	names, err := filepath.Glob("/dev/video*")
	if err != nil || len(names) == 0 {
		return " (there are no /dev/video* at all)"
	}
	return " (there are " + strings.Join(names, ", ") + ")"
}
