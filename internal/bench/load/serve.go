//go:build linux

package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// serve prints its address and serves until its input ends.
func (r *Role) serve() error {
	pictures, err := r.pictures()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", r.Address)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(l.Addr().String()); err != nil {
		return err
	}
	if r.Kind == "bare" {
		return bare(l.(*net.TCPListener), r.Viewers, pictures, r.FPS)
	}
	s := &served{}
	if err := r.profile(); err != nil {
		return err
	}
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			_ = json.NewEncoder(os.Stdout).Encode(s.usage())
		}
		pprof.StopCPUProfile()
		os.Exit(0)
	}()
	return s.run(l, pictures, r.FPS)
}

// profile starts the requested CPU profile, if any. It ends with pprof.StopCPUProfile.
func (r *Role) profile() error {
	if r.Profile == "" {
		return nil
	}
	file, err := os.Create(r.Profile)
	if err != nil {
		return err
	}
	runtime.SetCPUProfileRate(profileHz)
	return pprof.StartCPUProfile(file)
}

// profileHz exceeds the runtime's 100: a server that is busy a tenth of the time would yield few samples.
const profileHz = 1000

// served is a server whose ring is filled by a ticker.
type served struct {
	mu        sync.Mutex
	published uint64
}

func (s *served) usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{RSS: usage.Resident(os.Getpid()), Allocs: m.Mallocs, Published: s.published}
}

func (s *served) run(l net.Listener, pictures [][]byte, fps int) error {
	most := 0
	for _, p := range pictures {
		most = max(most, len(p))
	}
	r, err := ring.New(ring.Config{SlotSize: most, Envelope: stream.Envelope()})
	if err != nil {
		return err
	}
	if _, _, err := Serve(&Feed{r}, web.Config{Listeners: []net.Listener{l}}); err != nil {
		return err
	}
	ticker, err := newTicker(time.Second / time.Duration(fps))
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := ticker.wait(); err != nil {
			return err
		}
		v, ok := r.Reserve()
		if !ok {
			return errors.New("viewers hold every slot of the ring")
		}
		captured := time.Now()
		p := frame.Picture{Size: copy(v.Buffer(r), pictures[i%len(pictures)]), Captured: captured}
		if err := r.Publish(v, &p, time.Now()); err != nil {
			return err
		}
		s.mu.Lock()
		s.published++
		s.mu.Unlock()
	}
}

// Serve serves a feed as the program does. end closes the server within a second.
func Serve(feed stream.Feed, c web.Config) (shell *web.Server, end func(), err error) {
	if shell, err = web.New(c); err != nil {
		return nil, nil, err
	}
	shown, err := stream.New(stream.Config{Feed: feed, Shell: shell})
	if err != nil {
		return nil, nil, err
	}
	end = func() {
		shown.Close()
		_ = shell.Close(context.Background())
	}
	shell.Mount("/", shown)
	if err := shell.Start(); err != nil {
		end()
		return nil, nil, err
	}
	return shell, end, nil
}

// Feed is a stream.Feed around a ring that is filled elsewhere; it has no settings.
type Feed struct{ Frames *ring.Ring }

// Ring returns Frames.
func (f *Feed) Ring() *ring.Ring { return f.Frames }

// Watch does nothing: the ring is always being filled.
func (f *Feed) Watch() func() { return func() {} }

// Snapshot fills fr with the next frame captured at or after notBefore.
func (f *Feed) Snapshot(ctx context.Context, notBefore time.Time, fr *ring.Frame) error {
	reader := f.Frames.NewReader()
	defer reader.Close()
	for {
		if err := reader.Next(ctx, fr); err != nil {
			return err
		}
		if !fr.Meta().Captured.Before(notBefore) {
			return nil
		}
		fr.Release()
	}
}

// State returns a state with a signal.
func (f *Feed) State() pipeline.State { return pipeline.State{Signal: true} }

// Change returns an error.
func (f *Feed) Change(context.Context, pipeline.Change) (pipeline.Settings, error) {
	return pipeline.Settings{}, frame.ErrUnsupported
}

var _ stream.Feed = (*Feed)(nil)
