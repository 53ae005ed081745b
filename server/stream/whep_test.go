package stream_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/whep"
)

// showWHEP serves the test card over WebRTC on free loopback ports.
func showWHEP(t testing.TB, change func(*whep.Config), changePipeline func(*pipeline.Config)) (*testServer, *whep.Server) {
	t.Helper()
	c := whep.Config{Address: "127.0.0.1:0"}
	if change != nil {
		change(&c)
	}
	server, err := whep.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s, _ := showVideo(t, func(c *config) { c.Stream.WebRTC = server }, changePipeline)
	return s, server
}

// watcher is a viewer built with the server's own library.
type watcher struct {
	pc       *webrtc.PeerConnection
	location string
	units    atomic.Int64 // pictures
	keys     atomic.Int64
	stamped  atomic.Int64 // pictures with a capture time
	track    chan *webrtc.TrackRemote
	change   func(answer string) string // nil: nothing
	prepare  func(*http.Request)        // nil: nothing
}

func newWatcher(t testing.TB) *watcher {
	t.Helper()
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"}, webrtc.RTPCodecTypeVideo); err != nil {
		t.Fatal(err)
	}
	var e webrtc.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(e)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{pc: pc, track: make(chan *webrtc.TrackRemote, 1)}
	t.Cleanup(func() { _ = pc.Close() })
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		extension := uint8(0)
		for _, e := range receiver.GetParameters().HeaderExtensions {
			if strings.HasSuffix(e.URI, "abs-capture-time") {
				extension = uint8(e.ID)
			}
		}
		select {
		case w.track <- track:
		default:
		}
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if extension != 0 && len(p.GetExtension(extension)) == 8 {
				w.stamped.Add(1)
			}
			depacketizer := codecs.H264Packet{}
			if nals, err := depacketizer.Unmarshal(p.Payload); err == nil && bytes.Contains(nals, []byte{0, 0, 0, 1, 0x67}) {
				w.keys.Add(1)
			}
			if p.Marker {
				w.units.Add(1)
			}
		}
	})
	return w
}

// post sends an offer to watch and returns the reply, applying the answer if there is one.
func (w *watcher) post(t testing.TB, url string) (code int, header http.Header) {
	t.Helper()
	offer, err := w.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(w.pc)
	if err := w.pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(w.pc.LocalDescription().SDP))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/sdp")
	if w.prepare != nil {
		w.prepare(r)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	answer, _ := io.ReadAll(reply.Body)
	if reply.StatusCode == http.StatusCreated {
		if w.change != nil {
			answer = []byte(w.change(string(answer)))
		}
		if err := w.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)}); err != nil {
			t.Fatalf("%v in %s", err, answer)
		}
	} else {
		t.Logf("%d %s", reply.StatusCode, answer)
	}
	w.location = reply.Header.Get("Location")
	return reply.StatusCode, reply.Header
}

func TestWHEPDeliversPictures(t *testing.T) {
	s, _ := showWHEP(t, nil, nil)
	base := s.URLs()[0]
	w := newWatcher(t)
	code, header := w.post(t, base+"/whep")
	if code != http.StatusCreated || !strings.HasPrefix(w.location, "/whep/") || header.Get("ETag") == "" || header.Get("Content-Type") != "application/sdp" {
		t.Fatalf("%d %v", code, header)
	}
	testenv.Eventually(t, "40 pictures", func() bool { return w.units.Load() >= 40 })
	if w.keys.Load() == 0 || w.stamped.Load() < 10 {
		t.Errorf("%d key frames, %d pictures with a capture time", w.keys.Load(), w.stamped.Load())
	}
	testenv.Eventually(t, "the viewer is listed", func() bool {
		list := s.State().Server.List
		return len(list) == 1 && list[0].Transport == "webrtc" && list[0].Frames > 0
	})
	track := <-w.track
	before := w.keys.Load()
	if err := w.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "a key frame on request", func() bool { return w.keys.Load() > before })
	r, err := http.NewRequest(http.MethodDelete, base+w.location, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", reply, err)
	}
	reply.Body.Close()
	testenv.Eventually(t, "the viewer is gone", func() bool { return s.State().Server.Viewers == 0 && s.State().Video.Takers == 0 })
}

