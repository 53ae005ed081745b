package hw

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"sync"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/hw/sg2002"
)

// CameraConfig configures a Camera. Zero fields select the defaults in brackets.
type CameraConfig struct {
	Source        string      // as SourceConfig.Name: a MaixCAM's camera, elsewhere the test card [auto]
	Width, Height int         // pixels [640x480]
	FPS           float64     // upper limit, as SourceConfig.FPS [the source's own rate]
	Mirror, Flip  bool        // MaixCAM's camera only
	Once          bool        // end a file at its end instead of looping it
	Recursive     bool        // include photographs in sub-folders
	Background    color.Color // behind transparent photographs [white]
	AuthFile      string      // as SourceConfig.AuthFile [the URL's]
	Options       CameraOptions
	Log           *zap.Logger // [none]
}

// Camera gives a program one picture at a time, to read, draw on, and encode. One goroutine reads at a time; Close is safe for concurrent use.
type Camera struct {
	source  frame.Source
	raw     frame.RawSource
	jpeg    frame.JPEGSource
	encoder frame.Encoder // the hardware's; nil: pictures make their own

	config SourceConfig
	mu     sync.Mutex // guards source while it is opened again
	closed bool

	buffer []byte
}

// maxJPEG is the largest JPEG that Read accepts, in bytes.
const maxJPEG = 64 << 20

// OpenCamera opens a camera. Errors are those of OpenSource.
func OpenCamera(c CameraConfig) (*Camera, error) {
	camera := &Camera{
		config: SourceConfig{
			Name: c.Source, Width: c.Width, Height: c.Height, FPS: c.FPS, Once: c.Once, Recursive: c.Recursive, Background: c.Background, AuthFile: c.AuthFile,
			Mirror: c.Mirror, Flip: c.Flip, Camera: c.Options, Log: c.Log,
		},
	}
	if err := camera.open(); err != nil {
		return nil, err
	}
	return camera, nil
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

// reopen opens the source again: standard input has turned out to be another kind of stream.
func (c *Camera) reopen() error {
	_ = c.source.Close()
	return c.open()
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
	return c.source.Info()
}

// Read waits for the next picture. The caller owns it until Release, which must be called before the next Read of a MaixCAM's camera. A
// broken picture of a source that passes JPEG through is skipped. Errors are ctx's or wrap frame.ErrEnd or frame.ErrGone.
func (c *Camera) Read(ctx context.Context) (*picture.Image, error) {
	if ctx == nil {
		return nil, errors.New("hw: read: no context")
	}
	for {
		img, err := c.read(ctx)
		if err == nil || !errors.Is(err, frame.ErrReopen) {
			return img, err
		}
		if err := c.reopen(); err != nil {
			return nil, fmt.Errorf("hw: read: %w", err)
		}
	}
}

func (c *Camera) read(ctx context.Context) (*picture.Image, error) {
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
		if errors.As(err, &large) && large.Size <= maxJPEG { // a stream's size is known only from its first picture
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

// upright applies a decoded picture's Exif orientation.
func (c *Camera) upright(f *frame.Frame, orientation int) *picture.Image {
	img := picture.FromFrame(f, nil).Upright(orientation)
	if turned := img.Frame(); turned != nil {
		turned.Captured, turned.Sequence = f.Captured, f.Sequence
	}
	return img
}

// Close interrupts a pending Read and releases the camera. It may be called twice.
func (c *Camera) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.source.Close()
}
