package rtsp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/internal/testvideo"
	"github.com/maixstream/maixstream/server/rtsp"
)

// fakeVideo encodes frames as units of a fixed size that carry an increasing number.
type fakeVideo struct {
	size  int
	made  uint64
	slice []byte
}

func (*fakeVideo) Name() string                      { return "fake" }
func (*fakeVideo) Configure(frame.VideoConfig) error { return nil }
func (*fakeVideo) Close() error                      { return nil }

func (e *fakeVideo) Encode(f *frame.Frame, key bool, u *frame.AccessUnit) error {
	u.Key = key || e.made == 0
	e.made++
	e.slice = append(e.slice[:0], bytes.Repeat([]byte{0xaa}, e.size)...) // contains no start code
	e.slice[0] = 0x41
	u.NALs = u.NALs[:0]
	if u.Key {
		e.slice[0] = 0x65
		u.NALs = append(u.NALs, []byte{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4}, []byte{0x68, 0xce, 0x3c, 0x80})
	}
	copy(e.slice[1:], fmt.Sprintf("%016x", e.made))
	u.NALs = append(u.NALs, e.slice)
	u.Captured, u.Sequence = f.Captured, f.Sequence
	return nil
}

// videoPipeline runs the test card with H.264 at 30 fps; encoder nil: OpenH264.
func videoPipeline(t *testing.T, encoder func(frame.VideoConfig) (frame.VideoEncoder, error)) *pipeline.Pipeline {
	t.Helper()
	p := testvideo.Pipeline(t, ring.Config{Slots: 8, SlotSize: 1 << 20}, func(c *pipeline.Config) { c.Video.NewEncoder = encoder })
	testenv.Eventually(t, "the source runs", func() bool { return p.State().Signal })
	return p
}

func of(size int) func(frame.VideoConfig) (frame.VideoEncoder, error) {
	return func(frame.VideoConfig) (frame.VideoEncoder, error) { return &fakeVideo{size: size}, nil }
}

// serveVideo serves a pipeline over RTSP and returns the address.
func serveVideo(t *testing.T, p *pipeline.Pipeline, config rtsp.Config) (*rtsp.Server, string) {
	t.Helper()
	config.Address, config.Feed = testenv.FreeMediaAddress(t), p
	s, err := rtsp.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, config.Address
}

// watcher plays /h264 with gortsplib's client and checks what arrives.
type watcher struct {
	client  gortsplib.Client
	format  *format.H264
	units   atomic.Int64
	reports atomic.Int64

	mu       sync.Mutex
	problems []string
	last     uint16
	first    bool
	number   uint64
	newest   atomic.Int64 // when the newest unit arrived
}

func (w *watcher) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) < 5 {
		w.problems = append(w.problems, fmt.Sprintf(format, args...))
	}
}