func TestWHEPVanishedViewerIsForgotten(t *testing.T) {
	s, _ := showWHEP(t, nil, nil)
	w := newWatcher(t)
	if code, _ := w.post(t, s.URLs()[0]+"/whep"); code != http.StatusCreated {
		t.Fatal(code)
	}
	testenv.Eventually(t, "pictures", func() bool { return w.units.Load() > 3 })
	begun := time.Now()
	if err := w.pc.Close(); err != nil { // sends a DTLS close
		t.Fatal(err)
	}
	testenv.Eventually(t, "the viewer is gone", func() bool { return s.State().Server.Viewers == 0 })
	t.Logf("gone after %v", time.Since(begun))
}

func TestWHEPRefusals(t *testing.T) {
	s, server := showWHEP(t, func(c *whep.Config) { c.MaxPerHost = 2 }, nil)
	base := s.URLs()[0]
	ask := func(method, path, kind, body string) (int, http.Header) {
		r, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode, reply.Header
	}
	many := "v=0\r\n" + strings.Repeat("a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n", 200)
	for _, c := range []struct {
		name, method, path, kind, body string
		code                           int
	}{
		{"GET", "GET", "/whep", "", "", 405},
		{"no type", "POST", "/whep", "text/plain", "v=0", 415},
		{"nonsense", "POST", "/whep", "application/sdp", "hello", 400},
		{"empty", "POST", "/whep", "application/sdp", "", 400},
		{"SDP without anything", "POST", "/whep", "application/sdp", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 400},
		{"many candidates", "POST", "/whep", "application/sdp", many, 400},
		{"much", "POST", "/whep", "application/sdp", "v=0" + strings.Repeat("x", 100_000), 413},
		{"no such session", "DELETE", "/whep/ABC", "", "", 404},
		{"no such session", "PATCH", "/whep/ABC", "application/trickle-ice-sdpfrag", "", 404},
	} {
		if code, _ := ask(c.method, c.path, c.kind, c.body); code != c.code {
			t.Errorf("%s: %d, want %d", c.name, code, c.code)
		}
	}
	if code, header := ask("OPTIONS", "/whep", "", ""); code != 204 || header.Get("Accept-Post") != "application/sdp" {
		t.Errorf("OPTIONS: %d %v", code, header)
	}
	w := newWatcher(t)
	if code, _ := w.post(t, base+"/whep"); code != http.StatusCreated {
		t.Fatal(code)
	}
	for body, want := range map[string]int{
		"a=mid:0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n": 204,
		"":                         204,
		"hello\r\n":                400,
		"a=candidate:nonsense\r\n": 400,
	} {
		if code, _ := ask("PATCH", w.location, "application/trickle-ice-sdpfrag", body); code != want {
			t.Errorf("PATCH %q: %d, want %d", body, code, want)
		}
	}
	// Viewers who never connect keep their places, but only as many as one address may have.
	if code, _ := newWatcher(t).post(t, base+"/whep"); code != http.StatusCreated {
		t.Error(code)
	}
	if code, header := newWatcher(t).post(t, base+"/whep"); code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Error(code)
	}
	if !server.End(strings.TrimPrefix(w.location, "/whep/")) {
		t.Error("the first viewer does not exist")
	}
	if code, _ := newWatcher(t).post(t, base+"/whep"); code != http.StatusCreated {
		t.Error(code)
	}
}

func TestWHEPWithoutWebRTC(t *testing.T) {
	s, _ := showVideo(t, nil, nil)
	reply, err := http.Post(s.URLs()[0]+"/whep", "application/sdp", strings.NewReader("v=0"))
	if err != nil || reply.StatusCode != http.StatusNotImplemented {
		t.Errorf("%v %v", reply, err)
	}
	reply.Body.Close()
}

