package mjpeg

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/maixstream/maixstream/hw/source/internal/film"
	"github.com/maixstream/maixstream/hw/source/internal/jfif"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// aviReader reads the pictures of the first motion JPEG stream from an AVI file, front to back: it needs no index, ignores wrong ones, and
// follows OpenDML's further RIFF chunks (files over 1 GiB). It relies on the chunks, not on the sizes of the lists around them, which
// interrupted writers leave at 0.
type aviReader struct {
	r       *bufio.Reader
	buffer  []byte
	fps     float64 // of the stream, else of the file; 0: unspecified
	overall float64 // the file's rate; 0: unspecified
	stream  int     // the MJPEG stream's number
	streams int     // headers seen
	found   bool
	header  aviStream // the newest
	codecs  []string  // of the video streams
}

// aviStream is what is kept of a stream's header until its format has been read.
type aviStream struct {
	number  int
	video   bool
	handler string
	fps     float64
}

// chunk is a chunk's name and size.
type chunk struct {
	id   [4]byte
	size uint32
}

func isAVI(head []byte) bool {
	return len(head) >= 12 && string(head[:4]) == "RIFF" && (string(head[8:12]) == "AVI " || string(head[8:12]) == "AVI\x19")
}

// newAVIReader reads the headers up to the first data.
func newAVIReader(r *bufio.Reader) (*aviReader, error) {
	a := &aviReader{r: r, header: aviStream{number: -1}}
	if head, err := r.Peek(12); err != nil || !isAVI(head) {
		return nil, errors.New("avi: not an AVI file (no RIFF AVI header)")
	}
	_, _ = r.Discard(12)
	for {
		c, err := a.chunk()
		if err != nil {
			return nil, fmt.Errorf("avi: no data (movi list): %w", unexpected(err))
		}
		switch name := string(c.id[:]); {
		case name == "LIST":
			kind, err := a.take(4)
			if err != nil {
				return nil, fmt.Errorf("avi: headers: %w", unexpected(err))
			}
			switch string(kind) {
			case "hdrl", "strl":
				continue // parse the contents
			case "movi":
				if !a.found {
					return nil, fmt.Errorf("avi: none of the %d streams is motion JPEG (MJPG)%s; convert it: ffmpeg -i FILE -c:v mjpeg -q:v 3 OUT.avi", a.streams, a.others())
				}
				return a, nil
			}
			c.size = max(c.size, 4) - 4
		case name == "avih":
			if err := a.mainHeader(c.size); err != nil {
				return nil, err
			}
			continue
		case name == "strh":
			if err := a.streamHeader(c.size); err != nil {
				return nil, err
			}
			continue
		case name == "strf":
			if err := a.streamFormat(c.size); err != nil {
				return nil, err
			}
			continue
		}
		if err := a.skip(c.size); err != nil {
			return nil, fmt.Errorf("avi: headers: %w", unexpected(err))
		}
	}
}

func (a *aviReader) others() string {
	if len(a.codecs) == 0 {
		return ""
	}
	return fmt.Sprintf(", but %q", a.codecs)
}

// mainHeader reads an AVIMAINHEADER, which begins with the microseconds per frame. They count if the stream's header has no rate.
func (a *aviReader) mainHeader(size uint32) error {
	if size < 4 || size > 4096 {
		return a.skip(size)
	}
	header, err := a.take(int(size))
	if err != nil {
		return fmt.Errorf("avi: main header: %w", unexpected(err))
	}
	a.overall = film.Rate(1e6, uint64(binary.LittleEndian.Uint32(header)))
	return a.padding(size)
}

// streamHeader reads an AVISTREAMHEADER: type, handler, …, scale at 20, rate at 24.
func (a *aviReader) streamHeader(size uint32) error {
	if size < 28 || size > 4096 {
		return fmt.Errorf("avi: stream header of %d bytes", size)
	}
	header, err := a.take(int(size))
	if err != nil {
		return fmt.Errorf("avi: stream header: %w", unexpected(err))
	}
	a.header = aviStream{number: a.streams, video: string(header[:4]) == "vids", handler: string(header[4:8])}
	a.header.fps = film.Rate(uint64(binary.LittleEndian.Uint32(header[24:])), uint64(binary.LittleEndian.Uint32(header[20:])))
	a.streams++
	a.choose(a.header.handler)
	return a.padding(size)
}

// streamFormat reads a BITMAPINFOHEADER, whose compression at 16 names the codec if the stream header's handler does not.
func (a *aviReader) streamFormat(size uint32) error {
	if size < 20 || size > 1<<20 || !a.header.video {
		return a.skip(size)
	}
	format, err := a.take(int(size))
	if err != nil {
		return fmt.Errorf("avi: stream format: %w", unexpected(err))
	}
	codec := string(format[16:20])
	a.choose(codec)
	if !a.found {
		a.codecs = append(a.codecs, codec)
	}
	return a.padding(size)
}