// watch starts a watcher. contiguous: no frame may be missing. scheme is rtsp or rtsps.
func watch(t *testing.T, scheme, address string, protocol gortsplib.Protocol, contiguous bool) *watcher {
	t.Helper()
	u, err := base.ParseURL(scheme + "://" + address + "/h264")
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{client: gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Protocol: &protocol, TLSConfig: &tls.Config{InsecureSkipVerify: true}}}
	if err := w.client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	desc, _, err := w.client.Describe(u)
	if err != nil {
		t.Fatal(err)
	}
	medium := desc.FindFormat(&w.format)
	if medium == nil || len(w.format.SPS) == 0 || len(w.format.PPS) == 0 || w.format.PacketizationMode != 1 {
		t.Fatalf("described as %+v", w.format)
	}
	if _, err := w.client.Setup(desc.BaseURL, medium, 0, 0); err != nil {
		t.Fatal(err)
	}
	decoder := &rtph264.Decoder{PacketizationMode: 1}
	if err := decoder.Init(); err != nil {
		t.Fatal(err)
	}
	w.client.OnPacketRTP(medium, w.format, func(p *rtp.Packet) {
		if w.first && p.SequenceNumber != w.last+1 {
			w.problem("packet %d after %d", p.SequenceNumber, w.last)
		}
		w.first, w.last = true, p.SequenceNumber
		nals, err := decoder.Decode(p)
		if errors.Is(err, rtph264.ErrMorePacketsNeeded) {
			return
		}
		if err != nil {
			w.problem("%v", err)
			return
		}
		w.unit(nals, contiguous)
	})
	w.client.OnPacketRTCP(medium, func(p rtcp.Packet) {
		if _, ok := p.(*rtcp.SenderReport); ok {
			w.reports.Add(1)
		}
	})
	if _, err := w.client.Play(nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// unit checks that the stream starts with a key frame, and that units are missing only before key frames.
func (w *watcher) unit(nals [][]byte, contiguous bool) {
	last := nals[len(nals)-1]
	key := nals[0][0]&0x1f == 7
	if w.units.Load() == 0 && !key {
		w.problem("begins with NAL unit % x", nals[0][:1])
	}
	if key && (len(nals) != 3 || last[0] != 0x65) {
		w.problem("a key frame of %d NAL units", len(nals))
	}
	if len(last) > 17 && w.number > 0 && w.fake() {
		number := numberOf(last)
		if number != w.number+1 && (contiguous || !key) {
			w.problem("unit %d after %d, key frame %v", number, w.number, key)
		}
	}
	if w.fake() && len(last) > 17 && bytes.Count(last[17:], []byte{0xaa}) != len(last)-17 {
		w.problem("a unit of %d bytes with others in it", len(last))
	}
	if w.fake() && len(last) > 17 {
		w.number = numberOf(last)
	}
	w.newest.Store(time.Now().UnixNano())
	w.units.Add(1)
}

func numberOf(slice []byte) uint64 {
	n, _ := strconv.ParseUint(string(slice[1:17]), 16, 64)
	return n
}

// fake reports whether units carry numbers.
func (w *watcher) fake() bool { return len(w.format.SPS) == 7 }

func (w *watcher) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.problems {
		t.Error(p)
	}
}

func TestH264ArrivesComplete(t *testing.T) {
	testenv.Long(t, "two seconds of video by each of five ways")
	for _, c := range []struct {
		name     string
		protocol gortsplib.Protocol
		config   rtsp.Config
		size     int
	}{
		{"TCP", gortsplib.ProtocolTCP, rtsp.Config{}, 9000},
		{"TCP, units of one packet", gortsplib.ProtocolTCP, rtsp.Config{}, 100},
		{"TCP, large units", gortsplib.ProtocolTCP, rtsp.Config{}, 200_000},
		{"UDP", gortsplib.ProtocolUDP, rtsp.Config{}, 9000},
		{"TLS", gortsplib.ProtocolTCP, rtsp.Config{TLS: certificate(t)}, 9000},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, address := serveVideo(t, videoPipeline(t, of(c.size)), c.config)
			scheme := map[bool]string{true: "rtsps", false: "rtsp"}[c.config.TLS != nil]
			w := watch(t, scheme, address, c.protocol, false)
			testenv.Eventually(t, "60 units", func() bool { return w.units.Load() >= 60 })
			w.check(t)
			if w.reports.Load() == 0 {
				t.Error("no sender report")
			}
		})
	}
}

func TestH264IsRefusedWithAReason(t *testing.T) {
	missing := func(frame.VideoConfig) (frame.VideoEncoder, error) { return nil, openh264.ErrMissing }
	_, address := serveVideo(t, videoPipeline(t, missing), rtsp.Config{})
	if code, text := describe(t, address, "/h264"); code != 415 || !strings.Contains(text, "apt install libopenh264-7") {
		t.Errorf("no library: %d %s", code, text)
	}
	_, address = start(t, 64, 64, nil)
	if code, text := describe(t, address, "/h264"); code != 404 || !strings.Contains(text, "available: /jpeg") {
		t.Errorf("feed without H.264: %d %s", code, text)
	}
}

// describe sends DESCRIBE and returns the reply's code and text.
func describe(t *testing.T, address, path string) (code int, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "DESCRIBE rtsp://%s%s RTSP/1.0\r\nCSeq: 1\r\n\r\n", address, path)
	b := make([]byte, 2000)
	n, _ := conn.Read(b)
	line, _, _ := strings.Cut(string(b[:n]), "\r\n")
	_, _ = fmt.Sscanf(line, "RTSP/1.0 %d", &code)
	return code, line
}

