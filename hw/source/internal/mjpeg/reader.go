package mjpeg

import (
	"bufio"
	"fmt"
	"io"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
)

// reader finds pictures in AVI or in a plain stream.
type reader struct {
	scanner *jfif.Scanner // nil for AVI
	avi     *aviReader
}

// newReader looks at the first bytes and chooses.
func newReader(r *bufio.Reader) (*reader, error) {
	head, err := r.Peek(12)
	if err != nil && len(head) == 0 {
		return nil, err
	}
	switch {
	case isAVI(head):
		avi, err := newAVIReader(r)
		return &reader{avi: avi}, err
	case string(head[:min(9, len(head))]) == "YUV4MPEG2":
		return nil, fmt.Errorf("mjpeg: this is Y4M, raw video: save it as a .y4m file, or encode it: ffmpeg -i - -f mjpeg -: %w", frame.ErrUnsupported)
	}
	return &reader{scanner: jfif.NewScanner(r)}, nil
}

// kind is Info.Kind for a file.
func (r *reader) kind() string {
	if r.avi != nil {
		return "avi"
	}
	return "mjpeg"
}

// next returns the next picture, valid until the next call, and what its header says. Errors: frame.ErrBadPicture (go on), io.EOF, io.ErrUnexpectedEOF, the file's.
func (r *reader) next() ([]byte, jfif.Header, error) {
	if r.avi == nil {
		return r.scanner.Next()
	}
	data, err := r.avi.next()
	if err != nil {
		return nil, jfif.Header{}, err
	}
	header, err := jfif.Check(data)
	return data, header, err
}

func (r *reader) fps() float64 {
	if r.avi != nil {
		return r.avi.fps
	}
	return 0
}

// reset starts again at the beginning of the file behind b.
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

// deliver copies a picture into dst, completed by its Huffman tables where they are missing, and says what it is.
func deliver(dst, picture []byte, h jfif.Header, p *frame.Picture) error {
	n := jfif.Complete(dst, picture, h)
	if n == 0 {
		return tooLarge(h, len(dst))
	}
	*p = frame.Picture{Size: n, Width: h.Width, Height: h.Height}
	return nil
}

func tooLarge(h jfif.Header, room int) error {
	return fmt.Errorf("mjpeg: picture of %dx%d, %d bytes: %w of %d bytes", h.Width, h.Height, h.Size, frame.ErrTooLarge, room)
}
