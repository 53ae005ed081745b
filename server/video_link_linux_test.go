package server_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/internal/bench/load"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/internal/testvideo"
	"github.com/maixstream/maixstream/server/rtsp"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// within runs f in a network namespace: sockets that f opens belong to it.
func within(name string, f func() error) error {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := os.Open("/run/netns/" + name)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = f()
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// ages collects the age of pictures on arrival.
type ages struct {
	mu   sync.Mutex
	list []time.Duration
}

func (a *ages) add(captured time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, time.Since(captured))
}

func (a *ages) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = a.list[:0]
}

// of returns their number and two percentiles.
func (a *ages) of() (n int, p50, p99 time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.list)
	if n = len(a.list); n == 0 {
		return 0, 0, 0
	}
	return n, a.list[n/2], a.list[(n-1)*99/100]
}

// 1280x720 at 30 frames per second over links that carry a fifth of the JPEGs: the pictures arrive. The bounds leave room for a loaded machine, on which
// readers lag whatever the link carries.
func TestH264OverSlowLink(t *testing.T) {
	testenv.Long(t, "takes ten seconds per link")
	testvideo.RequireEncoder(t)
	for _, c := range []struct {
		rate    string
		bitrate int
	}{{"4mbit", 2_000_000}, {"2.5mbit", 1_000_000}} {
		for _, way := range []string{"MP4", "RTSP"} {
			t.Run(fmt.Sprintf("%s, %d kbit/s, %s", c.rate, c.bitrate/1000, way), func(t *testing.T) {
				link, err := load.NewLink(c.rate)
				if errors.Is(err, load.ErrNoLink) {
					testenv.Missing(t, err.Error(), "root")
				}
				if err != nil {
					t.Fatal(err)
				}
				defer link.Close()
				p := hd(t, c.bitrate)
				var a ages
				if way == "MP4" {
					watchMP4(t, link, p, &a)
				} else {
					watchRTSP(t, link, p, &a)
				}
				testenv.Eventually(t, "the first pictures", func() bool { n, _, _ := a.of(); return n > 30 })
				a.clear()
				began, before := time.Now(), p.Video().Log().Sequence()
				time.Sleep(8 * time.Second)
				made := p.Video().Log().Sequence() - before
				n, p50, p99 := a.of()
				fps := float64(n) / time.Since(began).Seconds()
				t.Logf("%.1f fps, age p50 %v, p99 %v; encoder: %.1f fps, %.0f kbit/s", fps, p50, p99, p.Video().State().FPS, p.Video().State().BytesPerSec*8/1000)
				if n < int(made)/2 {
					t.Errorf("%d of %d pictures arrive", n, made)
				}
				if p99 > 1500*time.Millisecond {
					t.Errorf("99th percentile of age: %v", p99)
				}
			})
		}
	}
}

// hd runs the test card at 1280x720 with H.264.
func hd(t *testing.T, bitrate int) *pipeline.Pipeline {
	t.Helper()
	p := testvideo.Pipeline(t, ring.Config{Slots: 8, SlotSize: 4 << 20, Envelope: stream.Envelope()}, func(c *pipeline.Config) {
		c.Settings.Width, c.Settings.Height, c.Settings.Bitrate = 1280, 720, bitrate
	})
	testenv.Eventually(t, "the source runs", func() bool { return p.State().Signal })
	return p
}

func watchMP4(t *testing.T, link *load.Link, p *pipeline.Pipeline, a *ages) {
	t.Helper()
	var listener net.Listener
	if err := within(link.Here, func() (err error) {
		listener, err = net.Listen("tcp", link.Address+":0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	shell, err := web.New(web.Config{Listeners: []net.Listener{listener}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := stream.New(stream.Config{Feed: p, Shell: shell})
	if err != nil {
		t.Fatal(err)
	}
	shell.Mount("/", h)
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		_ = shell.Close(context.Background())
	})
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = within(link.There, func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}}}
	response, err := client.Get("http://" + listener.Addr().String() + "/video.mp4")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	go func() {
		r := bufio.NewReader(response.Body)
		var head [8]byte
		var captured time.Time
		for {
			if _, err := io.ReadFull(r, head[:]); err != nil {
				return
			}
			content := make([]byte, binary.BigEndian.Uint32(head[:])-8)
			if _, err := io.ReadFull(r, content); err != nil {
				return
			}
			switch string(head[4:]) {
			case "prft":
				captured = time.Unix(int64(binary.BigEndian.Uint32(content[8:]))-2208988800, int64(uint64(binary.BigEndian.Uint32(content[12:]))*1e9>>32))
			case "mdat":
				a.add(captured)
			}
		}
	}()
}

func watchRTSP(t *testing.T, link *load.Link, p *pipeline.Pipeline, a *ages) {
	t.Helper()
	s, err := rtsp.Start(rtsp.Config{Address: "0.0.0.0:18554", Feed: p, Listen: func(network, address string) (l net.Listener, err error) {
		err = within(link.Here, func() (err error) {
			l, err = net.Listen(network, address)
			return err
		})
		return l, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	u, err := base.ParseURL("rtsp://" + link.Address + ":18554/h264")
	if err != nil {
		t.Fatal(err)
	}
	tcp := gortsplib.ProtocolTCP
	client := gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Protocol: &tcp, DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = within(link.There, func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	desc, _, err := client.Describe(u)
	if err != nil {
		t.Fatal(err)
	}
	var h264 *format.H264
	medium := desc.FindFormat(&h264)
	if medium == nil {
		t.Fatal("no H.264 in the description: " + strings.TrimSpace(desc.Title))
	}
	if _, err := client.Setup(desc.BaseURL, medium, 0, 0); err != nil {
		t.Fatal(err)
	}
	client.OnPacketRTP(medium, h264, func(packet *rtp.Packet) {
		if captured, ok := client.PacketNTP(medium, packet); ok && packet.Marker {
			a.add(captured)
		}
	})
	if _, err := client.Play(nil); err != nil {
		t.Fatal(err)
	}
}