// slowReader plays over TCP without gortsplib's client, so that it can stop reading.
func slowReader(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(8 << 10)
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	session := ""
	for i, line := range []string{"DESCRIBE rtsp://%s/h264", "SETUP rtsp://%s/h264/trackID=0", "PLAY rtsp://%s/h264"} {
		fmt.Fprintf(conn, line+" RTSP/1.0\r\nCSeq: %d\r\n%sTransport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n\r\n", address, i+1, session)
		var reply []byte
		one := make([]byte, 1)
		for !bytes.HasSuffix(reply, []byte("\r\n\r\n")) {
			if _, err := conn.Read(one); err != nil {
				t.Fatal(err)
			}
			reply = append(reply, one[0])
		}
		if !bytes.HasPrefix(reply, []byte("RTSP/1.0 200")) {
			t.Fatalf("%s: %s", line, reply)
		}
		for header := range strings.SplitSeq(string(reply), "\r\n") {
			if name, value, _ := strings.Cut(header, ": "); name == "Content-Length" {
				var n int
				fmt.Sscan(value, &n)
				for ; n > 0; n-- {
					if _, err := conn.Read(one); err != nil {
						t.Fatal(err)
					}
				}
			} else if name == "Session" {
				id, _, _ := strings.Cut(value, ";")
				session = "Session: " + id + "\r\n"
			}
		}
	}
	return conn
}

// Readers that stop reading disturb no others, and one that resumes is shown current video, from a key frame, without a gap in its sequence numbers.
func TestStalledH264ReadersDisturbNoOthers(t *testing.T) {
	testenv.Long(t, "12 s until a stalled reader is closed")
	p := videoPipeline(t, of(60_000)) // 14 Mbit/s: socket buffers fill up soon
	s, address := serveVideo(t, p, rtsp.Config{StallTimeout: 12 * time.Second})
	var good []*watcher
	for range 8 {
		good = append(good, watch(t, "rtsp", address, gortsplib.ProtocolTCP, false))
	}
	var stopped []net.Conn
	for range 8 {
		stopped = append(stopped, slowReader(t, address))
	}
	began := make([]int64, len(good))
	for i, w := range good {
		began[i] = w.units.Load()
	}
	time.Sleep(3 * time.Second)
	for i, w := range good {
		if n := w.units.Load() - began[i]; n < 20 {
			t.Errorf("reader %d received %d units in 3 s beside eight stalled readers", i, n)
		}
	}
	on := time.Now()
	back := jump(t, stopped[0])
	t.Logf("caught up %v after resuming", back.Sub(on))
	testenv.Eventually(t, "the seven stalled readers are disconnected", func() bool { return s.Readers() == 9 })
	for _, w := range good {
		w.check(t)
	}
	if n := p.State().Video.Takers; n != 9 {
		t.Errorf("%d takers, want 9", n)
	}
}

// jump reads interleaved packets until the RTP time jumps by more than a second, to a key frame.
func jump(t *testing.T, conn net.Conn) time.Time {
	t.Helper()
	var last uint32
	var sequence uint16
	head := make([]byte, 4)
	for i := 0; ; {
		if _, err := fullRead(conn, head); err != nil {
			t.Fatal(err)
		}
		packet := make([]byte, binary.BigEndian.Uint16(head[2:]))
		if _, err := fullRead(conn, packet); err != nil {
			t.Fatal(err)
		}
		if head[0] != '$' {
			t.Fatalf("% x between packets", head)
		}
		if head[1] != 4 { // RTCP
			continue
		}
		number, at := binary.BigEndian.Uint16(packet[2:]), binary.BigEndian.Uint32(packet[4:])
		if i > 0 && number != sequence+1 {
			t.Errorf("packet %d after %d", number, sequence)
		}
		if i > 0 && at-last > 90000 {
			if packet[12]&0x1f != 7 {
				t.Errorf("resumes with a NAL unit of type %d, not a key frame", packet[12]&0x1f)
			}
			return time.Now()
		}
		sequence, last = number, at
		i++
	}
}

