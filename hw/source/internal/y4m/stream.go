package y4m

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/live"
)

// Stream delivers the newest frame of a byte stream. It reads as fast as the sender writes, so that frames do not age in a pipe; a
// lower rate drops frames after that. Frames may be written to until they are released.
type Stream struct {
	decoder
	name   string
	live   *live.Stream
	newest frame.Frame  // if it has not been delivered
	read   func() error // s.pump and s.deliver as values, so that a frame allocates nothing
	take   func() error
	target *frame.Frame // of the running ReadFrame
}

var (
	_ frame.RawSource  = (*Stream)(nil)
	_ frame.RateSetter = (*Stream)(nil)
	_ frame.LiveSource = (*Stream)(nil)
)

// NewStream returns a source for a Y4M stream, whose header it reads; name is for display. fps is the maximum number of frames per second; 0: no limit.
// The source takes ownership of in, whose Close must interrupt a blocked read.
func NewStream(in io.ReadCloser, name string, fps float64) (*Stream, error) {
	shared, err := live.New(in, "y4m", fps, errClosed)
	if err != nil {
		return nil, err
	}
	s := &Stream{name: name, live: shared}
	s.read, s.take = s.pump, s.deliver
	if _, err := s.decoder.init(in); err != nil {
		return nil, fmt.Errorf("y4m: %s: %w", name, err)
	}
	return s, nil
}

// Info implements frame.Source. The rate is the header's, or the requested one if that is lower.
func (s *Stream) Info() frame.Info {
	info := frame.Info{Name: s.name, Kind: "y4m", Width: s.header.width, Height: s.header.height, FPS: s.header.fps}
	if most := s.live.FPS(); most > 0 && (info.FPS == 0 || most < info.FPS) {
		info.FPS = most
	}
	return info
}

// ReadFrame implements frame.RawSource.
func (s *Stream) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if ctx == nil || f == nil {
		return errors.New("read: no context, or no frame to fill")
	}
	s.target = f
	return s.live.Take(ctx, s.read, s.take)
}

// deliver moves the newest frame to the running ReadFrame's.
func (s *Stream) deliver() error {
	*s.target, s.newest = s.newest, frame.Frame{}
	return nil
}

// pump reads frames until the stream ends.
func (s *Stream) pump() error {
	var f frame.Frame
	store := func(sequence uint64) {
		f.Captured, f.Sequence = time.Now(), sequence
		s.newest.Release() // not fetched in time
		s.newest, f = f, frame.Frame{}
	}
	for {
		if err := s.next(&f); err != nil {
			return s.endOf(err)
		}
		s.live.Put(store)
	}
}

// endOf returns the stream's final error; a stream cannot be resynchronised after a damaged frame line.
func (s *Stream) endOf(err error) error {
	none := s.live.Count() == 0
	switch {
	case none && errors.Is(err, io.EOF):
		return fmt.Errorf("y4m: %s: %w: it has a header, but no frame", s.name, frame.ErrNoPicture)
	case none:
		return fmt.Errorf("y4m: %s: %w: %w", s.name, frame.ErrNoPicture, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("y4m: %s: %w", s.name, frame.ErrEnd)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("y4m: %s: %w: truncated in the middle of a frame", s.name, frame.ErrEnd)
	}
	return fmt.Errorf("y4m: %s: %w: %w", s.name, frame.ErrEnd, err)
}

// SetFPS implements frame.RateSetter.
func (s *Stream) SetFPS(fps float64) error { return s.live.SetFPS(fps) }

// Interval implements frame.LiveSource.
func (s *Stream) Interval() time.Duration { return s.live.Interval() }

// Close implements frame.Source. Delivered frames stay readable until they are released.
func (s *Stream) Close() error {
	return s.live.Close(func() {
		s.newest.Release()
		s.newest = frame.Frame{}
	})
}
