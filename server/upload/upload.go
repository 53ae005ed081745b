package upload

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/server/web"
)

// Config is what a Server needs. The zero value of each field but Dir is usable.
type Config struct {
	// HTTP says where to serve, who is allowed in, and so on; its Refuse and Log must be zero. MaxClients is how many may watch live pictures or
	// the gallery's news at once.
	HTTP web.Config
	// Dir is where pictures are kept; made if it is not there. No other server may use it.
	Dir string
	// Keep is how long, by the pictures' own time; 0: for ever.
	Keep time.Duration
	// MaxBytes is what all pictures take on the disk together, in blocks of 4 KiB. Those of devices that have more than their share, which is the same for
	// each device, go first, the oldest of them. 0: no limit.
	MaxBytes int64
	// MaxUpload is the largest picture in bytes; 0: 20 MiB.
	MaxUpload int64
	// MaxPixels is the largest picture in width x height; 0: 40 million.
	MaxPixels int
	// MaxDevices is how many devices are taken; 0: 1000. Those of which nothing is kept any more do not count.
	MaxDevices int
	// MaxUploads is how many uploads may run at once, endless ones too; 0: 1000. MaxPerAddress is how many of them from one address, but this machine's own,
	// where proxies are; 0: half of MaxUploads. MaxPerDevice is how many of one device; 0: 64. When there are as many, the one that has been idle longest
	// goes for a new one.
	MaxUploads, MaxPerAddress, MaxPerDevice int
	// Sync writes each picture through to the disk before the reply says that it is kept: no power cut can lose it then, and each costs
	// the disk's time.
	Sync bool
	// Log gets what an operator should know; nil: nothing.
	Log *zap.Logger
}

func (c *Config) check() error {
	if c.Dir == "" {
		return errors.New("upload: Config.Dir must be set")
	}
	if c.Keep < 0 || c.MaxBytes < 0 || c.MaxUpload < 0 || c.MaxPixels < 0 || c.MaxDevices < 0 || c.MaxUploads < 0 || c.MaxPerAddress < 0 || c.MaxPerDevice < 0 {
		return errors.New("upload: a limit is negative")
	}
	if c.MaxUpload == 0 {
		c.MaxUpload = 20 << 20
	}
	if c.MaxUpload > maxPicture {
		return fmt.Errorf("upload: pictures of %d bytes: at most %d are possible", c.MaxUpload, maxPicture)
	}
	if c.MaxPixels == 0 {
		c.MaxPixels = 40_000_000
	}
	if c.MaxDevices == 0 {
		c.MaxDevices = 1000
	}
	if c.MaxUploads == 0 {
		c.MaxUploads = 1000
	}
	if c.MaxPerAddress == 0 {
		c.MaxPerAddress = max(c.MaxUploads/2, 1)
	}
	if c.MaxPerDevice == 0 {
		c.MaxPerDevice = 64
	}
	if c.HTTP.StallTimeout == 0 {
		c.HTTP.StallTimeout = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return nil
}

// Server takes pictures. Start it once; Close ends it for good.
type Server struct {
	config Config
	web    *web.Server
	store  *store
	began  time.Time

	checks  chan struct{} // one for each picture that is in memory as a whole
	slots   slots         // of uploads that run
	running sync.WaitGroup
	counts  counts

	mu     sync.Mutex
	lives  map[string]*live
	recode sync.Mutex // one PNG is decoded at a time

	done   chan struct{} // closed by Close
	closed bool
	joined sync.WaitGroup
}

// counts are totals since the start.
type counts struct {
	refused atomic.Uint64 // uploads, and parts of streams
	cut     atomic.Uint64 // uploads that ended in the middle
	full    atomic.Uint64 // refused because the disk is
	failed  atomic.Uint64 // that could not be kept for another reason of this machine's
}

// New checks c and reads the files that it names. It opens nothing else yet.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Server{
		config: c, slots: slots{max: c.MaxUploads, perAddress: c.MaxPerAddress, perDevice: c.MaxPerDevice},
		lives: map[string]*live{}, done: make(chan struct{}), checks: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	s.config.HTTP.Log, s.config.HTTP.Refuse, s.config.HTTP.Health = c.Log, refuse, s.health
	s.config.HTTP.DeviceTokens = true
	var err error
	if s.web, err = web.New(s.config.HTTP); err != nil {
		return nil, err
	}
	s.web.Mount("/", web.NewRouter(refuse, s.routes()...))
	return s, nil
}

