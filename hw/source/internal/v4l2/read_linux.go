package v4l2

import (
	"context"
	"errors"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/fullrange"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// rawCamera delivers the device's buffers.
type rawCamera struct{ *camera }

// jpegCamera copies the device's JPEGs.
type jpegCamera struct{ *camera }

var (
	_ frame.RawSource  = rawCamera{}
	_ frame.JPEGSource = jpegCamera{}
	_ frame.RateSetter = rawCamera{}
	_ frame.RateSetter = jpegCamera{}
	_ frame.Dropper    = rawCamera{}
	_ frame.Dropper    = jpegCamera{}
	_ frame.Controller = rawCamera{}
	_ frame.Controller = jpegCamera{}
	_ frame.Owner      = (*slot)(nil)
)

// ReadFrame implements frame.RawSource.
func (c rawCamera) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if ctx == nil || f == nil {
		return errors.New("read: no context, or no frame to fill")
	}
	for {
		s, err := c.next(ctx)
		if err != nil {
			return err
		}
		if err := c.lend(s, f); err == nil {
			return nil
		} else {
			c.renumber()
			c.Drop(err)
		}
	}
}

// lend fills f with a buffer; one that is too small for its picture is requeued.
func (c rawCamera) lend(s *slot, f *frame.Frame) error {
	*f = c.layout
	f.Captured, f.Sequence, f.Owner = s.captured, s.sequence, s
	rest := s.memory[:s.used]
	for i := range f.Format.Planes() {
		rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
		need := (rows-1)*f.Strides[i] + rowBytes
		if f.Strides[i] < rowBytes || len(rest) < need {
			f.Release()
			return fmt.Errorf("v4l2: %s: %w: %d bytes are too few for %s %dx%d", c.device, frame.ErrBadPicture, s.used, c.layout.Format, c.layout.Width, c.layout.Height)
		}
		plane := min(len(rest), rows*f.Strides[i])
		f.Planes[i] = rest[:plane:plane]
		rest = rest[plane:]
	}
	if c.limited {
		fullrange.Convert(f)
	}
	return nil
}

// ReadJPEG implements frame.JPEGSource. It adds the standard Huffman tables to a picture without, which motion JPEG permits.
func (c jpegCamera) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	if ctx == nil || p == nil {
		return errors.New("read: no context, or no picture to fill")
	}
	for {
		s, err := c.next(ctx)
		if err != nil {
			return err
		}
		n, info, err := s.completed(dst)
		captured, sequence := s.captured, s.sequence
		s.ReleaseFrame(nil)
		switch {
		case errors.Is(err, frame.ErrBadPicture):
			c.renumber()
			c.Drop(fmt.Errorf("v4l2: %s: %w", c.device, err))
		case err != nil:
			return fmt.Errorf("v4l2: %s: %w", c.device, err)
		default:
			*p = frame.Picture{Size: n, Width: info.Width, Height: info.Height, Captured: captured, Sequence: sequence}
			return nil
		}
	}
}

// completed checks the buffer's picture and writes it to dst.
func (s *slot) completed(dst []byte) (int, jpegcheck.Info, error) {
	data := s.memory[:s.used]
	info, err := jpegcheck.Parse(data)
	if err != nil {
		return 0, info, err
	}
	n := jpegcheck.Complete(dst, data, &info)
	if n == 0 {
		return 0, info, &frame.TooLargeError{Size: info.CompleteSize(), Limit: len(dst), Width: info.Width, Height: info.Height}
	}
	return n, info, nil
}

// Info implements frame.Source.
func (c jpegCamera) Info() frame.Info {
	info := c.camera.Info()
	info.Encoder = "pass-through"
	return info
}
