package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/internal/testvideo"
	"github.com/maixstream/maixstream/server/stream"
)

// videoPipeline runs the test card with H.264 until the test ends.
func videoPipeline(t testing.TB, change func(*pipeline.Config)) *pipeline.Pipeline {
	t.Helper()
	return testvideo.Pipeline(t, ring.Config{Slots: 16, SlotSize: 1 << 20, Envelope: stream.Envelope()}, change)
}

// showVideo serves the test card with H.264.
func showVideo(t testing.TB, change func(*config), changePipeline func(*pipeline.Config)) (*testServer, *pipeline.Pipeline) {
	t.Helper()
	p := videoPipeline(t, changePipeline)
	s, err := show(p, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	testenv.Eventually(t, "the source runs", func() bool { return p.State().Signal })
	return s, p
}

// fragment is what a reader of /video.mp4 receives per picture.
type fragment struct {
	captured time.Time
	number   uint32
	time     uint64 // in ticks
	duration uint32
	key      bool
	picture  []byte
}

// boxes parses an MP4 stream.
type boxes struct {
	t    testing.TB
	r    *bufio.Reader
	init int // ftyp and moov seen
}

func (b *boxes) box() (name string, content []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return "", nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 8 || n > 8<<20 {
		return "", nil, fmt.Errorf("box %q of %d bytes", head[4:], n)
	}
	content = make([]byte, n-8)
	_, err = io.ReadFull(b.r, content)
	return string(head[4:]), content, err
}

// next reads a fragment.
func (b *boxes) next() (f fragment, err error) {
	be := binary.BigEndian
	for {
		name, c, err := b.box()
		if err != nil {
			return f, err
		}
		switch name {
		case "ftyp", "moov":
			b.init++
		case "prft":
			if b.init < 2 {
				return f, errors.New("fragment before ftyp and moov")
			}
			f.captured = time.Unix(int64(be.Uint32(c[8:]))-2208988800, int64(uint64(be.Uint32(c[12:]))*1e9>>32))
		case "moof":
			f.number = be.Uint32(c[12:])
			at := 16 + 8 + 16 // mfhd, traf's head, tfhd
			f.time = be.Uint64(c[at+12:])
			at += 20 + 8 + 12 // tfdt; trun's head, version, count and offset
			f.duration, f.key = be.Uint32(c[at:]), be.Uint32(c[at+8:])&0x10000 == 0
		case "mdat":
			f.picture = c
			return f, nil
		default:
			return f, fmt.Errorf("box %q", name)
		}
	}
}

func getVideo(t testing.TB, s *testServer) (*http.Response, *boxes) {
	t.Helper()
	response, err := http.Get("http://" + address(s) + "/video.mp4")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, &boxes{t: t, r: bufio.NewReader(response.Body)}
}

func TestVideoBeginsWithKeyFrame(t *testing.T) {
	s, p := showVideo(t, nil, nil)
	began := time.Now()
	response, b := getVideo(t, s)
	want := `video/mp4; codecs="` + p.Video().Log().Parameters().Codec() + `"`
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != want {
		t.Fatalf("%s: %v", response.Status, response.Header)
	}
	var last fragment
	for i := range 90 {
		f, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			t.Logf("first picture after %v, while the encoder rested", time.Since(began))
			if !f.key || f.time != 0 {
				t.Errorf("begins with %+v", f)
			}
		} else if f.number != last.number+1 || f.time <= last.time || f.time-last.time > 2*uint64(last.duration) {
			t.Errorf("fragment %d, time %d, after %d, time %d, duration %d", f.number, f.time, last.number, last.time, last.duration)
		}
		if age := time.Since(f.captured); age < -time.Second || age > 30*time.Second {
			t.Errorf("captured %v ago", age)
		}
		if nal := f.picture[4] & 0x1f; f.key != (nal == 7) {
			t.Errorf("key %v, first NAL unit of type %d", f.key, nal)
		}
		last = f
	}
	state := s.State()
	if len(state.Server.List) != 1 || state.Server.List[0].Form != "mp4" || state.Server.Viewers != 1 || state.Video.Takers != 1 {
		t.Errorf("state: %+v, %+v", state.Server, state.Video)
	}
	response.Body.Close()
	testenv.Eventually(t, "the viewer is gone and the encoder rests", func() bool { return s.State().Server.Viewers == 0 && p.State().Video.Takers == 0 })
}

