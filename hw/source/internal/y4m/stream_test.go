package y4m_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
	"github.com/maixstream/maixstream/internal/testenv"
)

const smallHeader = "YUV4MPEG2 W2 H2 F60:1 Cmono XCOLORRANGE=FULL\n"

func stream(t *testing.T, in io.Reader, fps float64) *y4m.Stream {
	t.Helper()
	s, err := y4m.NewStream(io.NopCloser(in), "pipe", fps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A slow reader, or one that wants fewer frames, gets the newest frame rather than the next one.
func TestStreamReturnsTheNewestFrame(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = io.WriteString(w, smallHeader+"FRAME\naaaaFRAME\nbbbb") }()
	s := stream(t, r, 0)
	var f frame.Frame
	next := func(want string) {
		t.Helper()
		testenv.Eventually(t, want, func() bool {
			f.Release()
			if err := s.ReadFrame(t.Context(), &f); err != nil {
				t.Fatal(err)
			}
			return string(plane(&f, 0)) == want
		})
	}
	next("bbbb")
	if _, err := io.WriteString(w, "FRAME\nccccFRAME\nddddFRAME\neeeeFRAME\n"); err != nil { // the last line is read after the preceding frame
		t.Fatal(err)
	}
	next("eeee")
	if f.Sequence != 5 || time.Since(f.Captured) > time.Minute {
		t.Errorf("%+v", f)
	}
	f.Release()
	if info := s.Info(); info.FPS != 60 || info.Width != 2 || info.Kind != "y4m" {
		t.Errorf("%+v", info)
	}
	if err := s.SetFPS(5); err != nil || s.Info().FPS != 5 {
		t.Errorf("%v, %+v", err, s.Info())
	}
}

func TestStreamEndErrors(t *testing.T) {
	for data, want := range map[string]struct {
		kind error
		text string
	}{
		smallHeader:                              {frame.ErrNoPicture, "no frame"},
		smallHeader + "FRAME\nab":                {frame.ErrNoPicture, "unexpected EOF"},
		smallHeader + "abcd":                     {frame.ErrNoPicture, "no FRAME line"},
		smallHeader + "FRAME\naaaa":              {frame.ErrEnd, "pipe: source ended"},
		smallHeader + "FRAME\naaaaFRAME\nbb":     {frame.ErrEnd, "in the middle of a frame"},
		smallHeader + "FRAME\naaaaJUNK\nbbbbbbb": {frame.ErrEnd, "no FRAME line"},
	} {
		s := stream(t, strings.NewReader(data), 0)
		var err error
		for err == nil {
			var f frame.Frame
			err = s.ReadFrame(context.Background(), &f)
			f.Release()
		}
		if !errors.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%q: %v", data[len(smallHeader):], err)
		}
	}
	if _, err := y4m.NewStream(io.NopCloser(strings.NewReader("YUV4MPEG2 W2 H2 C420p10\n")), "pipe", 0); !errors.Is(err, frame.ErrUnsupported) {
		t.Error(err)
	}
}
