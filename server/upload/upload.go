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

// Config configures a Server. Zero is a usable value of each field except Dir.
type Config struct {
	// HTTP is the web server's configuration; its Refuse and Log must be zero. MaxClients limits the viewers of live pictures and
	// those of the gallery's news.
	HTTP web.Config
	// Dir is where pictures are stored; created if missing. No other server may use it.
	Dir string
	// Keep is how long pictures are kept, by their own time; 0: forever.
	Keep time.Duration
	// MaxBytes limits the disk space of all pictures, in blocks of 4 KiB. Pictures of devices that exceed their share, which is the same for
	// each device plus what others do not use, are deleted first, the oldest of them. 0: no limit.
	MaxBytes int64
	// MaxUpload is the largest picture in bytes; 0: 20 MiB.
	MaxUpload int64
	// MaxPixels is the largest picture in width x height; 0: 40 million.
	MaxPixels int
	// MaxDevices limits the number of devices; 0: 1000. Those without stored pictures do not count.
	MaxDevices int
	// MaxUploads limits concurrent uploads, including endless ones; 0: 1000. MaxPerAddress limits those from one address other than this machine's,
	// where proxies are; 0: half of MaxUploads. MaxPerDevice limits those of one device; 0: 64. When a limit is reached, the upload that has been idle
	// longest is ended for a new one.
	MaxUploads, MaxPerAddress, MaxPerDevice int
	// Sync writes each picture to the disk before the reply confirms it: a power cut cannot lose it then, but each upload
	// waits for the disk.
	Sync bool
	// Log gets messages for the operator; nil disables logging.
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
		return fmt.Errorf("upload: MaxUpload of %d bytes: at most %d are possible", c.MaxUpload, maxPicture)
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

// Server receives pictures. Start it once; Close ends it for good.
type Server struct {
	config Config
	web    *web.Server
	store  *store
	began  time.Time

	checks  chan struct{} // one for each picture held in memory
	slots   slots         // of running uploads
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
	refused atomic.Uint64 // uploads and parts of streams
	cut     atomic.Uint64 // incomplete uploads
	full    atomic.Uint64 // refused because the disk is full
	failed  atomic.Uint64 // not stored because of another local problem
}

// New validates c and reads the files it names. It opens nothing else yet.
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

// Start opens the directory, indexes its contents (one to two seconds for 200,000 pictures), opens the addresses and serves until Close.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.store != nil {
		return errors.New("upload: start: already started")
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

// Close ends the server: running uploads may finish until ctx ends and are then cut off, or after a second. It joins all goroutines
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

// Reload applies Keep, MaxBytes, MaxDevices and, from HTTP, whatever web.Server's Reload applies, and rereads the files c names; other
// changes need a restart. On an error nothing changes.
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

// health returns why /healthz should fail; nil if pictures can be stored.
func (s *Server) health() error { return s.store.problem() }

// enter reports whether another upload may begin; running.Done ends it.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

// URLs returns an address for each way a device could reach the running server.
func (s *Server) URLs() []string { return s.web.URLs() }

// State is the stored pictures, and totals since the start.
type State struct {
	Devices       int    `json:"devices"`
	Pictures      int    `json:"pictures"` // stored
	Bytes         int64  `json:"bytes"`    // on disk
	Received      uint64 `json:"received"` // pictures, excluding duplicates
	ReceivedBytes uint64 `json:"received_bytes"`
	Duplicates    uint64 `json:"duplicates"`
	Refused       uint64 `json:"refused"` // uploads and parts of streams, rejected for their content
	Cut           uint64 `json:"cut"`     // incomplete uploads
	Full          uint64 `json:"full"`    // because the disk is full
	Failed        uint64 `json:"failed"`  // not stored because of another local problem
	Expired       uint64 `json:"expired"` // deleted because of their age
	PushedOut     uint64 `json:"pushed_out"`
	Uploads       int64  `json:"uploads"` // running now
	Viewers       int64  `json:"viewers"`
	Unreadable    int    `json:"unreadable_directories"` // their pictures are neither shown nor expired
	Error         string `json:"error,omitempty"`        // why nothing can be stored now
}

// State may be called from any goroutine once the server has started.
func (s *Server) State() State {
	c := &s.store.counts
	state := State{
		Received: c.kept.Load(), ReceivedBytes: c.keptBytes.Load(), Duplicates: c.duplicates.Load(), Expired: c.aged.Load(), PushedOut: c.evictedPictures.Load(),
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

// maintain runs the periodic work: expiring pictures, closing unwatched live streams.
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
