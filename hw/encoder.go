package hw

import (
	"fmt"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/transform"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/hw/picture"
)

// NewEncoder makes a software JPEG encoder.
func NewEncoder() (frame.Encoder, error) { return libjpeg.NewEncoder() }

// NewTransform makes a transform, which orients raw frames and draws text on them.
func NewTransform() frame.Transform { return transform.New() }

// NoSignal makes the JPEG shown while a source is away: dark, with the reason and the time.
func NoSignal(reason string, width, height int) ([]byte, error) {
	p, err := picture.NoSignal(width, height, reason, time.Now())
	if err != nil {
		return nil, fmt.Errorf("hw: %w", err)
	}
	defer p.Release()
	return p.Bytes(), nil
}
