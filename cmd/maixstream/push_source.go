package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/hw/source"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/internal/sniff"
	"github.com/maixstream/maixstream/pipeline/push"
)

// maxFile bounds a picture file in bytes, as picture.Limits does.
const maxFile = 64 << 20

// fileSource returns the pictures in files, one after the other.
type fileSource struct {
	names   []string
	in      io.Reader
	format  string // to convert to; "": unchanged
	quality int
	// background fills transparent areas when converting to JPEG.
	background colorValue
	every      time.Duration
	due        time.Time
	skip       func(name string, err error) // called for files that are not pictures
}

// openFiles lists the files; a folder stands for the pictures in it.
func (p *pushFlags) openFiles(args []string, t terminal) (*fileSource, error) {
	s := &fileSource{in: t.in, quality: p.quality.value, every: *p.every, background: p.background}
	if p.flags.Changed("format") {
		s.format = "image/" + p.format.value
	}
	for _, arg := range args {
		if arg == "-" {
			s.names = append(s.names, arg)
			continue
		}
		info, err := os.Stat(arg)
		if err != nil {
			return nil, usageError{err}
		}
		if !info.IsDir() {
			s.names = append(s.names, arg)
			continue
		}
		inside, err := source.Photographs(arg, *p.recursive, func(err error) { fmt.Fprintf(t.err, "maixstream push: %v\n", err) })
		if err != nil {
			return nil, usageError{err}
		}
		s.names = append(s.names, inside...)
	}
	return s, nil
}

// Next implements push.Source. It reports and skips files that are not pictures.
func (s *fileSource) Next(ctx context.Context, shot *push.Shot) error {
	for {
		if len(s.names) == 0 {
			return io.EOF
		}
		if s.every > 0 && !s.due.IsZero() {
			select {
			case <-time.After(time.Until(s.due)):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		name := s.names[0]
		s.names = s.names[1:]
		err := s.loadUnless(ctx, name, shot)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			s.due = time.Now().Add(s.every)
			return nil
		}
		s.skip(name, err)
	}
}

// loadUnless is load until ctx ends: a pipe may have no writer, and standard input no end.
func (s *fileSource) loadUnless(ctx context.Context, name string, shot *push.Shot) error {
	done := make(chan error, 1)
	one := new(push.Shot)
	go func() { done <- s.load(name, one) }()
	select {
	case err := <-done:
		*shot = *one
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *fileSource) load(name string, shot *push.Shot) error {
	data, captured, err := s.read(name)
	if err != nil {
		return err
	}
	*shot = push.Shot{Data: data, Captured: captured}
	if name != "-" {
		shot.Name = filepath.Base(name)
	}
	return s.convert(shot)
}

func (s *fileSource) read(name string) (data []byte, captured time.Time, err error) {
	in, captured := s.in, time.Now()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, captured, err
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil {
			captured = info.ModTime()
		}
		in = file
	}
	data, err = io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, captured, err
	case len(data) == 0:
		return nil, captured, errors.New("the file is empty")
	case len(data) > maxFile:
		return nil, captured, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	if kind := push.File(data).ContentType(); !strings.HasPrefix(kind, "image/") {
		if name := sniff.Name(data[:min(len(data), sniff.Enough)]); name != "" {
			kind = name
		}
		return nil, captured, fmt.Errorf("not a picture: it begins like %s", kind)
	}
	return data, captured, nil
}

// convert converts the picture to the wanted format.
func (s *fileSource) convert(shot *push.Shot) error {
	if s.format == "" || push.File(shot.Data).ContentType() == s.format {
		return nil
	}
	img, err := picture.Decode(shot.Data, picture.Limits{})
	if err != nil {
		return err
	}
	if s.format == "image/jpeg" {
		img = img.Flatten(s.background.color)
	}
	encoded, err := encode(img, s.format, s.quality)
	if err != nil {
		return err
	}
	shot.Data, shot.Release = encoded.Borrow(), encoded.Release
	if shot.Name != "" {
		shot.Name = strings.TrimSuffix(shot.Name, filepath.Ext(shot.Name)) + map[string]string{"image/jpeg": ".jpg", "image/png": ".png"}[s.format]
	}
	return nil
}

func encode(img *picture.Image, format string, quality int) (*picture.Encoded, error) {
	if format == "image/png" {
		return img.PNG()
	}
	return img.JPEG(quality)
}

// pngSource returns a camera's newest picture as PNG. It reads the camera continuously so that no picture waits there and becomes outdated.
type pngSource struct {
	camera *hw.Camera
	period time.Duration
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{}

	mu     sync.Mutex
	newest *push.Shot // nil once fetched
	err    error      // why there will be no more
	why    error      // the cause of io.EOF
}

func (s *pngSource) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

var _ push.Live = (*pngSource)(nil)

func newPNGSource(camera *hw.Camera, fps float64) *pngSource {
	ctx, cancel := context.WithCancel(context.Background())
	s := &pngSource{camera: camera, period: pace.Duration(1 / fps), cancel: cancel, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.read(ctx)
	return s
}

func (s *pngSource) close() {
	s.cancel()
	_ = s.camera.Close()
	<-s.done
	s.put(nil, io.EOF)
}

func (s *pngSource) read(ctx context.Context) {
	defer close(s.done)
	var due time.Time
	var skipped uint64 // since the last picture used
	for n := uint64(1); ; {
		img, err := s.camera.Read(ctx)
		if err != nil {
			if errors.Is(err, frame.ErrEnd) {
				s.mu.Lock()
				s.why = err
				s.mu.Unlock()
				err = io.EOF
			}
			s.put(nil, err)
			return
		}
		now := time.Now()
		if now.Before(due) {
			img.Release()
			skipped++
			continue
		}
		// Half a picture's time early is no worse than half of it late.
		due = now.Add(s.period - s.period/8)
		encoded, err := img.PNG()
		img.Release()
		if err != nil {
			s.put(nil, err)
			return
		}
		s.put(&push.Shot{Data: encoded.Borrow(), ContentType: encoded.ContentType(), Captured: now, Sequence: n, Skipped: skipped, Release: encoded.Release}, nil)
		n, skipped = n+1, 0
	}
}

// put replaces the newest shot.
func (s *pngSource) put(shot *push.Shot, err error) {
	s.mu.Lock()
	if s.newest != nil && (shot != nil || errors.Is(err, io.EOF) && s.err != nil) {
		if shot != nil {
			shot.Skipped += s.newest.Skipped + 1
		}
		s.newest.Release()
		s.newest = nil
	}
	if shot != nil {
		s.newest = shot
	} else if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Newer implements push.Live.
func (s *pngSource) Newer(shot *push.Shot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest == nil {
		return false
	}
	*shot, s.newest = *s.newest, nil
	return true
}

// Next implements push.Source.
func (s *pngSource) Next(ctx context.Context, shot *push.Shot) error {
	for !s.Newer(shot) {
		s.mu.Lock()
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// spoolOf returns a separate spool folder for each of several targets, the same after a restart.
func spoolOf(dir, target string) string {
	host := "target"
	if u, err := url.Parse(target); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	return filepath.Join(dir, fmt.Sprintf("%s-%08x", strings.Map(plain, host), crc32.ChecksumIEEE([]byte(target))))
}

func plain(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' {
		return c
	}
	return '-'
}
