package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/maixstream/maixstream/hw/frame"
)

// packages begin errors of ours for those who read code; people who run the program are told without.
var packages = regexp.MustCompile(`^(hw|sg2002|source|v4l2|mjpeg|h264|openh264|y4m|photos|picture|discover|` +
	`pipeline|ring|push|publish|record|server|web|stream|rtsp|upload): `)

// inWords is an error as a person reads it: without the names of packages, and of the verb, which stands before it already.
func inWords(err error, verb string) string {
	return withoutPackages(strings.TrimPrefix(err.Error(), verb+": "))
}

func withoutPackages(text string) string {
	for {
		at := packages.FindStringIndex(text)
		if at == nil {
			return text
		}
		text = text[at[1]:]
	}
}

// said is an error in words for whoever runs the program. It wraps the error that it is about.
type said struct {
	text string
	err  error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.err }

// say puts what is wrong with a source into words for the log, the page and the picture that stands in for it.
func say(err error, source string) error {
	device, webcam := strings.CutPrefix(source, "v4l2:")
	device, _, _ = strings.Cut(device, ":")
	again := ""
	if errors.Is(err, frame.ErrGone) {
		again = "; trying again every second"
	}
	switch {
	case webcam && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENXIO)):
		what := "Plug one in"
		if others, _ := filepath.Glob("/dev/video*"); len(others) > 0 {
			what = "There is " + strings.Join(others, ", ") + ": name one with --source, or plug one in"
		}
		return &said{fmt.Sprintf("There is no webcam at %s. %s%s.", device, what, again), err}
	case webcam && errors.Is(err, syscall.ENODEV):
		return &said{fmt.Sprintf("The webcam at %s was unplugged. Plug it in%s.", device, again), err}
	case webcam && errors.Is(err, fs.ErrPermission):
		return &said{fmt.Sprintf("This user is not allowed to use the webcam at %s. Add it to the group video (sudo usermod -aG video $USER) and log in again%s.",
			device, again), err}
	case webcam && errors.Is(err, syscall.EBUSY):
		return &said{fmt.Sprintf("The webcam at %s is in use by another program (fuser -v %s tells which). End that%s.", device, device, again), err}
	}
	text := withoutPackages(err.Error())
	if rest, ok := strings.CutPrefix(text, fmt.Sprintf("open source %q: ", source)); ok {
		text = withoutPackages(rest)
		if !strings.Contains(text, source) && !strings.Contains(text, device) {
			text = source + ": " + text
		}
	}
	if text == err.Error() {
		return err
	}
	return &said{text, err}
}
