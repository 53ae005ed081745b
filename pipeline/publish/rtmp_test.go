package publish_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/publish"
)

const secretKey = "live_4fd8-secret"

func TestRTMPServerThatIsKilledAndComesBack(t *testing.T) {
	testenv.NoLeaks(t)
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, quiet+":0")
	p, said, stop := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/" + secretKey, Source: cam, Lag: patient})

	testenv.Eventually(t, "30 units", func() bool { return server.frames() >= 30 })
	if gaps := server.check(t); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
	s := p.State()
	if want := "rtmp://" + server.address + "/app/..."; s.URL != want || !s.Connected || s.Since == 0 || s.Connections != 1 || s.Frames < 30 || s.Bytes < 30*200 || s.Error != "" {
		t.Errorf("%+v, want %s", s, want)
	}
	testenv.Eventually(t, "rates are measured", func() bool { s := p.State(); return s.FPS > 0 && s.BytesPerSec > 0 })

	server.kill()
	testenv.Eventually(t, "the state says so", func() bool { s := p.State(); return !s.Connected && s.Error != "" })
	testenv.Eventually(t, "the encoder may rest", func() bool { return cam.watching.Load() == 0 })
	testenv.Eventually(t, "the next attempt is announced", func() bool { s := p.State(); return s.RetryIn > 0 && s.RetryAt > 0 })
	server.listen(t, server.address)
	testenv.Eventually(t, "a second stream", func() bool { return server.count() == 2 && server.frames() >= 30 })
	if gaps := server.check(t); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
	if s := p.State(); !s.Connected || s.Connections != 2 || s.Failures == 0 {
		t.Errorf("%+v", s)
	}
	stop()
	testenv.Eventually(t, "the server is left", func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return server.open == 0
	})
	if text := fmt.Sprintf("%s%+v", said, p.State()); strings.Contains(text, secretKey) {
		t.Errorf("the key is shown:\n%s", text)
	}
}

// A platform may take any key, and hang up on a wrong one after a while.
func TestServerThatHangsUpSoonAfter(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, "127.0.0.1:0")
	p, said, _ := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/" + secretKey, Source: cam})
	const want = "the server closed the connection soon after it had taken the stream: is the stream key or password right?"
	for n := uint64(1); n <= 2; n++ {
		testenv.Eventually(t, "units", func() bool { s := p.State(); return s.Connections == n && s.Frames > 0 })
		server.hangUp()
		testenv.Eventually(t, want, func() bool { s := p.State(); return s.Failures >= n && s.Error == want })
	}
	if n := strings.Count(said.String(), want); n != 1 {
		t.Errorf("said %d times:\n%s", n, said)
	}
}

func TestWrongKeySaysWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, "127.0.0.1:0")
	p, said, _ := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/another-secret?pass=word", Source: cam})
	const want = "the server said: authentication failed (NetStream.Publish.Unauthorized)"
	testenv.Eventually(t, want, func() bool { return p.State().Error == want })
	testenv.Eventually(t, "tried again", func() bool { return p.State().Failures >= 2 })
	if s := p.State(); s.Connected || s.Connections != 0 || s.Frames != 0 {
		t.Errorf("%+v", s)
	}
	if text := said.String(); strings.Contains(text, "another-secret") || strings.Count(text, want) != 1 {
		t.Errorf("want it once, and no key:\n%s", text)
	}
}

func TestServerThatHangsUp(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, "127.0.0.1:0")
	server.kill()
	p, _, _ := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/" + secretKey, Source: cam})
	testenv.Eventually(t, "refused", func() bool { return strings.Contains(p.State().Error, "connection refused") })
	if cam.watching.Load() != 0 {
		t.Error("the encoder works for nobody")
	}
}

func TestAddressFileIsReadAgain(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, "127.0.0.1:0")
	name := filepath.Join(t.TempDir(), "platform")
	write := func(key string) {
		t.Helper()
		if err := os.WriteFile(name, []byte("# from the dashboard\nrtmp://"+server.address+"/app\n"+key+"\n"), 0o604); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o604); err != nil {
			t.Fatal(err)
		}
	}
	write("expired-secret")
	p, said, _ := start(t, publish.Config{Address: "file:" + name, Source: cam})
	testenv.Eventually(t, "the old key is refused", func() bool { return strings.Contains(p.State().Error, "authentication failed") })
	if !strings.Contains(said.String(), "every user of this machine may read") {
		t.Errorf("nothing said of the file's mode:\n%s", said)
	}
	write(secretKey)
	testenv.Eventually(t, "units with the new one", func() bool { return server.frames() > 0 })
	if want := "rtmp://" + server.address + "/app/..."; p.State().URL != want {
		t.Errorf("%s, want %s", p.State().URL, want)
	}
	if text := said.String(); strings.Contains(text, "-secret") {
		t.Errorf("a key is shown:\n%s", text)
	}
}