// choose selects the newest stream if its codec is motion JPEG.
func (a *aviReader) choose(codec string) {
	if a.found || !a.header.video {
		return
	}
	switch strings.ToUpper(codec) { // writers differ
	case "MJPG", "JPEG", "AVRN", "DMB1", "JPGL", "LJPG", "MJLS", "AVDJ", "ADJV", "IJPG", "QIVG", "MJPA", "MJPB", "ACJP", "SLMJ", "CJPG", "JPG ":
		a.found, a.stream, a.fps = true, a.header.number, cmp.Or(a.header.fps, a.overall)
	}
}

// next returns the next picture's bytes, valid until the next call; io.EOF at the end.
func (a *aviReader) next() ([]byte, error) {
	size, err := a.nextPicture()
	if err != nil {
		return nil, err
	}
	picture, err := a.take(int(size))
	if err != nil {
		return nil, err
	}
	if stray := jpegcheck.Find(picture); stray > 0 {
		picture = picture[stray:]
	}
	return picture, a.padding(size)
}

// skipPicture skips the next picture.
func (a *aviReader) skipPicture() error {
	size, err := a.nextPicture()
	if err != nil {
		return err
	}
	return a.skip(size)
}

// nextPicture advances to the next picture's data and returns its size.
func (a *aviReader) nextPicture() (uint32, error) {
	for {
		head, err := a.r.Peek(8)
		if len(head) < 8 {
			return 0, unexpectedIf(len(bytes.Trim(head, "\x00")) > 0, err) // allow padding at the end
		}
		c := chunk{[4]byte(head), binary.LittleEndian.Uint32(head[4:])}
		picture := a.isPicture(c.id)
		if !isChunk(head) && (!plausible(head[:4]) || c.size > jfif.MaxPicture) || picture && c.size > jfif.MaxPicture {
			if err := a.resync(); err != nil {
				return 0, err
			}
			continue
		}
		_, _ = a.r.Discard(8)
		switch name := string(c.id[:]); {
		case name == "LIST" || name == "RIFF":
			if _, err := a.take(4); err != nil { // rec, movi, AVIX: parse the contents
				return 0, err
			}
		case picture && c.size > 0:
			return c.size, nil
		default:
			if err := a.skip(c.size); err != nil {
				return 0, err
			}
		}
	}
}

// resync skips damaged bytes up to the next picture's chunk, or the end.
func (a *aviReader) resync() error {
	_, _ = a.r.Discard(1)
	for {
		head, err := a.r.Peek(10)
		if len(head) < 10 {
			return unexpected(err)
		}
		if a.isPicture([4]byte(head)) && binary.LittleEndian.Uint32(head[4:]) <= jfif.MaxPicture && head[8] == 0xff && head[9] == 0xd8 {
			return nil
		}
		_, _ = a.r.Discard(1)
	}
}

// isPicture recognises "00dc" or "00db" with the stream's number. A size of 0 repeats the previous picture.
func (a *aviReader) isPicture(id [4]byte) bool {
	return id[2] == 'd' && (id[3] == 'c' || id[3] == 'b') && int(id[0]-'0')*10+int(id[1]-'0') == a.stream
}

// plausible reports whether a chunk name is printable.
func plausible(id []byte) bool {
	for _, c := range id {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func (a *aviReader) chunk() (chunk, error) {
	head, err := a.take(8)
	if err != nil {
		return chunk{}, err
	}
	return chunk{[4]byte(head), binary.LittleEndian.Uint32(head[4:])}, nil
}

// take reads n bytes, valid until the next take. It allocates no more than the file really has, whatever size is claimed.
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

// skip skips a chunk's data.
func (a *aviReader) skip(size uint32) error {
	for left := int64(size); left > 0; {
		n, err := a.r.Discard(int(min(left, 1<<20)))
		if left -= int64(n); err != nil {
			return unexpectedIf(left > 0, err)
		}
	}
	return a.padding(size)
}

// padding skips what follows a chunk of the given size: the byte after an odd-sized one, which some writers omit, and zeros, with
// which others fill up.
func (a *aviReader) padding(size uint32) error {
	if size&1 != 0 {
		// Without the byte the next chunk's name is here, with it one byte further. No name begins with a zero.
		head, _ := a.r.Peek(8)
		if len(head) > 0 && !(len(head) >= 8 && isChunk(head)) {
			_, _ = a.r.Discard(1)
		}
	}
	const most = 1 << 20
	for range most { // more zeros than this are the file's end
		head, err := a.r.Peek(4)
		if err != nil || string(head) != "\x00\x00\x00\x00" {
			return nil
		}
		_, _ = a.r.Discard(1)
	}
	return nil
}

// isChunk reports whether a known chunk begins here.
func isChunk(head []byte) bool {
	switch string(head[:4]) {
	case "LIST", "RIFF", "JUNK", "idx1", "strh", "strf", "strd", "strn", "vprp", "indx", "ISFT", "avih":
		return true
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	return digit(head[0]) && digit(head[1]) && head[2] >= 'a' && head[2] <= 'z' && head[3] >= 'a' && head[3] <= 'z' ||
		head[0] == 'i' && head[1] == 'x' && digit(head[2]) && digit(head[3])
}

func unexpected(err error) error { return unexpectedIf(true, err) }

func unexpectedIf(inside bool, err error) error {
	if inside && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
