package mjpeg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/internal/sniff"
)

// reader finds pictures in AVI or in a plain stream.
type reader struct {
	scanner *jfif.Scanner // nil for AVI
	avi     *aviReader
}

// newReader chooses by the first bytes. The error for another format names it and wraps frame.ErrUnsupported.
func newReader(r *bufio.Reader) (*reader, error) {
	head, err := r.Peek(sniff.Enough)
	if err != nil && len(head) == 0 {
		return nil, err
	}
	switch name := sniff.Name(head); name {
	case "":
		return &reader{scanner: jfif.NewScanner(r)}, nil
	case "AVI":
		avi, err := newAVIReader(r)
		return &reader{avi: avi}, err
	default:
		return nil, &otherKind{name}
	}
}

// otherKind is the error for data that is not motion JPEG.
type otherKind struct{ name string }

func (e *otherKind) Error() string {
	switch e.name {
	case "PNG", "WebP", "HEIC", "AVIF", "GIF", "TIFF", "BMP", "JPEG 2000", "JPEG XL", "PNM", "a Photoshop file":
		return fmt.Sprintf("this is %s, not MJPEG: convert it to JPEG: ffmpeg -i INPUT OUT.jpg", e.name)
	case "gzip", "bzip2", "xz", "Zstandard", "ZIP", "7-Zip", "a tar archive":
		return fmt.Sprintf("this is %s, not MJPEG: unpack it first", e.name)
	case "HTML", "JSON", "XML or SVG", "PDF", "a program (ELF)", "WAV", "MP3":
		return fmt.Sprintf("this is %s, not MJPEG", e.name)
	}
	return fmt.Sprintf("this is %s, not MJPEG: convert it: ffmpeg -i INPUT -c:v mjpeg -q:v 3 -f mjpeg -", e.name)
}

// Is makes it a frame.ErrUnsupported without adding that error's text.
func (e *otherKind) Is(target error) bool { return target == frame.ErrUnsupported }

// kind returns Info.Kind for a file.
func (r *reader) kind() string {
	if r.avi != nil {
		return "avi"
	}
	return "mjpeg"
}

// next returns the next picture, valid until the next call. Errors: frame.ErrBadPicture (continue), io.EOF, io.ErrUnexpectedEOF, the file's.
func (r *reader) next() (jfif.Picture, error) {
	if r.avi == nil {
		return r.scanner.Next()
	}
	data, err := r.avi.next()
	if err != nil {
		return jfif.Picture{}, err
	}
	info, err := jpegcheck.Parse(data)
	return jfif.Picture{Data: data, Info: info, Arrived: time.Now()}, err
}

// skip skips a picture, even a broken one.
func (r *reader) skip() error {
	if r.avi != nil {
		return r.avi.skipPicture()
	}
	_, err := r.scanner.Next()
	if errors.Is(err, frame.ErrBadPicture) {
		return nil
	}
	return err
}

func (r *reader) fps() float64 {
	if r.avi != nil {
		return r.avi.fps
	}
	return 0
}

// reset restarts at the beginning of the file underlying b.
func (r *reader) reset(b *bufio.Reader, file io.Reader) error {
	b.Reset(file)
	if r.avi == nil {
		r.scanner.Reset(b)
		return nil
	}
	avi, err := newAVIReader(b)
	if err == nil {
		avi.buffer = r.avi.buffer
		r.avi = avi
	}
	return err
}

// deliver copies a picture into dst, adding what it lacks (see jpegcheck.Complete), and fills in p.
func deliver(dst, picture []byte, info *jpegcheck.Info, p *frame.Picture) error {
	n := jpegcheck.Complete(dst, picture, info)
	if n == 0 {
		return &frame.TooLargeError{Size: info.CompleteSize(), Limit: len(dst), Width: info.Width, Height: info.Height}
	}
	*p = frame.Picture{Size: n, Width: info.Width, Height: info.Height}
	return nil
}
