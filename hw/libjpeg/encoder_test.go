package libjpeg_test

import (
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/internal/encodertest"
)

func open(t testing.TB) frame.Encoder {
	t.Helper()
	e, err := libjpeg.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEncoderConforms(t *testing.T) {
	encodertest.Run(t, open, encodertest.Options{Allocates: open(t).Name() == "image/jpeg"})
}