// A thousand sessions opened and ended, and a thousand abandoned offers, leave nothing behind but the few that are allowed.
func TestWHEPManySessions(t *testing.T) {
	s, server := showWHEP(t, func(c *whep.Config) { c.MaxSessions, c.MaxPerHost = 8, 8 }, nil)
	base := s.URLs()[0]
	offer := func() string {
		w := newWatcher(t)
		o, err := w.pc.CreateOffer(nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.pc.Close()
		return o.SDP
	}()
	ask := func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/sdp")
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, reply.Body)
		reply.Body.Close()
		return reply.StatusCode, reply.Header.Get("Location")
	}
	number := 1000
	if testing.Short() {
		number = 100
	}
	open := func() {
		for range number {
			code, location := ask("POST", "/whep", offer)
			if code != http.StatusCreated {
				t.Fatalf("offer: %d", code)
			}
			if code, _ := ask("DELETE", location, ""); code != http.StatusOK {
				t.Fatalf("DELETE: %d", code)
			}
		}
	}
	code, location := ask("POST", "/whep", offer) // allocates what is created once
	if code != http.StatusCreated {
		t.Fatal(code)
	}
	ask("DELETE", location, "")
	before := runtime.NumGoroutine()
	open()
	testenv.Eventually(t, "no goroutines are left", func() bool { return runtime.NumGoroutine() <= before+10 })
	taken, began := 0, time.Now()
	for range number / 4 {
		switch code, _ := ask("POST", "/whep", offer); code {
		case http.StatusCreated:
			taken++
		case http.StatusServiceUnavailable:
		default:
			t.Fatalf("offer: %d", code)
		}
	}
	if most := 8 * (2 + int(time.Since(began)/(10*time.Second))); taken < 8 || taken > most { // each keeps its place for ten seconds
		t.Errorf("%d of %d offers taken", taken, number)
	}
	if n := len(server.Stats()); n != 0 {
		t.Errorf("%d viewers are listed", n)
	}
	if n := runtime.NumGoroutine(); n > before+8*60 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// Ten thousand candidates: a session accepts no more than a machine could have.
func TestWHEPManyCandidates(t *testing.T) {
	s, _ := showWHEP(t, nil, nil)
	w := newWatcher(t)
	if code, _ := w.post(t, s.URLs()[0]+"/whep"); code != http.StatusCreated {
		t.Fatal(code)
	}
	number := 0
	tell := func(count int) int {
		t.Helper()
		var text strings.Builder
		text.WriteString("a=mid:0\r\n")
		for range count {
			fmt.Fprintf(&text, "a=candidate:%d 1 udp 2130706431 10.%d.%d.%d 9 typ host\r\n", number, number>>16&255, number>>8&255, number&255)
			number++
		}
		r, err := http.NewRequest(http.MethodPatch, s.URLs()[0]+w.location, strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/trickle-ice-sdpfrag")
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode
	}
	for i := range 70 { // one by one
		if code, want := tell(1), map[bool]int{true: http.StatusNoContent, false: http.StatusBadRequest}[i < 64]; code != want {
			t.Errorf("candidate %d: %d, want %d", i, code, want)
		}
	}
	for number < 10_000 {
		if code := tell(64); code != http.StatusBadRequest {
			t.Fatalf("one more: %d", code)
		}
	}
	before := w.units.Load()
	testenv.Eventually(t, "the viewer continues", func() bool { return w.units.Load() > before+20 })
}

// A viewer whose link is cut is dropped within ten seconds, and so is one that never finishes its DTLS handshake: their places are free.
func TestWHEPSilentViewersAreForgotten(t *testing.T) {
	testenv.Long(t, "waits for ten seconds")
	t.Parallel()
	s, server := showWHEP(t, nil, nil)
	cut, half := newRelay(t, server.Address(), 0), newRelay(t, server.Address(), 0)
	half.noDTLS.Store(true)
	began := time.Now()
	decode(t, s.URLs()[0]+"/whep", half)
	d := decode(t, s.URLs()[0]+"/whep", cut)
	if n := server.Sessions(); n != 2 {
		t.Errorf("%d sessions", n)
	}
	testenv.Eventually(t, "pictures", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.ages) > 10 })
	cut.cut.Store(true)
	gone := time.Now()
	testenv.Eventually(t, "the viewer whose link was cut is gone", func() bool { return s.State().Server.Viewers == 0 && s.State().Video.Takers == 0 })
	after := time.Since(gone)
	testenv.Eventually(t, "the one that has not connected is gone", func() bool { return server.Sessions() == 0 })
	t.Logf("gone %v after its link was cut; %v after an offer that led to nothing", after.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	if after > 20*time.Second { // ten, on an idle machine
		t.Errorf("gone after %v", after)
	}
}
