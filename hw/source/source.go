// Package source opens sources of pictures on a host by name: test card, photographs, video files, standard input, webcams and URLs.
package source

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/h264"
	"github.com/maixstream/maixstream/hw/source/internal/mjpeg"
	"github.com/maixstream/maixstream/hw/source/internal/photos"
	"github.com/maixstream/maixstream/hw/source/internal/testcard"
	"github.com/maixstream/maixstream/hw/source/internal/y4m"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/internal/sniff"
)

// Options configure a source. Zero fields select the source's own default.
type Options struct {
	// Width and Height of the pictures in pixels, for sources that can choose: exact for the test card and photographs (default 640x480), the
	// nearest available size for webcams. Ignored for files and standard input.
	Width, Height int
	// FPS is the maximum number of pictures per second; a file with its own rate plays at that. Default: that rate, a stream's rate, 1
	// for a URL that is a single picture, 30 for all others.
	FPS float64
	// Once ends a file after its last picture (frame.ErrEnd) instead of looping it.
	Once bool
	// Recursive includes photographs in sub-folders.
	Recursive bool
	// Background is drawn behind transparent photographs; nil: white.
	Background color.Color
	// AuthFile has user:password on its first line, for a URL whose server requires it; "": the URL's own credentials.
	AuthFile string
	// Still lets a webcam take single pictures at its largest size, for which the stream pauses (frame.StillOpener).
	Still bool
	// Warn is called with problems that do not end the source, such as a photograph that is skipped. It may be called from any goroutine. nil
	// disables it.
	Warn func(error)
}

// Open opens the source named by spec: "testcard", "-" (MJPEG, H.264 or Y4M on standard input), "v4l2:/dev/videoN", a folder of photographs, a file of MJPEG,
// AVI (Motion JPEG), H.264 (Annex B) or Y4M, recognised by its content, or the http URL of a stream or picture. The result is a frame.RawSource, a
// frame.JPEGSource or a frame.VideoSource. Errors explain what is wrong with spec; for a webcam or server that may appear later they wrap frame.ErrGone.
func Open(spec string, o Options) (frame.Source, error) {
	src, err := open(spec, o)
	if err != nil {
		return nil, fmt.Errorf("open source %q: %w", shown(spec), err)
	}
	return src, nil
}

// shown returns spec without secrets.
func shown(spec string) string {
	if !IsURL(spec) {
		return spec
	}
	u, err := url.Parse(spec)
	if err != nil {
		scheme, _, _ := strings.Cut(spec, "://")
		return scheme + "://…"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func open(spec string, o Options) (frame.Source, error) {
	switch {
	case spec == "":
		return nil, errors.New("no name (testcard, a folder of photographs, a .mjpeg, .avi, .h264 or .y4m file, - for standard input, v4l2:/dev/videoN, or a URL)")
	case spec == "testcard":
		return opened(testcard.New(testcard.Config{Width: o.Width, Height: o.Height, FPS: o.FPS}))
	case spec == "-" && stdinIsFile():
		o.Once = true
		return openFile("/dev/stdin", o)
	case spec == "-":
		return openStdin(o)
	case strings.HasPrefix(spec, "v4l2:"):
		return openWebcam(strings.TrimPrefix(spec, "v4l2:"), o)
	case IsURL(spec):
		return openURL(spec, o)
	}
	info, err := os.Stat(spec)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !strings.ContainsRune(spec, filepath.Separator):
		return nil, errors.New("no such file or folder, and no source of that name (testcard, -, v4l2:/dev/videoN)")
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("no such file or folder")
	case err != nil:
		return nil, err
	case info.IsDir():
		return opened(photos.Open(spec, photos.Config{Width: o.Width, Height: o.Height, FPS: o.FPS, Recursive: o.Recursive, Background: o.Background, Warn: o.Warn}))
	case info.Mode()&fs.ModeCharDevice != 0 && strings.HasPrefix(spec, "/dev/video"):
		return nil, fmt.Errorf("a webcam is named v4l2:%s", spec)
	case info.Mode()&fs.ModeNamedPipe != 0:
		return nil, errors.New("named pipes are not supported: use standard input (-)")
	case !info.Mode().IsRegular():
		return nil, errors.New("neither a file, a folder nor a webcam")
	}
	return openFile(spec, o)
}

// Photographs lists the photographs in a folder as a source would show them: by name, regular files only. warn is called with sub-folders that cannot be
// read.
func Photographs(folder string, recursive bool, warn func(error)) ([]string, error) {
	return photos.List(folder, recursive, warn)
}

// stdinIsFile reports whether standard input is a file, which is played at its own rate rather than read as fast as possible.
func stdinIsFile() bool {
	info, err := os.Stdin.Stat()
	return err == nil && info.Mode().IsRegular() && runtime.GOOS != "windows"
}

// readable lists the supported file formats.
const readable = "what can be read: MJPEG, AVI with motion JPEG, H.264 (Annex B), Y4M (make one: ffmpeg -i FILE -c:v mjpeg -q:v 3 OUT.avi)"

// openFile recognises the format by the first bytes: file names are unreliable.
func openFile(path string, o Options) (frame.Source, error) {
	head, err := beginning(path, sniff.Enough)
	if err != nil {
		return nil, err
	}
	config := mjpeg.Config{FPS: o.FPS, Once: o.Once, Warn: o.Warn}
	name := sniff.Name([]byte(head))
	switch {
	case len(head) == 0:
		return nil, errors.New("the file is empty")
	case name == "Y4M":
		return opened(y4m.Open(path, y4m.Config{FPS: o.FPS, Once: o.Once, Warn: o.Warn}))
	case name == "H.264", name == "" && slices.Contains([]string{".h264", ".264", ".avc"}, strings.ToLower(filepath.Ext(path))):
		return opened(h264.OpenFile(path, h264.Config{FPS: o.FPS, Once: o.Once, Warn: o.Warn}))
	case name == "PNG":
		return nil, errors.New("this is PNG, a single picture: name its folder to show the photographs in it")
	case strings.HasPrefix(head, "\xff\xd8"):
		// In a file with such a name, anything after the picture is a preview or gain map, as phones write them.
		config.Single = slices.Contains([]string{".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"}, strings.ToLower(filepath.Ext(path)))
	case name != "" && name != "AVI":
		return nil, fmt.Errorf("unknown type of file: this is %s; %s", name, readable)
	case name == "" && !strings.HasPrefix(head, "--"):
		if ext := strings.ToLower(filepath.Ext(path)); ext != ".mjpeg" && ext != ".mjpg" && !holdsJPEG(path) {
			return nil, fmt.Errorf("unknown type of file: it begins with %q; %s", head[:min(8, len(head))], readable)
		}
	}
	return opened(mjpeg.OpenFile(path, config))
}

// holdsJPEG reports whether a JPEG begins somewhere in a file's first bytes, as in a saved HTTP reply, or a recording of a stream from its middle.
func holdsJPEG(path string) bool {
	head, err := beginning(path, 64<<10)
	return err == nil && jpegcheck.Find([]byte(head)) >= 0
}

// beginning returns a file's first bytes, at most n.
func beginning(path string, n int) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	head := make([]byte, n)
	n, err = io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	return string(head[:n]), nil
}

// opened keeps a nil pointer from becoming a non-nil frame.Source.
func opened[S frame.Source](s S, err error) (frame.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
