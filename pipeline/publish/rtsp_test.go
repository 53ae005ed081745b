package publish_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/publish"
)

// rtspServer is a server that takes one path from one user.
type rtspServer struct {
	*receiver
	server         *gortsplib.Server
	host           string
	address        string
	path           string
	user, password string
	tls            *tls.Config
	kept           atomic.Int64 // reports received
}

func (s *rtspServer) listen(t *testing.T, address string) {
	t.Helper()
	if s.receiver == nil {
		s.receiver = new(receiver)
	}
	testenv.Eventually(t, "the port is free", func() bool {
		if address == "" {
			s.address = net.JoinHostPort(s.host, strconv.Itoa(testenv.FreePort(t, s.host)))
		} else {
			s.address = address
		}
		s.server = &gortsplib.Server{Handler: s, RTSPAddress: s.address, TLSConfig: s.tls}
		return s.server.Start() == nil
	})
	server := s.server
	t.Cleanup(server.Close)
}

func (s *rtspServer) kill() { s.server.Close() }

func (s *rtspServer) OnAnnounce(c *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	if s.user != "" && !c.Conn.VerifyCredentials(c.Request, s.user, s.password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, liberrors.ErrServerAuth{}
	}
	if strings.Trim(c.Path, "/") != s.path {
		return &base.Response{StatusCode: base.StatusNotFound}, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (s *rtspServer) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil, nil
}

func (s *rtspServer) OnRecord(c *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	s.begin()
	media := c.Session.AnnouncedDescription().Medias[0]
	h264 := media.Formats[0].(*format.H264)
	decoder, err := h264.CreateDecoder()
	if err != nil {
		return nil, err
	}
	s.take(0, [][]byte{h264.SPS, h264.PPS})
	c.Session.OnPacketRTCP(media, func(rtcp.Packet) { s.kept.Add(1) })
	c.Session.OnPacketRTP(media, h264, func(p *rtp.Packet) {
		au, err := decoder.Decode(p)
		if err != nil {
			if !errors.Is(err, rtph264.ErrMorePacketsNeeded) && !errors.Is(err, rtph264.ErrNonStartingPacketAndNoPrevious) {
				s.take(0, [][]byte{{0x41, 0xff, 0xff, 0xff, 0xff}}) // a gap, which the test reports
			}
			return
		}
		s.take(time.Duration(p.Timestamp)*time.Second/90000, au)
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (s *rtspServer) OnSessionClose(*gortsplib.ServerHandlerOnSessionCloseCtx) { s.end() }

func TestRTSPServerThatIsKilledAndComesBack(t *testing.T) {
	testenv.NoLeaks(t)
	cam := newCamera(t)
	cam.size.Store(20 << 10) // several packets a unit
	server := &rtspServer{host: quiet, path: "live/garden", user: "cam", password: "pass-word"}
	server.listen(t, "")
	p, said, stop := start(t, publish.Config{Address: "rtsp://cam:pass-word@" + server.address + "/live/garden", Source: cam, Lag: patient})
	testenv.Eventually(t, "30 units", func() bool { return server.frames() >= 30 })
	if gaps := server.check(t); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
	if s, want := p.State(), "rtsp://cam:xxxxx@"+server.address+"/live/garden"; s.URL != want || !s.Connected || s.Connections != 1 || s.Frames < 30 {
		t.Errorf("%+v, want %s", s, want)
	}
	cam.large.Store(true)
	testenv.Eventually(t, "the new size in the same stream", func() bool { return len(server.sizes()) == 2 })
	cam.large.Store(false)
	testenv.Eventually(t, "and the first again", func() bool { return len(server.sizes()) == 3 })
	if gaps := server.check(t); gaps > 0 || server.count() != 1 {
		t.Errorf("%d gaps, %d streams", gaps, server.count())
	}
	server.kill()
	testenv.Eventually(t, "the state says so", func() bool { s := p.State(); return !s.Connected && s.Error != "" })
	server.listen(t, server.address)
	testenv.Eventually(t, "a second stream", func() bool { return server.count() == 2 && server.frames() >= 30 })
	if gaps := server.check(t); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
	stop()
	testenv.Eventually(t, "the server is left", func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return server.open == 0
	})
	if text := fmt.Sprintf("%s%+v", said, p.State()); strings.Contains(text, "pass-word") {
		t.Errorf("the password is shown:\n%s", text)
	}
}

func TestRTSPRefusals(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	server := &rtspServer{host: "127.0.0.1", path: "garden", user: "cam", password: "pass-word"}
	server.listen(t, "")
	for address, want := range map[string]string{
		"rtsp://cam:wrong-word@" + server.address + "/garden": "the server replied 401 Unauthorized: it wants a user and password",
		"rtsp://" + server.address + "/garden":                "the server replied 401 Unauthorized: it wants a user and password",
		"rtsp://cam:pass-word@" + server.address + "/cellar":  "the server replied 404 Not Found: it has no such path",
	} {
		p, said, _ := start(t, publish.Config{Address: address, Source: cam})
		testenv.Eventually(t, want, func() bool { return strings.HasPrefix(p.State().Error, want) })
		if text := said.String(); strings.Contains(text, "wrong-word") || strings.Contains(text, "pass-word") {
			t.Errorf("a password is shown:\n%s", text)
		}
	}
}

func TestRTSPOverTLS(t *testing.T) {
	t.Parallel()
	config, ca := certificate(t)
	cam := newCamera(t)
	server := &rtspServer{host: "127.0.0.1", path: "garden", tls: config}
	server.listen(t, "")
	address := "rtsps://" + server.address + "/garden"
	p, _, _ := start(t, publish.Config{Address: address, Source: cam})
	testenv.Eventually(t, "an unknown certificate is refused", func() bool { return strings.Contains(p.State().Error, "certificate") })
	start(t, publish.Config{Address: address, Source: cam, CAFile: ca, Lag: patient})
	testenv.Eventually(t, "a known one is not", func() bool { return server.frames() >= 30 })
	if gaps := server.check(t); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
}
