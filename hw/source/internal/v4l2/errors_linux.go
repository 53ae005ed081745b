package v4l2

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

// explain says what a video device's error number means and what to do. Errors that may be temporary wrap frame.ErrGone.
func explain(operation string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO):
		advice = "no such device" + others()
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		advice = "not allowed: add the user to the group that owns the device (usermod -aG video USER) and log in again"
	case errors.Is(err, unix.EBUSY):
		advice = "in use by another program (fuser -v DEVICE shows which)"
	case errors.Is(err, unix.ENODEV):
		advice = "unplugged"
	case errors.Is(err, unix.EIO):
		advice = "I/O error (check the cable, power and other devices on the same bus)"
	case errors.Is(err, unix.ENOSPC):
		advice = "not enough USB bandwidth for this size and rate: choose smaller ones, or use another port"
	case errors.Is(err, unix.ENOMEM):
		advice = "not enough memory for its buffers"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTTY), errors.Is(err, unix.ENOTSUP):
		return fmt.Errorf("%s: not a device that can stream video: %w", operation, err)
	default:
		return fmt.Errorf("%s: %w: %w", operation, frame.ErrGone, err)
	}
	return &advised{text: operation + ": " + advice, err: err}
}

// advised replaces an error number's text with advice, which is also shown on the "no signal" picture. It wraps the number, and frame.ErrGone.
type advised struct {
	text string
	err  error
}

func (a *advised) Error() string { return a.text }

func (a *advised) Unwrap() []error { return []error{frame.ErrGone, a.err} }

// others lists the existing devices.
func others() string {
	names, err := filepath.Glob("/dev/video*")
	if err != nil || len(names) == 0 {
		return " (no /dev/video* exists)"
	}
	return " (available: " + strings.Join(names, ", ") + ")"
}
