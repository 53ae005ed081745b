package mjpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
)

// aviReader takes the pictures of the first motion JPEG stream out of an AVI file, front to back: no index is needed, an index that is wrong does no harm, and
// OpenDML's further RIFF chunks (files beyond 1 GiB) are followed.
type aviReader struct {
	r       *bufio.Reader
	buffer  []byte
	fps     float64 // of the stream; 0: the header does not say
	stream  int     // the MJPEG stream's number
	streams int     // headers seen
	found   bool
}

func isAVI(head []byte) bool {
	return len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "AVI "
}

// newAVIReader reads the headers up to the first data.
func newAVIReader(r *bufio.Reader) (*aviReader, error) {
	a := &aviReader{r: r}
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head); err != nil || !isAVI(head) {
		return nil, errors.New("avi: not an AVI file (no RIFF AVI header)")
	}
	for {
		id, size, err := a.chunk()
		if err != nil {
			return nil, fmt.Errorf("avi: no data (movi list): %w", unexpected(err))
		}
		switch {
		case id == "LIST" && size >= 4:
			kind, err := a.take(4)
			if err != nil {
				return nil, fmt.Errorf("avi: headers: %w", unexpected(err))
			}
			switch string(kind) {
			case "hdrl", "strl":
				continue // go on inside
			case "movi":
				if !a.found {
					return nil, fmt.Errorf("avi: none of its %d streams is motion JPEG (MJPG); convert it: ffmpeg -i FILE -c:v mjpeg -q:v 3 OUT.avi", a.streams)
				}
				return a, nil
			}
			size -= 4
		case id == "strh":
			if err := a.streamHeader(size); err != nil {
				return nil, err
			}
			continue
		}
		if err := a.skip(size); err != nil {
			return nil, fmt.Errorf("avi: headers: %w", unexpected(err))
		}
	}
}

// streamHeader reads an AVISTREAMHEADER: type, handler, …, scale at 20, rate at 24.
func (a *aviReader) streamHeader(size uint32) error {
	if size < 28 || size > 4096 {
		return fmt.Errorf("avi: stream header of %d bytes", size)
	}
	header, err := a.take(int(size + size&1))
	if err != nil {
		return fmt.Errorf("avi: stream header: %w", unexpected(err))
	}
	number := a.streams
	a.streams++
	switch string(header[4:8]) {
	case "MJPG", "mjpg", "JPEG", "jpeg", "AVRn", "dmb1":
	default:
		return nil
	}
	if a.found || string(header[:4]) != "vids" {
		return nil
	}
	a.found, a.stream = true, number
	scale, rate := binary.LittleEndian.Uint32(header[20:]), binary.LittleEndian.Uint32(header[24:])
	if fps := float64(rate) / float64(scale); scale > 0 && fps > 0 && fps <= 1000 {
		a.fps = fps
	}
	return nil
}

// next returns the next picture's bytes, valid until the next call; io.EOF at the end.
func (a *aviReader) next() ([]byte, error) {
	for {
		id, size, err := a.chunk()
		if err != nil {
			return nil, err
		}
		switch {
		case id == "LIST" || id == "RIFF":
			if _, err := a.take(4); err != nil { // rec, movi, AVIX: go on inside
				return nil, err
			}
			continue
		case a.isPicture(id) && size > 0 && size <= jfif.MaxPicture:
			picture, err := a.take(int(size))
			if err == nil && size&1 != 0 {
				a.r.Discard(1) //nolint:errcheck // the padding byte may be missing at the file's end
			}
			return picture, err
		case !plausible(id):
			return nil, fmt.Errorf("avi: %w: no chunk's name: %q", frame.ErrGone, id)
		case a.isPicture(id) && size > jfif.MaxPicture:
			return nil, fmt.Errorf("avi: %w: picture of %d bytes", frame.ErrGone, size)
		}
		if err := a.skip(size); err != nil {
			return nil, err
		}
	}
}

// isPicture: "00dc" or "00db" with the stream's number. A size of 0 repeats the picture before.
func (a *aviReader) isPicture(id string) bool {
	return id[2] == 'd' && (id[3] == 'c' || id[3] == 'b') && int(id[0]-'0')*10+int(id[1]-'0') == a.stream
}

// plausible: chunk names are printable.
func plausible(id string) bool {
	for _, c := range []byte(id) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func (a *aviReader) chunk() (id string, size uint32, err error) {
	head, err := a.take(8)
	if err != nil {
		return "", 0, err
	}
	return chunkName(head), binary.LittleEndian.Uint32(head[4:]), nil
}

// chunkName makes the names that come once a picture without garbage.
func chunkName(head []byte) string {
	switch string(head[:4]) {
	case "00dc":
		return "00dc"
	case "00db":
		return "00db"
	case "01wb":
		return "01wb"
	}
	return string(head[:4])
}

// take reads n bytes, valid until the next take. A lying size costs no more memory than the file has bytes.
func (a *aviReader) take(n int) ([]byte, error) {
	for have := 0; have < n; {
		step := min(n, have+1<<20)
		if cap(a.buffer) < step {
			bigger := make([]byte, step, max(step, min(2*cap(a.buffer), n)))
			copy(bigger, a.buffer[:have])
			a.buffer = bigger
		}
		a.buffer = a.buffer[:step]
		m, err := io.ReadFull(a.r, a.buffer[have:step])
		if have += m; err != nil {
			return nil, unexpectedIf(have > 0, err)
		}
	}
	return a.buffer[:n], nil
}

func (a *aviReader) skip(size uint32) error {
	for left := int64(size) + int64(size&1); left > 0; {
		n, err := a.r.Discard(int(min(left, 1<<20)))
		if left -= int64(n); err != nil {
			return unexpectedIf(left > 1, err) // padding may be missing
		}
	}
	return nil
}

func unexpected(err error) error { return unexpectedIf(true, err) }

func unexpectedIf(inside bool, err error) error {
	if inside && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
