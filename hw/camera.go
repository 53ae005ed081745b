package hw

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/hw/sg2002"
)

// CameraConfig says what a Camera's pictures are like. Zero fields take the defaults in brackets.
type CameraConfig struct {
	Source        string  // as SourceConfig.Name: on a MaixCAM its camera, elsewhere the test card, unless told otherwise [auto]
	Width, Height int     // pixels [640x480]
	FPS           float64 // at most, as SourceConfig.FPS [the source's own]
	Mirror, Flip  bool    // of a MaixCAM's camera only
	Options       CameraOptions
	Log           *zap.Logger // [none]
}

// Camera gives a program one picture after the other, to look into, draw on, and encode. One goroutine reads at a time; Close may come from any.
type Camera struct {
	source  frame.Source // nil: it is not there yet
	raw     frame.RawSource
	jpeg    frame.JPEGSource
	encoder frame.Encoder // the hardware's; nil: pictures use their own

	// Of a source that is not there yet.
	config SourceConfig
	mu     sync.Mutex // guards source, raw and jpeg until then
	closed bool

	buffer []byte
}

// maxJPEG is the most bytes of a JPEG that Read takes.
const maxJPEG = 64 << 20

// OpenCamera opens a camera. Errors are those of OpenSource.
func OpenCamera(c CameraConfig) (*Camera, error) {
	camera := &Camera{
		config: SourceConfig{
			Name: c.Source, Width: c.Width, Height: c.Height, FPS: c.FPS, Mirror: c.Mirror, Flip: c.Flip, Camera: c.Options, Log: c.Log,
		},
	}
	if err := camera.open(); err != nil && !camera.mayCome(err) {
		return nil, err
	}
	return camera, nil
}

// mayCome says whether err is only that nothing has come on standard input yet: Read waits for it.
func (c *Camera) mayCome(err error) bool {
	return c.config.Name == "-" && errors.Is(err, frame.ErrGone)
}

func (c *Camera) open() error {
	source, err := OpenSource(c.config)
	if err != nil {
		return err
	}
	var raw frame.RawSource
	jpeg, _ := source.(frame.JPEGSource)
	switch opened := source.(type) {
	case *sg2002.Camera:
		if c.config.Camera.Path != "bound" {
			raw, jpeg, c.encoder = opened.Raw(), nil, opened.Encoder()
		}
	case frame.JPEGSource:
	case frame.RawSource:
		raw = opened
	case frame.VideoSource:
		decoder, err := NewVideoDecoder()
		if err != nil {
			_ = source.Close()
			return fmt.Errorf("hw: no pictures of source %s, which is H.264: %w", source.Info().Name, err)
		}
		decoded := &decodedSource{VideoSource: opened, decoder: decoder}
		source, raw = decoded, decoded
	default:
		_ = source.Close()
		return fmt.Errorf("hw: source %s delivers no pictures", source.Info().Name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = source.Close()
		return fmt.Errorf("hw: %w: closed", frame.ErrEnd)
	}
	c.source, c.raw, c.jpeg = source, raw, jpeg
	return nil
}

// wait opens a source that was not there yet.
func (c *Camera) wait(ctx context.Context) error {
	c.mu.Lock()
	there := c.source != nil
	c.mu.Unlock()
	for !there {
		switch err := c.open(); {
		case err == nil:
			there = true
		case ctx.Err() != nil:
			return ctx.Err()
		case !c.mayCome(err):
			return err
		}
	}
	return nil
}

// decodedSource makes raw frames of a source that has H.264 alone.
type decodedSource struct {
	frame.VideoSource
	unit frame.AccessUnit
	lost bool // what follows cannot be decoded up to the next key frame

	mu      sync.Mutex // the decoder's
	decoder frame.VideoDecoder
}

// ReadFrame implements frame.RawSource.
func (d *decodedSource) ReadFrame(ctx context.Context, f *frame.Frame) error {
	for {
		if err := d.ReadUnit(ctx, &d.unit); err != nil {
			d.lost = true
			return err
		}
		if d.lost && !d.unit.Key {
			continue
		}
		d.mu.Lock()
		ok, err := d.decoder.Decode(&d.unit, f)
		d.mu.Unlock()
		d.lost = err != nil
		if ok || err != nil {
			return err
		}
	}
}

// Close implements frame.Source.
func (d *decodedSource) Close() error {
	err := d.VideoSource.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(err, d.decoder.Close())
}

// Info describes the source behind the camera.
func (c *Camera) Info() frame.Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source == nil {
		return frame.Info{Name: "standard input", Kind: "stdin"}
	}
	return c.source.Info()
}

// Read waits for the next picture. It is the caller's until Release, which must be called before the next Read of a MaixCAM's camera. A
// broken picture of a source that passes JPEG through is skipped. Errors are ctx's or wrap frame.ErrEnd or frame.ErrGone.
func (c *Camera) Read(ctx context.Context) (*picture.Image, error) {
	if ctx == nil {
		return nil, errors.New("hw: read: no context")
	}
	if err := c.wait(ctx); err != nil {
		return nil, fmt.Errorf("hw: read: %w", err)
	}
	if c.raw != nil {
		f := new(frame.Frame)
		for {
			err := c.raw.ReadFrame(ctx, f)
			if errors.Is(err, frame.ErrBadPicture) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("hw: read: %w", err)
			}
			return picture.FromFrame(f, c.encoder), nil
		}
	}
	if c.buffer == nil {
		info := c.source.Info()
		c.buffer = make([]byte, frame.MaxJPEGSize(max(min(info.Width, frame.MaxDimension), 640), max(min(info.Height, frame.MaxDimension), 480)))
	}
	for {
		var p frame.Picture
		err := c.jpeg.ReadJPEG(ctx, c.buffer, &p)
		var large *frame.TooLargeError
		if errors.As(err, &large) && large.Size <= maxJPEG { // a stream's size is known with its first picture
			c.buffer = make([]byte, max(large.Size, frame.MaxJPEGSize(min(large.Width, frame.MaxDimension), min(large.Height, frame.MaxDimension))))
			continue
		}
		if errors.Is(err, frame.ErrBadPicture) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("hw: read: %w", err)
		}
		f, err := libjpeg.DecodeFrame(c.buffer[:p.Size], libjpeg.Limits{})
		if errors.Is(err, frame.ErrBadPicture) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("hw: read: %w", err)
		}
		f.Captured, f.Sequence = p.Captured, p.Sequence
		if o := libjpeg.Orientation(c.buffer[:p.Size]); o != 1 {
			return c.upright(f, o), nil
		}
		return picture.FromFrame(f, nil), nil
	}
}

// upright turns a decoded picture as its Exif orientation says.
func (c *Camera) upright(f *frame.Frame, orientation int) *picture.Image {
	img := picture.FromFrame(f, nil).Upright(orientation)
	if turned := img.Frame(); turned != nil {
		turned.Captured, turned.Sequence = f.Captured, f.Sequence
	}
	return img
}

// Close ends a Read that waits and gives the camera back. It may be called twice.
func (c *Camera) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.source == nil {
		return nil
	}
	return c.source.Close()
}