func TestVideoRefusalHasReason(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*pipeline.Config)
		code   int
		text   string
	}{
		{"switched off", func(c *pipeline.Config) { c.Video = nil }, http.StatusNotImplemented, "no H.264 is available for these pictures: turn it on"},
		{"no library", func(c *pipeline.Config) {
			c.Video.NewEncoder = func(frame.VideoConfig) (frame.VideoEncoder, error) { return nil, openh264.ErrMissing }
		}, http.StatusNotImplemented, "apt install libopenh264-7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := showVideo(t, func(c *config) { c.Stream.Hints.Video = "turn it on" }, c.change)
			response, _ := getVideo(t, s)
			text, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.code || !strings.Contains(string(text), c.text) {
				t.Errorf("%s: %s", response.Status, text)
			}
		})
	}
}

func TestVideoViewersAreCounted(t *testing.T) {
	s, _ := showVideo(t, func(c *config) { c.MaxClients = 1 }, nil)
	_, b := getVideo(t, s)
	if _, err := b.next(); err != nil {
		t.Fatal(err)
	}
	second, _ := getVideo(t, s)
	if second.StatusCode != http.StatusServiceUnavailable || second.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %v", second.Status, second.Header)
	}
	request, _ := http.NewRequest(http.MethodHead, "http://"+address(s)+"/video.mp4", nil)
	head, err := http.DefaultClient.Do(request)
	if err != nil || head.StatusCode != http.StatusOK || head.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("HEAD: %v, %v", head, err)
	}
}

// Viewers that read nothing are disconnected after the stall timeout, and others get every picture.
func TestStalledVideoViewersDoNotAffectOthers(t *testing.T) {
	testenv.Long(t, "8 s of video")
	s, _ := showVideo(t, func(c *config) { c.StallTimeout = 3 * time.Second }, func(c *pipeline.Config) {
		c.Settings.Bitrate, c.Settings.Width, c.Settings.Height = 20_000_000, 640, 480
		c.Open = noisy
	})
	var stalled []net.Conn
	for range 8 {
		conn := ask(t, "tcp", address(s), "GET /video.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		stalled = append(stalled, conn)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		_, b := getVideo(t, s)
		wg.Go(func() {
			var last fragment
			for end := time.Now().Add(8 * time.Second); time.Now().Before(end); {
				f, err := b.next()
				if err != nil {
					t.Errorf("viewer %d: %v", i, err)
					return
				}
				if last.number > 0 && f.number != last.number+1 {
					t.Errorf("viewer %d: fragment %d after %d", i, f.number, last.number)
				}
				last = f
			}
			if last.number < 30 {
				t.Errorf("viewer %d: %d pictures in 8 s", i, last.number)
			}
		})
	}
	wg.Wait()
	state := s.State().Server
	var skipped uint64
	for _, v := range state.List {
		skipped += v.Skipped
	}
	if skipped != 0 {
		t.Logf("%d pictures were skipped for good viewers: the machine is loaded", skipped)
	}
	testenv.Eventually(t, "eight were closed as stalled", func() bool { return s.State().Server.Total.Stalled == 8 })
	for _, c := range stalled {
		c.Close()
	}
}

// noisy is a source whose pictures are hard to compress, so that sockets fill up.
func noisy(_ context.Context, s pipeline.Settings) (frame.Source, error) {
	n := &noise{interval: time.Duration(float64(time.Second) / s.FPS), width: s.Width, height: s.Height, closed: make(chan struct{})}
	for i := range n.frames {
		f, err := frame.Alloc(frame.YUV420, s.Width, s.Height)
		if err != nil {
			return nil, err
		}
		state := uint32(i + 1)
		for j := range f.Planes[0] {
			state = state*1664525 + 1013904223
			f.Planes[0][j] = uint8(state >> 25)
		}
		n.frames[i] = f
	}
	return n, nil
}

type noise struct {
	interval      time.Duration
	width, height int
	frames        [8]*frame.Frame
	number        uint64
	next          time.Time
	once          sync.Once
	closed        chan struct{}
}

func (n *noise) Info() frame.Info {
	return frame.Info{Name: "noise", Kind: "test", Width: n.width, Height: n.height, FPS: float64(time.Second) / float64(n.interval)}
}

func (n *noise) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *noise) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if now := time.Now(); n.next.Before(now) {
		n.next = now
	}
	select {
	case <-time.After(time.Until(n.next)):
	case <-ctx.Done():
		return ctx.Err()
	case <-n.closed:
		return frame.ErrGone
	}
	n.number++
	*f = *n.frames[n.number%uint64(len(n.frames))]
	f.Padded, f.Captured, f.Sequence = false, time.Now(), n.number
	n.next = n.next.Add(n.interval)
	return nil
}

