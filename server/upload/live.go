package upload

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/server/stream"
)

const (
	liveSlots = 4
	// A ring is kept this long without viewers, so that a reloaded page finds it.
	lingers = 5 * time.Second
	// Larger PNGs (in pixels) are stored but not converted to JPEG for the stream: that takes 7 bytes of memory per pixel.
	maxRecoded     = 8_000_000
	recodedQuality = 85
)

// live is shared by a device's viewers: a ring that its pictures are published in, and the fan-out after it.
type live struct {
	pictures *stream.Pictures
	stream   *stream.Handler
	kept     sync.Once // publishes the newest stored picture
}

// stream streams a device's pictures live.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("device")
	newest, err := s.newest(name)
	if err != nil {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	l, leave, err := s.watch(name)
	if err != nil {
		s.config.Log.Error("starting a live stream failed", zap.String("device", name), zap.Error(err))
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	defer leave()
	l.kept.Do(func() { s.showKept(l, newest) }) // the next picture may be a minute away
	below := r.WithContext(r.Context())
	below.URL = &url.URL{Path: "/stream", RawQuery: r.URL.RawQuery}
	l.stream.ServeHTTP(w, below)
}

// watch returns a device's live, which stays at least until leave is called.
func (s *Server) watch(name string) (l *live, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l = s.lives[name]; l == nil {
		if l, err = s.newLive(name); err != nil {
			return nil, nil, err
		}
		s.lives[name] = l
	}
	return l, l.pictures.Watch(), nil
}

func (s *Server) newLive(name string) (*live, error) {
	if s.closed {
		return nil, fmt.Errorf("the server is shutting down")
	}
	p, err := stream.NewPictures(stream.PicturesConfig{
		Slots: liveSlots, SlotSize: int(s.config.MaxUpload), Name: name, Kind: "device", Waiting: "the device has posted no picture that can be shown",
	})
	if err != nil {
		return nil, err
	}
	h, err := stream.New(stream.Config{Feed: p, Shell: s.web, StallTimeout: s.config.HTTP.StallTimeout, Log: s.config.Log})
	if err != nil {
		p.Close()
		return nil, err
	}
	return &live{pictures: p, stream: h}, nil
}

// closeLives closes those without viewers for a while; all at the zero time.
func (s *Server) closeLives(now time.Time) {
	var ended []*live
	s.mu.Lock()
	for name, l := range s.lives {
		n, since := l.pictures.Watchers()
		if now.IsZero() || n == 0 && now.Sub(since) > lingers {
			ended = append(ended, l)
			delete(s.lives, name)
		}
	}
	s.mu.Unlock()
	for _, l := range ended {
		l.stream.Close()
		l.pictures.Close()
	}
}

// show publishes a new picture if there are viewers.
func (s *Server) show(device string, data []byte, found *info, k *kept) {
	s.mu.Lock()
	l := s.lives[device]
	s.mu.Unlock()
	if l == nil {
		return
	}
	if found.format == jpegFormat {
		_ = l.pictures.Write(found.shown(data), found.width, found.height, k.Time) // viewers that are too slow miss this one
		return
	}
	if found.width*found.height > maxRecoded || !s.recode.TryLock() { // a newer one will follow
		return
	}
	defer s.recode.Unlock()
	if err := l.publishPNG(data, k); err != nil {
		s.config.Log.Debug("converting a PNG for the live stream failed", zap.String("file", k.File), zap.Error(err))
	}
}

// showNewest publishes a device's newest stored picture if there are viewers.
func (s *Server) showNewest(device string) {
	s.mu.Lock()
	l := s.lives[device]
	s.mu.Unlock()
	if l == nil {
		return
	}
	if k, err := s.newest(device); err == nil {
		s.showKept(l, k)
	}
}

// showKept publishes a stored picture.
func (s *Server) showKept(l *live, k kept) {
	f, err := s.store.open(k.File)
	if err != nil {
		return // deleted in the meantime
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, s.config.MaxUpload))
	if err != nil {
		return
	}
	found, err := inspect(data, s.config.MaxPixels)
	if err != nil {
		return // a newer one was published
	}
	if found.format == jpegFormat {
		_ = l.pictures.Write(found.shown(data), found.width, found.height, k.Time)
		return
	}
	if found.width*found.height > maxRecoded {
		return
	}
	s.recode.Lock()
	defer s.recode.Unlock()
	_ = l.publishPNG(data, &k)
}

func (l *live) publishPNG(data []byte, k *kept) error {
	img, err := picture.Decode(data, picture.Limits{MaxPixels: maxRecoded})
	if err != nil {
		return err
	}
	jpg, err := img.JPEG(recodedQuality)
	if err != nil {
		return err
	}
	defer jpg.Release()
	return l.pictures.Write(jpg.Borrow(), jpg.Width(), jpg.Height(), k.Time)
}
