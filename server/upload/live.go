package upload

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server"
)

const (
	liveSlots = 4
	// A device that nobody has watched for so long has no ring any more: a page that is loaded again finds it.
	lingers = 5 * time.Second
	// PNGs of more pixels are kept, but not turned into JPEG for the stream: it takes 7 bytes of memory a pixel.
	maxRecoded     = 8_000_000
	recodedQuality = 85
)

// live is what those who watch a device share: a ring that its pictures are published in, and the fan-out behind.
type live struct {
	ring   *ring.Ring
	server *server.Server

	produce sync.Mutex // makes uploads the ring's one producer

	watching int       // the Server's lock guards these
	since    time.Time // when the last one left
}

// stream shows a device's pictures as they come.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("device")
	newest, err := s.newest(name)
	if err != nil {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	if s.crowded(w) {
		return
	}
	l, err := s.watch(name, newest)
	if err != nil {
		s.config.Log.Error("a live stream cannot begin", zap.String("device", name), zap.Error(err))
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	defer s.leave(l)
	l.server.Stream(w, r)
}

// crowded refuses a viewer when there are enough.
func (s *Server) crowded(w http.ResponseWriter) bool {
	most := s.most.Load()
	if most == 0 || s.viewers.Load() < most {
		return false
	}
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d viewers already, which is all that is allowed", most))
	return true
}

// watch returns a device's live with one more watcher, who must leave.
func (s *Server) watch(name string, newest kept) (*live, error) {
	s.mu.Lock()
	l := s.lives[name]
	if l == nil {
		var err error
		if l, err = s.newLive(); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		s.lives[name] = l
	}
	l.watching++
	first := l.watching == 1 && l.since.IsZero()
	s.mu.Unlock()
	if first { // the next picture may be a minute away
		s.showKept(l, newest)
	}
	return l, nil
}

func (s *Server) leave(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.watching--; l.watching == 0 {
		l.since = time.Now()
	}
}

func (s *Server) newLive() (*live, error) {
	if s.closed {
		return nil, fmt.Errorf("the server is ending")
	}
	r, err := ring.New(ring.Config{Slots: liveSlots, SlotSize: int(s.config.MaxUpload), Envelope: server.Envelope()})
	if err != nil {
		return nil, err
	}
	l := &live{ring: r}
	l.server, err = server.New(server.Config{Feed: &liveFeed{s, l}, StallTimeout: s.config.HTTP.StallTimeout, Log: s.config.Log})
	if err == nil {
		err = l.server.Attach()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return l, nil
}

// closeLives ends what nobody has watched for a while; all at the zero time.
func (s *Server) closeLives(now time.Time) {
	var ended []*live
	s.mu.Lock()
	for name, l := range s.lives {
		if now.IsZero() || l.watching == 0 && now.Sub(l.since) > lingers {
			ended = append(ended, l)
			delete(s.lives, name)
		}
	}
	s.mu.Unlock()
	for _, l := range ended {
		_ = l.server.Close(context.Background())
		l.produce.Lock() // an upload may be publishing
		l.ring.Close()
		l.produce.Unlock()
	}
}

// show publishes a picture that came in, if somebody watches.
func (s *Server) show(device string, data []byte, found *info, k *kept) {
	s.mu.Lock()
	l := s.lives[device]
	s.mu.Unlock()
	if l == nil {
		return
	}
	if found.format == jpegFormat {
		l.publish(data, found.width, found.height, k)
		return
	}
	if found.width*found.height > maxRecoded || !s.recode.TryLock() { // a younger one will come
		return
	}
	defer s.recode.Unlock()
	if err := l.publishPNG(data, k); err != nil {
		s.config.Log.Debug("a PNG cannot be shown live", zap.String("file", k.File), zap.Error(err))
	}
}

// showKept publishes a picture that is in the store.
func (s *Server) showKept(l *live, k kept) {
	f, err := s.store.open(k.File)
	if err != nil {
		return // pushed out meanwhile
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, s.config.MaxUpload))
	if err != nil {
		return
	}
	found, err := inspect(data, s.config.MaxPixels)
	if err != nil {
		return // somebody has written to it
	}
	if found.format == jpegFormat {
		l.publish(data[:found.size], found.width, found.height, &k)
		return
	}
	if found.width*found.height > maxRecoded {
		return
	}
	s.recode.Lock()
	defer s.recode.Unlock()
	_ = l.publishPNG(data, &k)
}

// publish copies a JPEG into the ring.
func (l *live) publish(jpg []byte, width, height int, k *kept) {
	l.produce.Lock()
	defer l.produce.Unlock()
	if len(jpg) > l.ring.SlotSize() {
		return
	}
	v, ok := l.ring.Reserve()
	if !ok {
		return // the fan-out gives slow viewers' slots back; this one picture they miss
	}
	p := frame.Picture{Size: copy(v.Buffer(l.ring), jpg), Width: width, Height: height, Captured: k.Time}
	_ = l.ring.Publish(v, &p, time.Now())
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
	l.publish(jpg.Borrow(), jpg.Width(), jpg.Height(), k)
	return nil
}

// liveFeed is what a live's server shows.
type liveFeed struct {
	uploads *Server
	live    *live
}

// Ring is the Feed's.
func (f *liveFeed) Ring() *ring.Ring { return f.live.ring }

// Watch keeps the ring while the viewer is there.
func (f *liveFeed) Watch() func() {
	f.uploads.mu.Lock()
	f.live.watching++
	f.uploads.mu.Unlock()
	f.uploads.viewers.Add(1)
	return func() {
		f.uploads.viewers.Add(-1)
		f.uploads.leave(f.live)
	}
}

// Snapshot is not asked for: /snapshot shows the file.
func (f *liveFeed) Snapshot(context.Context, time.Time, *ring.Frame) error {
	return pipeline.ErrNoSignal
}

// State is not asked for.
func (f *liveFeed) State() pipeline.State { return pipeline.State{} }

// Change refuses everything: devices decide about their pictures.
func (f *liveFeed) Change(context.Context, pipeline.Change) (pipeline.Settings, error) {
	return pipeline.Settings{}, frame.ErrUnsupported
}

var _ server.Feed = (*liveFeed)(nil)
