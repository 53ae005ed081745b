// Package source opens sources of pictures for a host by name: test card, photographs, video files, standard input, webcams.
package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/hw/source/internal/photos"
	"github.com/maixstream/maixstream/hw/source/internal/testcard"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
)

// Options say how a source is to deliver. Zero fields take the source's own default.
type Options struct {
	// Width and Height of the pictures in pixels, for sources that can choose: the test card and photographs exactly (default 640x480), webcams the
	// nearest size that they have. Files and standard input have the size that they have.
	Width, Height int
	// FPS is how many pictures a second are delivered: at most what a webcam can, by default 30, or a file's own rate.
	FPS float64
	// Once ends a file behind its last picture (frame.ErrEnd) instead of beginning again.
	Once bool
	// Warn is told of what is odd but does not end the source, such as a photograph that is skipped. It may be called from any goroutine. nil:
	// nobody is told.
	Warn func(error)
}

// Open opens the source that spec names: "testcard", "-" (MJPEG on standard input), "v4l2:/dev/videoN", a folder of photographs, or a file of MJPEG, AVI
// (motion JPEG) or Y4M, told by its content. What it returns is a frame.RawSource or a frame.JPEGSource. Errors say what is wrong with
// spec; those of a webcam that may be there later wrap frame.ErrGone.
func Open(spec string, o Options) (frame.Source, error) {
	src, err := open(spec, o)
	if err != nil {
		return nil, fmt.Errorf("open source %q: %w", spec, err)
	}
	return src, nil
}

func open(spec string, o Options) (frame.Source, error) {
	switch {
	case spec == "":
		return nil, errors.New("no name (testcard, a folder of photographs, a .mjpeg, .avi or .y4m file, - for standard input, or v4l2:/dev/videoN)")
	case spec == "testcard":
		return opened(testcard.New(testcard.Config{Width: o.Width, Height: o.Height, FPS: o.FPS}))
	case spec == "-":
		return opened(mjpeg.Stdin(mjpeg.Config{FPS: o.FPS, Warn: o.Warn}))
	case strings.HasPrefix(spec, "v4l2:"):
		return openWebcam(strings.TrimPrefix(spec, "v4l2:"), o)
	}
	info, err := os.Stat(spec)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !strings.ContainsRune(spec, filepath.Separator):
		return nil, errors.New("no such file or folder, and no source of that name (testcard, -, v4l2:/dev/videoN)")
	case err != nil:
		return nil, err
	case info.IsDir():
		return opened(photos.Open(spec, photos.Config{Width: o.Width, Height: o.Height, FPS: o.FPS, Warn: o.Warn}))
	case info.Mode()&fs.ModeCharDevice != 0 && strings.HasPrefix(spec, "/dev/video"):
		return nil, fmt.Errorf("a webcam is named v4l2:%s", spec)
	case info.Mode()&fs.ModeNamedPipe != 0:
		return nil, errors.New("a pipe: read it as standard input: maixstream --source - <PIPE")
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("neither a file nor a folder (%s)", info.Mode().Type())
	}
	return openFile(spec, o)
}

// openFile tells the type by the first bytes: names lie.
func openFile(path string, o Options) (frame.Source, error) {
	head, err := beginning(path)
	if err != nil {
		return nil, err
	}
	switch {
	case len(head) == 0:
		return nil, errors.New("the file is empty")
	case strings.HasPrefix(head, "YUV4MPEG2"):
		return opened(y4m.Open(path, y4m.Config{FPS: o.FPS, Once: o.Once, Warn: o.Warn}))
	case strings.HasPrefix(head, "\x89PNG"):
		return nil, errors.New("a single picture: name its folder to show the photographs in it")
	case strings.HasPrefix(head, "\xff\xd8"), strings.HasPrefix(head, "RIFF") && strings.HasPrefix(head[min(8, len(head)):], "AVI "), strings.HasPrefix(head, "--"):
	default:
		if ext := strings.ToLower(filepath.Ext(path)); ext != ".mjpeg" && ext != ".mjpg" {
			return nil, fmt.Errorf("unknown type of file: it begins with %q; what can be read: MJPEG, AVI with motion JPEG, Y4M (make one: ffmpeg -i FILE -c:v mjpeg -q:v "+
				"3 OUT.avi)", head[:min(8, len(head))])
		}
	}
	return opened(mjpeg.OpenFile(path, mjpeg.Config{FPS: o.FPS, Once: o.Once, Warn: o.Warn}))
}

func beginning(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	return string(head[:n]), nil
}

// opened keeps a nil pointer from becoming a source that is not nil.
func opened[S frame.Source](s S, err error) (frame.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
