package y4m

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/film"
)

// maxLine limits the stream's header and each frame's; real ones have less than 100 bytes.
const maxLine = 4096

// header is the first line of a file.
type header struct {
	width, height int
	fps           float64 // 0: unspecified
	full          bool    // samples are full range already
	chroma        chroma
}

// chroma is the layout of the samples in the file: Y, Cb, Cr planes, each chroma sample covering across x down pixels; across 0: no chroma.
type chroma struct {
	across, down int
	alpha        bool // a fourth plane follows, which is skipped
}

var chromas = map[string]chroma{
	"": {2, 2, false}, "420": {2, 2, false}, "420jpeg": {2, 2, false}, "420mpeg2": {2, 2, false}, "420paldv": {2, 2, false},
	"422": {2, 1, false}, "444": {1, 1, false}, "444alpha": {1, 1, true}, "411": {4, 1, false}, "mono": {},
}

// format returns the format of the delivered frames.
func (c chroma) format() frame.Format {
	switch c {
	case chroma{}:
		return frame.Grey
	case chroma{2, 1, false}:
		return frame.YUV422
	}
	return frame.YUV420
}

// plane returns the size of a chroma plane in the file.
func (h header) plane() (width, height int) {
	if h.chroma.across == 0 {
		return 0, 0
	}
	return (h.width + h.chroma.across - 1) / h.chroma.across, (h.height + h.chroma.down - 1) / h.chroma.down
}

// readHeader reads the first line and returns its length in bytes.
func readHeader(r *bufio.Reader) (header, int, error) {
	line, err := readLine(r)
	if err != nil {
		return header{}, 0, fmt.Errorf("header: %w", err)
	}
	h, err := parseHeader(line)
	return h, len(line) + 1, err
}

func parseHeader(line string) (header, error) {
	magic, rest, _ := strings.Cut(line, " ")
	if magic != "YUV4MPEG2" {
		return header{}, errors.New("not a Y4M file (it does not begin with YUV4MPEG2)")
	}
	var h header
	colour := ""
	for _, field := range strings.Fields(rest) {
		var err error
		switch value := field[1:]; field[0] {
		case 'W':
			h.width, err = strconv.Atoi(value)
		case 'H':
			h.height, err = strconv.Atoi(value)
		case 'F':
			h.fps = parseRate(value)
		case 'C':
			colour = value
		case 'X':
			h.full = h.full || value == "COLORRANGE=FULL"
			if older, ok := strings.CutPrefix(value, "YSCSS="); ok && colour == "" { // of older writers, for C
				colour = strings.ToLower(older)
			}
		}
		if err != nil {
			return header{}, fmt.Errorf("header field %q: %w", field, err)
		}
	}
	if err := frame.CheckSize(h.width, h.height); err != nil {
		return header{}, err
	}
	var known bool
	if h.chroma, known = chromas[colour]; !known {
		return header{}, fmt.Errorf("colour space C%s: %w; only 8 bits a sample: ffmpeg -i FILE -pix_fmt yuv420p OUT.y4m", colour, frame.ErrUnsupported)
	}
	return h, nil
}

// parseRate parses 30000:1001, or 30. It returns 0 for 0:0, which means unknown, and for what is no frame rate.
func parseRate(value string) float64 {
	num, den, ratio := strings.Cut(value, ":")
	if !ratio {
		den = "1"
	}
	n, err1 := strconv.ParseUint(num, 10, 32)
	d, err2 := strconv.ParseUint(den, 10, 32)
	if err1 != nil || err2 != nil {
		return 0
	}
	return film.Rate(n, d)
}

// readLine reads up to a line feed, which is not returned.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return "", io.ErrUnexpectedEOF
		case err != nil:
			return "", err
		case c == '\n':
			return string(line), nil
		case len(line) == maxLine:
			return "", fmt.Errorf("line of more than %d bytes", maxLine)
		}
		line = append(line, c)
	}
}

// readFrameLine reads a frame's header line, FRAME and optional parameters, without allocating. It returns io.EOF at the end of the file.
func readFrameLine(r *bufio.Reader) error {
	const word = "FRAME"
	for i := 0; ; i++ {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && i > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case i < len(word) && c != word[i], i == len(word) && c != ' ' && c != '\n', i > maxLine:
			return errNoFrame
		case i >= len(word) && c == '\n':
			return nil
		}
	}
}

var errNoFrame = errors.New("no FRAME line at the beginning of a frame")