// Start takes over the directory, finds what is in it (one to two seconds for 200,000 pictures), opens the addresses and serves until Close.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.store != nil {
		return errors.New("upload: start: was started already")
	}
	store, err := openStore(&s.config)
	if err != nil {
		return err
	}
	s.store, s.began = store, time.Now()
	store.expire()
	if err := s.web.Start(); err != nil {
		store.close()
		s.closed = true
		return err
	}
	s.joined.Go(s.maintain)
	return nil
}

// Close ends the server: running uploads may end until ctx does and are cut off then, or after a second. It joins all goroutines
// and may be called twice.
func (s *Server) Close(ctx context.Context) error {
	if ctx == nil {
		return errors.New("close: no context")
	}
	s.mu.Lock()
	if s.closed || s.store == nil {
		s.closed = true
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.done)
	err := s.web.Close(ctx)
	s.running.Wait()
	s.joined.Wait()
	s.store.close()
	return err
}

// Reload takes Keep, MaxBytes, MaxDevices and of HTTP what web.Server's Reload takes from c, and reads the files that it names again; the rest
// needs a new start. On an error nothing has changed.
func (s *Server) Reload(c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	c.HTTP.DeviceTokens = true
	if err := s.web.Reload(c.HTTP); err != nil {
		return err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.keep, s.store.maxBytes, s.store.maxDevices = c.Keep, c.MaxBytes, c.MaxDevices
	return s.store.makeRoom(nil, 0)
}

// health returns why /healthz is to fail; nil: pictures can be kept.
func (s *Server) health() error { return s.store.problem() }

// enter says whether another upload may begin; running.Done ends it.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

// URLs returns an address for each way that a device could reach the running server.
func (s *Server) URLs() []string { return s.web.URLs() }

// State is what there is, and what came since the start.
type State struct {
	Devices       int    `json:"devices"`
	Pictures      int    `json:"pictures"` // kept
	Bytes         int64  `json:"bytes"`    // that they take on the disk
	Received      uint64 `json:"received"` // pictures, without duplicates
	ReceivedBytes uint64 `json:"received_bytes"`
	Duplicates    uint64 `json:"duplicates"`
	Refused       uint64 `json:"refused"` // uploads, and parts of streams, for what they were
	Cut           uint64 `json:"cut"`     // uploads that ended in the middle
	Full          uint64 `json:"full"`    // refused because the disk is
	Failed        uint64 `json:"failed"`  // that could not be kept for another reason of this machine's
	Expired       uint64 `json:"expired"` // deleted because of their age
	PushedOut     uint64 `json:"pushed_out"`
	Uploads       int64  `json:"uploads"` // that run
	Viewers       int64  `json:"viewers"`
	Unreadable    int    `json:"unreadable_directories"` // whose pictures are neither shown nor deleted by age
	Error         string `json:"error,omitempty"`        // why nothing can be kept now
}

// State may be called from any goroutine once the server has started.
func (s *Server) State() State {
	c := &s.store.counts
	state := State{
		Received: c.kept.Load(), ReceivedBytes: c.keptBytes.Load(), Duplicates: c.duplicates.Load(), Expired: c.aged.Load(), PushedOut: c.pushedOut.Load(),
		Refused: s.counts.refused.Load(), Cut: s.counts.cut.Load(), Full: s.counts.full.Load(),
		Failed: s.counts.failed.Load(), Uploads: s.slots.count(), Viewers: int64(s.web.Stats().Viewers),
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	state.Bytes, state.Unreadable = s.store.bytes, s.store.unreadable
	if s.store.trouble != nil {
		state.Error = s.store.trouble.Error()
	}
	for _, d := range s.store.devices {
		state.Devices++
		state.Pictures += d.pictures
	}
	return state
}

// maintain does what time brings: pictures grow old, live pictures are watched no more.
func (s *Server) maintain() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	probed := time.Now()
	for {
		select {
		case <-s.done:
			s.closeLives(time.Time{})
			return
		case now := <-ticker.C:
			probe := now.Sub(probed) >= probeEvery
			if probe {
				probed = now
			}
			s.store.check(probe)
			s.store.expire()
			s.closeLives(now)
		}
	}
}
