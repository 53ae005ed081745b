package v4l2

import (
	"context"
	"fmt"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/fullrange"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
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
	_ frame.Controller = rawCamera{}
	_ frame.Controller = jpegCamera{}
	_ frame.Owner      = (*slot)(nil)
)

// ReadFrame implements frame.RawSource.
func (c rawCamera) ReadFrame(ctx context.Context, f *frame.Frame) error {
	s, err := c.next(ctx)
	if err != nil {
		return err
	}
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

// ReadJPEG implements frame.JPEGSource. A picture that lacks the standard Huffman tables, as motion JPEG may, gets them.
func (c jpegCamera) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	s, err := c.next(ctx)
	if err != nil {
		return err
	}
	defer s.ReleaseFrame(nil)
	data := s.memory[:s.used]
	header, err := jfif.Check(data)
	if err != nil {
		return fmt.Errorf("v4l2: %s: %w", c.device, err)
	}
	n := jfif.Complete(dst, data, header)
	if n == 0 {
		return fmt.Errorf("v4l2: %s: picture of %d bytes: %w of %d bytes", c.device, header.Size, frame.ErrTooLarge, len(dst))
	}
	*p = frame.Picture{Size: n, Width: header.Width, Height: header.Height, Captured: s.captured, Sequence: s.sequence}
	return nil
}

// Info implements frame.Source.
func (c jpegCamera) Info() frame.Info {
	info := c.camera.Info()
	info.Encoder = "pass-through"
	return info
}