func TestNewSizeGoesOutInTheSameStream(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, "127.0.0.1:0")
	p, _, _ := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/" + secretKey, Source: cam, Lag: patient})
	testenv.Eventually(t, "20 units", func() bool { return server.frames() >= 20 })
	cam.large.Store(true)
	testenv.Eventually(t, "both sizes", func() bool { return len(server.sizes()) == 2 })
	cam.large.Store(false)
	testenv.Eventually(t, "the first again", func() bool { return len(server.sizes()) == 3 })
	n := server.frames()
	testenv.Eventually(t, "it goes on", func() bool { return server.frames() >= n+20 })
	if got := server.sizes(); got[0] != string(smallSPS) || got[1] != string(largeSPS) || got[2] != string(smallSPS) {
		t.Errorf("%x", got)
	}
	if gaps := server.check(t); gaps > 0 || server.count() != 1 || p.State().Connections != 1 {
		t.Errorf("%d gaps, %d streams, %+v", gaps, server.count(), p.State())
	}
}

func TestClockThatIsSetDoesNotStopTheStream(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, "127.0.0.1:0")
	p, _, _ := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/" + secretKey, Source: cam, Lag: patient})
	began := time.Now()
	for _, off := range []time.Duration{0, -time.Hour, 24 * time.Hour} {
		cam.clock.Store(int64(off))
		n := server.frames()
		testenv.Eventually(t, "it goes on", func() bool { return server.frames() >= n+20 })
	}
	if gaps := server.check(t); gaps > 0 || p.State().Connections != 1 {
		t.Errorf("%d gaps, %+v", gaps, p.State())
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if lasted := server.times[len(server.times)-1] - server.times[0]; lasted > time.Since(began)+time.Second {
		t.Errorf("by its times the stream lasts %v, after %v", lasted, time.Since(began))
	}
}

// A server that takes nothing is given up and tried again; neither the camera nor another server waits for it.
func TestStalledServer(t *testing.T) {
	testenv.Long(t, "seconds in which nothing is taken or given")
	t.Parallel()
	cam := newCamera(t)
	cam.size.Store(100 << 10) // more than the kernel keeps within seconds
	stalled := &rtmpServer{key: secretKey, held: make(chan struct{})}
	stalled.listen(t, "127.0.0.1:0")
	t.Cleanup(func() { close(stalled.held) }) // before the server's end
	good := &rtmpServer{key: secretKey}
	good.listen(t, "127.0.0.1:0")
	p, said, _ := start(t, publish.Config{Address: "rtmp://" + stalled.address + "/app/" + secretKey, Source: cam, StallTimeout: time.Second})
	other, _, _ := start(t, publish.Config{Address: "rtmp://" + good.address + "/app/" + secretKey, Source: cam, StallTimeout: time.Minute, Lag: time.Minute})
	testenv.Eventually(t, "it is given up", func() bool { return strings.Contains(said.String(), "the server has taken nothing for 1s") })
	testenv.Eventually(t, "it is tried again", func() bool { return stalled.count() >= 2 })
	n := good.frames()
	testenv.Eventually(t, "the other one goes on", func() bool { return good.frames() >= n+20 })
	if s := other.State(); s.Connections != 1 || s.Failures != 0 {
		t.Errorf("the other one: %+v", s)
	}
	if p.State().Failures == 0 {
		t.Errorf("%+v", p.State())
	}
}

// One that takes too little is moved to a key frame.
func TestSlowServerSkipsToAKeyFrame(t *testing.T) {
	testenv.Long(t, "seconds in which nothing is taken or given")
	t.Parallel()
	cam := newCamera(t)
	cam.size.Store(100 << 10)
	server := &rtmpServer{key: secretKey, held: make(chan struct{})}
	server.listen(t, "127.0.0.1:0")
	p, _, _ := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/" + secretKey, Source: cam, StallTimeout: time.Minute, Lag: 500 * time.Millisecond})
	testenv.Eventually(t, "the stream has begun", func() bool { return p.State().Frames > 0 })
	// Nothing goes out while the server reads nothing and the kernel's buffers are full.
	var stuck, since uint64
	testenv.Eventually(t, "it takes no more, for a hundred units", func() bool {
		if frames := p.State().Frames; frames != stuck {
			stuck, since = frames, cam.log.Sequence()
		}
		return cam.log.Sequence() > since+100
	})
	close(server.held)
	defer func() {
		if t.Failed() {
			t.Logf("%d units came in %d streams; %+v", server.frames(), server.count(), p.State())
		}
	}()
	testenv.Eventually(t, "units were left out", func() bool { return p.State().Skipped > 0 })
	n := server.frames()
	testenv.Eventually(t, "it goes on", func() bool { return server.frames() >= n+100 })
	if gaps := server.check(t); gaps == 0 || server.count() != 1 {
		t.Errorf("%d gaps, %d streams", gaps, server.count())
	}
}