// A reader that pauses for some seconds soon gets current pictures again, beginning with a key frame.
func TestPausedVideoViewerCatchesUp(t *testing.T) {
	stop := 5 * time.Second
	if testing.Short() {
		stop = 2 * time.Second
	}
	s, _ := showVideo(t, func(c *config) { c.StallTimeout = time.Minute }, func(c *pipeline.Config) {
		c.Settings.Bitrate, c.Settings.Width, c.Settings.Height = 20_000_000, 640, 480
		c.Open = noisy
	})
	conn := ask(t, "tcp", address(s), "GET /video.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_ = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &boxes{t: t, r: bufio.NewReader(response.Body)}
	if _, err := b.next(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(stop)
	on := time.Now()
	for {
		f, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if f.captured.After(on) {
			took := time.Since(on)
			t.Logf("back after %v", took)
			if took > 20*time.Second {
				t.Errorf("back after %v", took)
			}
			break
		}
	}
	testenv.Eventually(t, "the skipped pictures are counted", func() bool {
		list := s.State().Server.List
		return len(list) == 1 && list[0].Skipped > 0
	})
}

func TestVideoSettingsOverHTTP(t *testing.T) {
	s, p := showVideo(t, nil, nil)
	request, _ := http.NewRequest(http.MethodPatch, "http://"+address(s)+"/api/settings", strings.NewReader(`{"bitrate": 500000, "gop": 1}`))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	if st := p.State().Settings; st.Bitrate != 500000 || st.GOP != 1 {
		t.Errorf("%+v", st)
	}
	metrics, err := http.Get("http://" + address(s) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(metrics.Body)
	if !bytes.Contains(text, []byte("maixstream_h264_available 1")) || !bytes.Contains(text, []byte("maixstream_h264_key_frames_total")) {
		t.Error("/metrics lacks H.264's")
	}
}

func TestCloseEndsVideo(t *testing.T) {
	s, _ := showVideo(t, nil, nil)
	_, b := getVideo(t, s)
	if _, err := b.next(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closing took %v", took)
	}
	for {
		if _, err := b.next(); err != nil {
			break
		}
	}
}

// Other programs read three hundred pictures without an error.
func TestVideoPlaysInOtherPrograms(t *testing.T) {
	testenv.Long(t, "takes ten seconds per program")
	s, _ := showVideo(t, nil, nil)
	url := "http://" + address(s) + "/video.mp4"
	for _, c := range []struct {
		name string
		args []string
		want string // in its output
	}{
		{"ffmpeg", []string{"-v", "warning", "-xerror", "-i", url, "-frames:v", "300", "-fps_mode", "vfr", "-enc_time_base", "-1", "-f", "null", "-"}, ""},
		{"ffprobe", []string{"-v", "error", "-read_intervals", "%+10", "-show_entries", "packet=flags", "-of", "csv", url}, "packet,K"},
		{"gst-launch-1.0", []string{"-q", "souphttpsrc", "location=" + url, "is-live=true", "!", "qtdemux", "!", "avdec_h264", "!", "fakesink", "num-buffers=300", "sync=false"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			testenv.Program(t, c.name)
			if c.name == "gst-launch-1.0" && exec.Command("gst-inspect-1.0", "avdec_h264").Run() != nil {
				testenv.Missing(t, "GStreamer's decoder of H.264 (gstreamer1.0-libav)", "make setup-test")
			}
			out, err := exec.CommandContext(ctx, c.name, c.args...).CombinedOutput()
			if err != nil || c.want == "" && len(bytes.TrimSpace(out)) > 0 || !strings.HasPrefix(string(out), c.want) {
				t.Errorf("%v: %.2000s", err, out)
			}
		})
	}
}