func fullRead(conn net.Conn, b []byte) (int, error) {
	for n := 0; n < len(b); {
		k, err := conn.Read(b[n:])
		if err != nil {
			return n, err
		}
		n += k
	}
	return len(b), nil
}

func TestH264PauseAndResume(t *testing.T) {
	p := videoPipeline(t, of(5000))
	s, address := serveVideo(t, p, rtsp.Config{})
	w := watch(t, "rtsp", address, gortsplib.ProtocolTCP, false)
	testenv.Eventually(t, "units", func() bool { return w.units.Load() > 5 })
	if _, err := w.client.Pause(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "no readers", func() bool { return s.Readers() == 0 && p.State().Video.Takers == 0 })
	n := w.units.Load()
	if _, err := w.client.Play(nil); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "units again", func() bool { return w.units.Load() > n+5 })
	w.check(t)
}

// 300 frames without an error in other programs. Over UDP, programs lose packets on a busy machine, so they have three tries.
func TestH264PlaysInOtherPrograms(t *testing.T) {
	testenv.Long(t, "takes ten seconds a program")
	_, address := serveVideo(t, videoPipeline(t, nil), rtsp.Config{})
	url := "rtsp://" + address + "/h264"
	for _, c := range []struct {
		name, protocol string
		play           func(ctx context.Context, args []string) error
		args           string
	}{
		{"ffmpeg", "tcp", runQuietly, "ffmpeg -v warning -xerror -rtsp_transport tcp -i $URL -frames:v 300 -fps_mode vfr -enc_time_base -1 -f null -"},
		{"ffmpeg", "udp", runQuietly, "ffmpeg -v warning -xerror -rtsp_transport udp -i $URL -frames:v 300 -fps_mode vfr -enc_time_base -1 -f null -"},
		{"gst-launch-1.0", "tcp", readPictures, "gst-launch-1.0 -q rtspsrc location=$URL protocols=tcp latency=0 ! rtph264depay ! avdec_h264 ! video/x-raw,format=I420 ! fdsink sync=false"},
		{"gst-launch-1.0", "udp", readPictures, "gst-launch-1.0 -q rtspsrc location=$URL protocols=udp latency=50 ! rtph264depay ! avdec_h264 ! video/x-raw,format=I420 ! fdsink sync=false"},
	} {
		t.Run(c.name+" "+c.protocol, func(t *testing.T) {
			testenv.Program(t, c.name)
			if c.name == "gst-launch-1.0" && exec.Command("gst-inspect-1.0", "avdec_h264").Run() != nil {
				testenv.Missing(t, "GStreamer's decoder of H.264 (gstreamer1.0-libav)", "make setup-test")
			}
			for tries := 1; ; tries++ {
				err := c.play(t.Context(), strings.Fields(strings.ReplaceAll(c.args, "$URL", url)))
				if err == nil {
					return
				}
				if tries == 3 || c.protocol != "udp" {
					t.Fatal(err)
				}
				t.Logf("try %d: %v", tries, err)
			}
		})
	}
}

// runQuietly runs a program that ends by itself and prints only errors.
func runQuietly(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	switch {
	case err != nil:
		return fmt.Errorf("%v: %w: %.2000s", args, err, out)
	case len(bytes.TrimSpace(out)) > 0:
		return fmt.Errorf("%v: %.2000s", args, out)
	}
	return nil
}

// readPictures reads 300 frames of 320x240 from a program's standard output, and then kills it. GStreamer cannot be relied on to end by
// itself: at its pipeline's end it sends PAUSE and cancels that at once to send TEARDOWN, and if the cancellation comes first, rtspsrc mistakes its own write, of
// which no byte was sent, for the connection's end ("Could not send message. (Received end-of-file)").
func readPictures(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n, err := io.CopyN(io.Discard, out, 300*320*240*3/2)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed
	switch {
	case err != nil:
		return fmt.Errorf("%v: %w after %d bytes: %.2000s", args, err, n, said.String())
	case said.Len() > 0:
		return fmt.Errorf("%v: %.2000s", args, said.String())
	}
	return nil
}
