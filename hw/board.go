package hw

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
)

func onBoard() bool { return false }

func openBoardCamera(SourceConfig) (frame.Source, error) {
	return nil, fmt.Errorf("camera: %w: this build has no MaixCAM camera; use --source testcard", frame.ErrUnsupported)
}
