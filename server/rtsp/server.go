// Package rtsp serves a ring's frames as RTP/JPEG (RFC 2435) over RTSP, TCP and UDP, without encoding anything again.
package rtsp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpmjpeg"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// Feed is where frames come from.
type Feed interface {
	Ring() *ring.Ring
	// Watch says that someone looks; leave says that they are gone.
	Watch() (leave func())
}

// Config is what a Server needs.
type Config struct {
	// Address is host:port for RTSP over TCP. Media over UDP comes from the next even port and the odd one above it.
	Address string
	Feed    Feed
	// Allow decides who may in: from an address (host:port), with a user and password, or with the token of ?token= in the URL; what is
	// not given is "". nil lets everybody in. Only Basic is offered: passwords are kept as bcrypt hashes, from which a digest cannot be
	// computed.
	Allow func(from, user, password, token string) bool
	// MaxReaders is how many sessions may play at once; 0: no limit.
	MaxReaders int
	Log        *zap.Logger
}

// clockRate is RTP/JPEG's, ticks a second (RFC 2435 section 3).
const clockRate = 90000

// Server is a running RTSP server.
type Server struct {
	config Config
	rtsp   *gortsplib.Server
	stream *gortsplib.ServerStream
	media  *description.Media
	reader *ring.Reader
	cancel context.CancelFunc
	done   sync.WaitGroup

	rewritten []byte // send's: a frame whose headers were odd

	playing atomic.Int64
	started time.Time
	ready   chan struct{} // closed when stream may be used by handlers
	mu      sync.Mutex
	leave   map[*gortsplib.ServerSession]func()
}

// CheckAddress reports a Config.Address that is not host:port, or whose port leaves no room for those of the media.
func CheckAddress(address string) error {
	_, _, err := split(address)
	return err
}

func split(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("rtsp: address %q: want host:port, or :port as in :8554", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65532 {
		return "", 0, fmt.Errorf("rtsp: address %q: the port must be a number from 1 to 65532", address)
	}
	return host, port, nil
}

// Start opens the ports and serves until Close.
func Start(c Config) (*Server, error) {
	host, port, err := split(c.Address)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	// RTP wants an even port and RTCP the odd one above (RFC 3550 section 11); the first pair above the RTSP port.
	rtp := port + 2 - port%2
	s := &Server{
		config: c, started: time.Now(), ready: make(chan struct{}),
		media: &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.MJPEG{}}},
		leave: map[*gortsplib.ServerSession]func(){},
	}
	s.rtsp = &gortsplib.Server{
		Handler:        s,
		RTSPAddress:    c.Address,
		UDPRTPAddress:  net.JoinHostPort(host, strconv.Itoa(rtp)),
		UDPRTCPAddress: net.JoinHostPort(host, strconv.Itoa(rtp+1)),
		// A 2 MiB picture is 1,450 packets: a queue must hold one whole, or none arrives complete.
		WriteQueueSize: 4096,
		AuthMethods:    []auth.VerifyMethod{auth.VerifyMethodBasic},
	}
	if err := s.rtsp.Start(); err != nil {
		return nil, fmt.Errorf("rtsp: listen at %s (media at UDP %d and %d): %w", c.Address, rtp, rtp+1, err)
	}
	s.stream = &gortsplib.ServerStream{Server: s.rtsp, Desc: &description.Session{Title: "maixstream", Medias: []*description.Media{s.media}}}
	if err := s.stream.Initialize(); err != nil {
		s.rtsp.Close()
		return nil, fmt.Errorf("rtsp: %w", err)
	}
	close(s.ready)
	s.reader = c.Feed.Ring().NewReader()
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.done.Go(func() { s.send(ctx) })
	return s, nil
}

// SetMaxReaders changes how many sessions may play at once; 0: no limit. Those that play go on.
func (s *Server) SetMaxReaders(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.MaxReaders = n
}

// Close ends all sessions and frees the ports. It may be called twice.
func (s *Server) Close() {
	s.cancel()
	s.done.Wait()
	s.reader.Close()
	s.stream.Close()
	s.rtsp.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for session, leave := range s.leave {
		leave()
		delete(s.leave, session)
	}
}

// Readers returns how many sessions play now.
func (s *Server) Readers() int { return int(s.playing.Load()) }

// send packs each frame once for all readers.
func (s *Server) send(ctx context.Context) {
	encoder := &rtpmjpeg.Encoder{}
	if err := encoder.Init(); err != nil {
		s.config.Log.Error("rtsp: no random numbers", zap.Error(err))
		return
	}
	var refused string
	for {
		var f ring.Frame
		if err := s.reader.Next(ctx, &f); err != nil {
			return
		}
		if s.playing.Load() > 0 {
			err := s.sendFrame(encoder, &f)
			switch {
			case errors.Is(err, ErrCannotCarry) && err.Error() != refused:
				refused = err.Error() // once, not for each frame
				s.config.Log.Warn("rtsp: frames are not sent", zap.Error(err))
			case err == nil:
				refused = ""
			}
		}
		f.Release()
	}
}

