//go:build !linux || !cgo

package sg2002

import (
	"context"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

// Camera cannot be opened on this platform.
type Camera struct{ frame.JPEGSource }

// Open returns an error that wraps ErrNoBoard: the chip's libraries need cgo and Linux.
func Open(context.Context, Config) (*Camera, error) {
	return nil, fmt.Errorf("camera: built without cgo or not for Linux: %w", ErrNoBoard)
}

// Libraries returns an error that wraps frame.ErrUnsupported.
func Libraries(string) error {
	_, err := Open(context.Background(), Config{})
	return err
}

// Raw is never called: a Camera cannot exist here.
func (*Camera) Raw() frame.RawSource { return nil }

// Still is never called: a Camera cannot exist here.
func (*Camera) Still(context.Context, []byte, *frame.Picture) error { return frame.ErrUnsupported }

// StillSize is never called: a Camera cannot exist here.
func (*Camera) StillSize() frame.Size { return frame.Size{} }

// Encoder is never called: a Camera cannot exist here.
func (*Camera) Encoder() frame.Encoder { return nil }
