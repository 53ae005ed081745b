package rtsp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"go.uber.org/goleak"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/rtsp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testenv.Main(m)) }

// picture returns a JPEG whose brightness is its number.
func picture(t testing.TB, width, height, number int) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(number*7 + i%width)
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 128, 128
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// feed publishes frames at 50 fps while it is watched.
type feed struct {
	ring     *ring.Ring
	watchers atomic.Int64
}

func (f *feed) Ring() *ring.Ring { return f.ring }
func (f *feed) Watch() func() {
	f.watchers.Add(1)
	return func() { f.watchers.Add(-1) }
}

func publish(t testing.TB, r *ring.Ring, picture []byte) {
	t.Helper()
	slot, ok := r.Reserve()
	if !ok {
		t.Fatal("no free slot")
	}
	n := copy(slot.Buffer(r), picture)
	if err := r.Publish(slot, &frame.Picture{Size: n, Captured: time.Now()}, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, width, height int, allow func(from, user, password, token string) bool) (*feed, string) {
	t.Helper()
	var pictures [][]byte
	for i := range 20 {
		pictures = append(pictures, picture(t, width, height, i))
	}
	return startWith(t, rtsp.Config{Allow: allow}, pictures...)
}

func startWith(t *testing.T, config rtsp.Config, pictures ...[]byte) (*feed, string) {
	t.Helper()
	_, f, address := startServer(t, config, pictures...)
	return f, address
}

func startServer(t *testing.T, config rtsp.Config, pictures ...[]byte) (*rtsp.Server, *feed, string) {
	t.Helper()
	r, err := ring.New(ring.Config{Slots: 8, SlotSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{ring: r}
	publish(t, r, pictures[0])
	if config.Address == "" {
		config.Address = testenv.FreeMediaAddress(t)
	}
	config.Feed = f
	s, err := rtsp.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				publish(t, r, pictures[i%len(pictures)])
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		s.Close()
		if n := f.watchers.Load(); n != 0 {
			t.Errorf("%d watchers left after Close", n)
		}
		r.Close()
	})
	return s, f, config.Address
}

// noise returns a large JPEG.
func noise(t testing.TB, width, height int) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	seed := uint32(1)
	for _, plane := range [][]byte{img.Y, img.Cb, img.Cr} {
		for i := range plane {
			seed = seed*1664525 + 1013904223
			plane[i] = byte(seed >> 24)
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 50}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func ffmpeg(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command(testenv.Program(t, "ffmpeg"), append([]string{"-hide_banner", "-nostdin", "-loglevel", "info"}, args...)...).CombinedOutput()
	return string(out), err
}

func TestFFmpegReads300FramesWithoutAnError(t *testing.T) {
	testenv.Long(t, "300 frames, twice")
	for _, transport := range []string{"tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			f, address := start(t, 640, 480, nil)
			for tries := map[string]int{"tcp": 1, "udp": 3}[transport]; ; { // on a busy machine, a reader over UDP loses packets
				out, err := ffmpeg(t, "-rtsp_transport", transport, "-xerror", "-err_detect", "explode",
					"-i", "rtsp://"+address+"/stream", "-frames:v", "300", "-fps_mode", "passthrough", "-f", "null", "-")
				if err == nil && strings.Contains(out, "frame=  300") && strings.Contains(out, "640x480") &&
					!strings.Contains(out, "error") && !strings.Contains(out, "missed") {
					break
				}
				if tries--; tries == 0 {
					t.Fatalf("ffmpeg: %v\n%s", err, out)
				}
			}
			for end := time.Now().Add(20 * time.Second); f.watchers.Load() != 0; time.Sleep(10 * time.Millisecond) { // until ffmpeg's TEARDOWN or closed connection is seen
				if time.Now().After(end) {
					t.Fatal("still watched after the reader disconnected")
				}
			}
		})
	}
}

func TestUnsupportedSizeIsRefusedWithAReason(t *testing.T) {
	_, address := start(t, 2048, 64, nil)
	out, err := ffmpeg(t, "-i", "rtsp://"+address+"/", "-frames:v", "1", "-f", "null", "-")
	if err == nil || !strings.Contains(out, "2048x64 is larger than 2040x2040") {
		t.Errorf("ffmpeg: %v\n%s", err, out)
	}
}

func TestPasswordIsRequired(t *testing.T) {
	_, address := start(t, 64, 64, func(from, user, password, token string) bool {
		if !strings.HasPrefix(from, "127.0.0.1:") {
			t.Errorf("asked from %q", from)
		}
		return user == "ada" && password == "engine" || token == "difference"
	})
	for _, c := range []struct {
		user, query string
		want        bool
	}{
		{"ada:engine@", "", true},
		{"ada:wrong@", "", false},
		{"", "", false},
		{"", "?token=difference", true},
		{"", "?token=engine", false},
	} {
		out, err := ffmpeg(t, "-rtsp_transport", "tcp", "-i", "rtsp://"+c.user+address+"/"+c.query, "-frames:v", "2", "-f", "null", "-")
		if (err == nil) != c.want {
			t.Errorf("as %q with %q: %v\n%s", c.user, c.query, err, out)
		}
	}
}

// GStreamer requests the tracks without the original URL's token.
func TestTokenIsValidForItsConnection(t *testing.T) {
	_, address := start(t, 64, 64, func(from, user, password, token string) bool { return token == "difference" })
	connect := func() (request func(method, path string) base.StatusCode) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		replies, n := bufio.NewReader(conn), 0
		return func(method, path string) base.StatusCode {
			t.Helper()
			n++
			fmt.Fprintf(conn, "%s rtsp://%s%s RTSP/1.0\r\nCSeq: %d\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", method, address, path, n)
			var reply base.Response
			if err := reply.Unmarshal(replies); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			return reply.StatusCode
		}
	}
	ask := connect()
	if described, set := ask("DESCRIBE", "/?token=difference"), ask("SETUP", "/trackID=0"); described != base.StatusOK || set != base.StatusOK {
		t.Errorf("with the token: %d, %d", described, set)
	}
	if code := connect()("SETUP", "/trackID=0"); code != base.StatusUnauthorized {
		t.Errorf("without: %d", code)
	}
}

// server.Server's Allow without a password file.
func TestNoPasswordIsRequiredWithoutPasswords(t *testing.T) {
	_, address := start(t, 64, 64, func(from, user, password, token string) bool { return true })
	out, err := ffmpeg(t, "-rtsp_transport", "tcp", "-i", "rtsp://"+address+"/", "-frames:v", "2", "-f", "null", "-")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPortInUseIsReported(t *testing.T) {
	_, address := start(t, 64, 64, nil)
	if s, err := rtsp.Start(rtsp.Config{Address: address}); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("second server at %s: %v %v", address, s, err)
	}
	for _, bad := range []string{"", "localhost", ":0", ":rtsp", ":65535"} {
		if _, err := rtsp.Start(rtsp.Config{Address: bad}); err == nil || !strings.Contains(err.Error(), "address") {
			t.Errorf("address %q: %v", bad, err)
		}
	}
}