func TestSilentSourceEndsTheStreamAndBringsItBack(t *testing.T) {
	testenv.Long(t, "seconds in which nothing is taken or given")
	t.Parallel()
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey}
	server.listen(t, "127.0.0.1:0")
	p, _, _ := start(t, publish.Config{Address: "rtmp://" + server.address + "/app/" + secretKey, Source: cam, StallTimeout: 3 * time.Second, Lag: time.Second})
	testenv.Eventually(t, "units", func() bool { return server.frames() > 0 })
	before := p.State().Connections
	cam.silent.Store(true)
	testenv.Eventually(t, "the stream ends", func() bool { return strings.HasPrefix(p.State().Error, "no pictures from the source") })
	testenv.Eventually(t, "it waits for the source", func() bool { return cam.watching.Load() == 1 && p.State().RetryIn == 0 })
	if p.State().Connections != before {
		t.Errorf("%+v", p.State())
	}
	cam.silent.Store(false)
	testenv.Eventually(t, "another stream", func() bool { return server.count() > int(before) && server.frames() > 0 })
}

// A source slower than the stall timeout is published in one stream, which is kept alive between its pictures; it still ends when the source falls silent.
func TestSlowSourceIsPublishedInOneStream(t *testing.T) {
	const stall = 600 * time.Millisecond
	rtmp, rtsp := &rtmpServer{key: secretKey}, &rtspServer{host: quiet, path: "live/garden", user: "cam", password: "pass-word"}
	rtmp.listen(t, "127.0.0.1:0")
	rtsp.listen(t, "")
	for _, c := range []struct {
		address string
		server  *receiver
		kept    *atomic.Int64
	}{
		{"rtmp://" + rtmp.address + "/app/" + secretKey, rtmp.receiver, &rtmp.kept},
		{"rtsp://cam:pass-word@" + rtsp.address + "/live/garden", rtsp.receiver, &rtsp.kept},
	} {
		t.Run(c.address[:4], func(t *testing.T) {
			t.Parallel()
			cam := newCamera(t)
			cam.period.Store(int64(3 * stall))
			p, _, _ := start(t, publish.Config{Address: c.address, Source: cam, StallTimeout: stall, Lag: patient})
			testenv.Eventually(t, "three units", func() bool { return c.server.frames() >= 3 })
			if s := p.State(); s.Connections != 1 || s.Failures != 0 || c.server.count() != 1 {
				t.Errorf("%+v, %d streams", s, c.server.count())
			}
			testenv.Eventually(t, "it is kept alive", func() bool { return c.kept.Load() > 1 })
			cam.silent.Store(true)
			testenv.Eventually(t, "the stream ends", func() bool { return strings.HasPrefix(p.State().Error, "no pictures from the source") })
		})
	}
}

func TestNoVideo(t *testing.T) {
	t.Parallel()
	cam := newCamera(t)
	err := errors.New("no H.264: there is no encoder")
	cam.err.Store(&err)
	p, _, _ := start(t, publish.Config{Address: "rtmp://127.0.0.1:9/app/" + secretKey, Source: cam})
	testenv.Eventually(t, "the state says why", func() bool { return p.State().Error == err.Error() })
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	config, ca := certificate(t)
	cam := newCamera(t)
	server := &rtmpServer{key: secretKey, tls: config}
	server.listen(t, "127.0.0.1:0")
	address := "rtmps://" + server.address + "/app/" + secretKey
	p, _, _ := start(t, publish.Config{Address: address, Source: cam})
	testenv.Eventually(t, "an unknown one is refused", func() bool { return strings.Contains(p.State().Error, "certificate") })
	if server.frames() > 0 {
		t.Error("units went to a server that nobody vouches for")
	}
	trusting, _, _ := start(t, publish.Config{Address: address, Source: cam, CAFile: ca})
	testenv.Eventually(t, "a known one is not", func() bool { return server.frames() >= 20 })
	if s := trusting.State(); !s.Connected {
		t.Errorf("%+v", s)
	}
	plain := &rtmpServer{key: secretKey}
	plain.listen(t, "127.0.0.1:0")
	lost, _, _ := start(t, publish.Config{Address: "rtmps://" + plain.address + "/app/" + secretKey, Source: cam, CAFile: ca})
	testenv.Eventually(t, "a server without TLS", func() bool { return lost.State().Error != "" })
	t.Log(lost.State().Error)
}