func (s *Server) sendFrame(encoder *rtpmjpeg.Encoder, f *ring.Frame) error {
	var h header
	jpeg := f.JPEG()
	if err := h.read(jpeg); err != nil {
		return err
	}
	if h.odd {
		s.rewritten = h.write(s.rewritten[:0])
		jpeg = s.rewritten
	}
	packets, err := encoder.Encode(jpeg)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannotCarry, err)
	}
	captured := f.Meta().Captured
	ticks := uint32(captured.Sub(s.started).Microseconds() * clockRate / 1e6) // wraps by design, RFC 3550 section 5.1
	for _, packet := range packets {
		packet.Timestamp = ticks
		if err := s.stream.WritePacketRTPWithNTP(s.media, packet, captured); err != nil {
			return err
		}
	}
	return nil
}

// OnDescribe is called by gortsplib.
func (s *Server) OnDescribe(c *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if response, err := s.admit(c.Conn, c.Request, c.Query); response != nil {
		return response, nil, err
	}
	var f ring.Frame
	if s.config.Feed.Ring().Latest(&f) {
		defer f.Release()
		if err := Carries(f.JPEG()); err != nil {
			return &base.Response{StatusCode: base.StatusUnsupportedMediaType, StatusMessage: err.Error()}, nil, nil
		}
	}
	return &base.Response{StatusCode: base.StatusOK}, s.stream, nil
}

// OnRequest is called by gortsplib before anything else.
func (s *Server) OnRequest(_ *gortsplib.ServerConn, r *base.Request) {
	if r.Method != base.Setup {
		return
	}
	// For rtsp://host:port/ the base that gortsplib gives out ends in //. GStreamer makes /trackID=0 of it and asks to PLAY // later, which
	// gortsplib then takes for another path and refuses.
	if r.URL != nil && strings.HasPrefix(r.URL.Path, "/trackID=") {
		r.URL.Path = "/" + r.URL.Path
	}
	// gortsplib lets GStreamer wait a second at SETUP because of a bug in how GStreamer publishes; nobody publishes here.
	delete(r.Header, "User-Agent")
}

var _ gortsplib.ServerHandlerOnRequest = (*Server)(nil)

// OnSetup is called by gortsplib.
func (s *Server) OnSetup(c *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if response, err := s.admit(c.Conn, c.Request, c.Query); response != nil {
		return response, nil, err
	}
	return &base.Response{StatusCode: base.StatusOK}, s.stream, nil
}

// admit answers who may not come in; nil for the others.
func (s *Server) admit(conn *gortsplib.ServerConn, request *base.Request, query string) (*base.Response, error) {
	<-s.ready
	// Who was let in with this connection's first request stays so: of a query, GStreamer leaves nothing in the ones that follow.
	if s.config.Allow == nil || conn.UserData() != nil {
		return nil, nil
	}
	var user, password string
	var given headers.Authorization
	if err := given.Unmarshal(request.Header["Authorization"]); err == nil && given.Method == headers.AuthMethodBasic {
		user, password = given.Username, given.BasicPass
	}
	asked, _ := url.ParseQuery(query) // what is no good in it is left out
	if s.config.Allow(conn.NetConn().RemoteAddr().String(), user, password, asked.Get("token")) {
		conn.SetUserData(true)
		return nil, nil
	}
	return &base.Response{StatusCode: base.StatusUnauthorized}, liberrors.ErrServerAuth{}
}

// OnPlay is called by gortsplib.
func (s *Server) OnPlay(c *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.leave[c.Session]; ok {
		return &base.Response{StatusCode: base.StatusOK}, nil
	}
	if s.config.MaxReaders > 0 && len(s.leave) >= s.config.MaxReaders {
		return &base.Response{StatusCode: base.StatusNotEnoughBandwidth, StatusMessage: "too many readers"}, nil
	}
	s.leave[c.Session] = s.config.Feed.Watch()
	s.playing.Store(int64(len(s.leave)))
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnPause is called by gortsplib.
func (s *Server) OnPause(c *gortsplib.ServerHandlerOnPauseCtx) (*base.Response, error) {
	s.stopped(c.Session)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnSessionClose is called by gortsplib.
func (s *Server) OnSessionClose(c *gortsplib.ServerHandlerOnSessionCloseCtx) { s.stopped(c.Session) }

func (s *Server) stopped(session *gortsplib.ServerSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leave, ok := s.leave[session]; ok {
		leave()
		delete(s.leave, session)
		s.playing.Store(int64(len(s.leave)))
	}
}
