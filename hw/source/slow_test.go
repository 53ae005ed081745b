package source_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source"
)

// slowCamera replies to each request with a picture in pieces.
type slowCamera struct {
	jpg   []byte
	pause time.Duration // before each piece
}

const pieces = 20

// RoundTrip implements http.RoundTripper.
func (c *slowCamera) RoundTrip(r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	pause := c.pause
	go func() {
		for rest := c.jpg; len(rest) > 0; {
			time.Sleep(pause)
			n := min(len(rest), len(c.jpg)/pieces+1)
			if _, err := writer.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		writer.Close()
	}()
	header := http.Header{"Content-Type": {"image/jpeg"}}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: reader, ContentLength: int64(len(c.jpg)), Request: r}, nil
}

// A picture may take as long as it likes while its bytes arrive, and the source then has the rate at which pictures really come; one that stops arriving is
// given up.
func TestSlowPictureURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jpg := jpegOf(t, 32, 24, 1)
		camera := &slowCamera{jpg, 3 * time.Second} // a minute each
		s, err := source.OpenThrough(camera, source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if fps := s.Info().FPS; fps != 1 {
			t.Errorf("%g fps before the first picture", fps)
		}
		dst := make([]byte, 1<<20)
		for range 3 {
			var p frame.Picture
			if err := s.(frame.JPEGSource).ReadJPEG(t.Context(), dst, &p); err != nil || !bytes.Equal(dst[:p.Size], jpg) {
				t.Fatalf("%+v, %v", p, err)
			}
			if fps := s.Info().FPS; fps < 1./70 || fps > 1./50 {
				t.Errorf("%g fps with a picture a minute", fps)
			}
		}
		camera.pause = 11 * time.Second
		var p frame.Picture
		if err := s.(frame.JPEGSource).ReadJPEG(t.Context(), dst, &p); !errors.Is(err, frame.ErrGone) || !strings.Contains(err.Error(), "sent nothing for 10s") {
			t.Errorf("stalled: %v", err)
		}
		if s, err := source.OpenThrough(camera, source.Options{}); !errors.Is(err, frame.ErrGone) {
			t.Errorf("stalled at the start: %v, %v", s, err)
		}
		camera.pause = time.Millisecond
		if err := s.(frame.JPEGSource).ReadJPEG(t.Context(), dst, &p); err != nil || s.Info().FPS != 1 {
			t.Errorf("fast again: %v, %g fps", err, s.Info().FPS)
		}
		time.Sleep(time.Minute) // the stalled replies end
	})
}
