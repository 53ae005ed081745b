package stream_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/whep"
)

// narrow relays connections to a server and limits the bytes per second sent back.
type narrow struct {
	URL  string
	rate atomic.Int64 // bytes per second of all connections together; 0: unlimited
	mu   sync.Mutex
	free time.Time // when the link has sent what is queued
}

// throttled starts a narrow link to a server, with small buffers, like a real link. It listens on a network address if there is one: browsers do not consider
// plain http:// from there secure, and restrict it more than the loopback.
func throttled(t *testing.T, s *testServer) *narrow {
	t.Helper()
	host := "127.0.0.1"
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			host = ip.IP.String()
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	n := &narrow{URL: "http://" + l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		l.Close()
		running.Wait()
	})
	small := func(option int) func(string, string, syscall.RawConn) error {
		return func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 16<<10) })
		}
	}
	dial := net.Dialer{Control: small(syscall.SO_RCVBUF)}
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer client.Close()
				_ = client.(*net.TCPConn).SetWriteBuffer(16 << 10)
				server, err := dial.DialContext(ctx, "tcp", address(s))
				if err != nil {
					return
				}
				defer server.Close()
				defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
				running.Go(func() {
					_, _ = io.Copy(server, client)
					_ = server.(*net.TCPConn).CloseWrite()
				})
				n.pass(ctx, client, server)
			})
		}
	})
	return n
}

// pass relays data, a packet at a time, each when the link has sent those before.
func (n *narrow) pass(ctx context.Context, to io.Writer, from io.Reader) {
	buffer := make([]byte, 4<<10)
	for {
		count, err := from.Read(buffer)
		if count > 0 {
			if rate := n.rate.Load(); rate > 0 {
				n.mu.Lock()
				if now := time.Now(); n.free.Before(now) {
					n.free = now
				}
				n.free = n.free.Add(time.Duration(count) * time.Second / time.Duration(rate))
				wait := time.Until(n.free)
				n.mu.Unlock()
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
				}
			}
			if _, err := to.Write(buffer[:count]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func TestPageWay(t *testing.T) {
	inBrowsers(t, map[string]func(*testing.T, tab){
		"choice":         pageChooses,
		"windows":        pageSharesVideo,
		"link throttled": pageThrottled,
		"chosen by hand": pageByHand,
		"no H.264":       pageWithoutVideo,
	})
}

// showWays serves a detailed picture, whose JPEGs are ten times as large as the video's pictures.
func showWays(t *testing.T, webRTC bool) (*testServer, *pipeline.Pipeline) {
	t.Helper()
	return showVideo(t, func(c *config) {
		if !webRTC {
			return
		}
		server, err := whep.New(whep.Config{Address: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		c.Stream.WebRTC = server
	}, func(c *pipeline.Config) {
		c.Settings.Quality, c.Settings.FPS, c.Settings.Width, c.Settings.Height, c.Settings.Bitrate = 90, 20, 640, 480, 300_000
	})
}

// The link becomes too slow for the JPEGs, and fast again: the page switches to video, and back.
func pageThrottled(t *testing.T, b tab) {
	s, _ := showWays(t, false)
	link := throttled(t, s)
	b.open(t, link.URL)
	wait(t, b, "JPEGs", live+` && way.now === "jpeg"`)
	jpeg := s.State().Newest.Bytes * 20
	video := 300_000 / 8
	if jpeg < 4*video {
		t.Fatalf("JPEGs take %d bytes per second, video %d", jpeg, video)
	}
	link.rate.Store(int64(2 * video))
	wait(t, b, "video", live+` && way.now === "mse"`)
	wait(t, b, "its measurements", `parseFloat(document.getElementById("short-fps").textContent) > 2 && parseFloat(document.getElementById("delay").textContent) > 0`)
	t.Logf("throttled to %d kB/s of %d: %s, delay %s; secure context: %s", 2*video/1000, jpeg/1000, text(t, b, "short-fps"), text(t, b, "delay"), b.eval(t, "isSecureContext"))
	link.rate.Store(0)
	wait(t, b, "JPEGs again", live+` && way.now === "jpeg" && !video`)
}

// pageByHand: in each way that this browser supports, everything on the page keeps working.
func pageByHand(t *testing.T, b tab) {
	s, p := showWays(t, true)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live)
	wait(t, b, "the choice", `!document.getElementById("ways").hidden && (!window.RTCPeerConnection || typeof offersH264 === "boolean") && document.getElementById("way").options.length === 2 + offeredWays().length`)
	if takers := p.Video().State().Takers; takers != 0 {
		t.Errorf("H.264 has %d takers although the page shows JPEGs", takers)
	}
	ways := strings.Split(b.eval(t, `[...document.getElementById("way").options].map((o) => o.value)`), ",")
	t.Log(ways)
	if cut := b.eval(t, cutOff); cut != "" {
		t.Errorf("cut off: %s", cut)
	}
	if !slices.Contains(ways, "mse") {
		testenv.Unable(t, "this browser has no H.264 with Media Source Extensions")
	}
	for _, way := range ways[1:] {
		t.Logf("%s: %s", way, b.eval(t, `document.querySelector("#way [value=`+way+`]").text`))
		b.eval(t, `(() => { const e = document.getElementById("way"); e.value = "`+way+`"; e.dispatchEvent(new Event("change")) })()`)
		shown := live + ` && way.now === "` + way + `" && !way.next && drawn.frames > 0`
		wait(t, b, way, shown)
		began := b.eval(t, "total.frames")
		wait(t, b, "pictures and their delay", `total.frames > 30 + `+began+` && parseFloat(document.getElementById("short-fps").textContent) > 1 && /^\d+ ms ±/.test(document.getElementById("delay").textContent)
			&& parseFloat(document.getElementById("seen-bytes").textContent) > 0`)
		t.Logf("%s: %s, %s, %s", way, text(t, b, "short-fps"), text(t, b, "delay"), text(t, b, "seen-bytes"))
		if ms, _ := strconv.Atoi(strings.Fields(text(t, b, "delay"))[0]); ms > 20_000 {
			t.Errorf("%s: %d ms", way, ms)
		}
		eventually(t, "one viewer", func() bool { return s.State().Server.Viewers == 1 })
		eventually(t, "H.264 takers", func() bool { return p.Video().State().Takers == map[bool]int{false: 1}[way == "jpeg"] })
		changes(t, b)
		pausesAndTurns(t, b, s, shown)
		b.press(t, "+")
		wait(t, b, "zoomed", `zoom.by > 1.2 && document.getElementById("picture").getBoundingClientRect().width > 1.2 * document.getElementById("stage").clientWidth`)
		b.press(t, "0", "f")
		wait(t, b, "full screen", `document.fullscreenElement?.id === "viewer"`)
		changes(t, b)
		b.eval(t, `document.exitFullscreen()`)
	}
	recordsFilm(t, b)
	b.open(t, s.URLs()[0]+"/?bare")
	wait(t, b, "the choice also applies to ?bare", live+` && way.now === "mse"`)
	b.open(t, "about:blank")
	eventually(t, "no viewers", func() bool { return s.State().Server.Viewers == 0 && p.Video().State().Takers == 0 })
}

// changes waits until the picture on the page changes.
func changes(t *testing.T, b tab) {
	t.Helper()
	const look = `(() => { const c = document.getElementById("picture"), d = c.getContext("2d").getImageData(0, c.height >> 1, c.width, 8).data; let sum = 0; for (const v of d) sum = (31 * sum + v) | 0; return sum })()`
	before := b.eval(t, look)
	eventually(t, "the picture changes", func() bool {
		time.Sleep(breath)
		return b.eval(t, look) != before
	})
}

func pausesAndTurns(t *testing.T, b tab, s *testServer, shown string) {
	t.Helper()
	b.eval(t, `document.getElementById("pause").click()`)
	eventually(t, "no viewers", func() bool { return s.State().Server.Viewers == 0 })
	b.eval(t, `document.getElementById("turn").click()`)
	wait(t, b, "the frozen picture is turned", `document.getElementById("picture").width === 480 && document.getElementById("picture").height === 640`)
	b.eval(t, `document.getElementById("pause").click()`)
	wait(t, b, "the same way resumes", shown)
	for range 3 {
		b.eval(t, `document.getElementById("turn").click()`)
	}
	wait(t, b, "turned back", `document.getElementById("picture").width === 640`)
}

// recordsFilm records briefly, where the browser can.
func recordsFilm(t *testing.T, b tab) {
	t.Helper()
	b.eval(t, `document.getElementById("record").hidden || document.getElementById("record").click()`)
	if b.eval(t, `document.getElementById("record").hidden`) == "true" {
		return
	}
	wait(t, b, "two seconds", `/^Stop \d+:(0[2-9]|[1-9])/.test(document.getElementById("record").innerText.trim())`)
	b.eval(t, `document.getElementById("record").click()`)
	var name string
	eventually(t, "the film", func() bool {
		names, _ := filepath.Glob(filepath.Join(b.downloads(), "maixstream-*.webm"))
		if len(names) == 0 {
			return false
		}
		info, err := os.Stat(names[0])
		name = names[0]
		return err == nil && info.Size() > 0
	})
	eventually(t, "a film of pictures", func() bool {
		out, err := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames,width", "-of", "csv=p=0", name).Output()
		var width, frames int
		_, scan := fmt.Sscanf(strings.TrimSpace(string(out)), "%d,%d", &width, &frames)
		return err == nil && scan == nil && width == 640 && frames >= 3
	})
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// Windows of one browser share video over HTTP, as they share JPEGs.
func pageSharesVideo(t *testing.T, b tab) {
	s, _ := showWays(t, false)
	s.stream.SetHTML([]byte("<!doctype html>" + strings.Repeat(`<iframe src="?bare" width="200" height="150"></iframe>`, 4)))
	b.open(t, s.URLs()[0])
	in := func(way string) string {
		return `[...document.querySelectorAll("iframe")].every((f) => { const d = f.contentDocument; return d.getElementById("live-text")?.textContent === "Live" && d.querySelector("#way > [value=auto]")?.text === "Automatic (` + way + `)" })`
	}
	wait(t, b, "all show JPEGs", in("JPEG"))
	for _, c := range [][2]string{{"mse", "Video over HTTP"}, {"jpeg", "JPEG"}, {"mse", "Video over HTTP"}} {
		b.eval(t, `(() => { const e = document.querySelector("iframe").contentDocument.getElementById("way"); e.value = "`+c[0]+`"; e.dispatchEvent(new Event("change")) })()`)
		wait(t, b, "all show "+c[1], in(c[1]))
		eventually(t, "they share a stream", func() bool { return s.State().Server.Viewers == 1 })
	}
	b.eval(t, `document.querySelector("iframe").remove()`)
	wait(t, b, "the others show video", in("Video over HTTP"))
	eventually(t, "they share a stream", func() bool { return s.State().Server.Viewers == 1 })
}

// pageWithoutVideo: without H.264 there is nothing to choose.
func pageWithoutVideo(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	wait(t, b, "the page is live", live+` && document.getElementById("source").textContent === "testcard"`)
	if b.eval(t, `document.getElementById("ways").hidden && choice.second(now(), { now: "jpeg", wish: "mse", offered: offeredWays(), arrived: 0, made: 20, delay: NaN })`) != "" {
		t.Error("video is offered")
	}
}

// pageChooses simulates the page's choice second by second.
func pageChooses(t *testing.T, b tab) {
	c := newCamera(t, "testcard", 320, 240)
	s := c.show(t, "127.0.0.1:0", nil)
	b.open(t, s.URLs()[0])
	// Per line: the ways offered, the wish, then what a second is like, how often, and what the page does in which of these seconds.
	b.eval(t, `window.runs = (offered, wish, ...parts) => {
		const c = chooser(), did = [];
		let at = 1000000, now = "jpeg", second = 0;
		for (const { times = 1, arrived = 20, made = 20, delay = 50, fails, works = true, probe = false } of parts) {
			for (let i = 0; i < times; i++, at += 1000, second++) {
				if (fails) c.failed(at, fails);
				const to = c.second(at, { now, wish, offered: offered.split(" ").filter(Boolean), arrived: now === "jpeg" ? arrived : 0, made, delay });
				if (!to) continue;
				did.push(second + " " + to);
				let settled = to;
				if (to === "probe") {
					if (!probe) c.missed();
					settled = probe ? "jpeg" : "";
				} else if (!works) {
					c.failed(at, to);
					settled = "";
				}
				if (settled) c.settled(at, settled, now), now = settled;
			}
		}
		return did.join(", ");
	}`)
	for _, c := range []struct{ name, run, want string }{
		{"a good link", `"webrtc mse", "auto", { times: 100 }`, ""},
		{"three quarters", `"webrtc mse", "auto", { times: 100, arrived: 15 }`, ""},
		{"less", `"webrtc mse", "auto", { times: 12, arrived: 14 }`, "3 webrtc"},
		{"a slow source", `"mse", "auto", { times: 100, arrived: 5, made: 5 }`, ""},
		{"one picture per second, one missing", `"mse", "auto", { times: 3, made: 1, arrived: 1 }, { made: 1, arrived: 0 }, { times: 9, made: 1, arrived: 1 }`, ""},
		{"no video", `"", "auto", { times: 100, arrived: 1 }`, ""},
		{"slow for two seconds", `"mse", "auto", { times: 10 }, { times: 2, arrived: 12 }, { times: 10 }`, ""},
		{"slow, with ever rarer failing probes", `"mse", "auto", { times: 100, arrived: 2 }`, "3 mse, 13 probe, 28 probe, 51 probe, 81 probe"},
		{"slow, then free", `"mse", "auto", { times: 10, arrived: 2 }, { times: 30, probe: true }`, "3 mse, 13 probe"},
		{"slow again soon", `"mse", "auto", { times: 10, arrived: 2 }, { times: 10, probe: true }, { times: 30, arrived: 3 }`, "3 mse, 13 probe, 23 mse, 38 probe"},
		{"WebRTC does not work", `"webrtc mse", "auto", { times: 5, arrived: 2, works: false }, { times: 3, arrived: 2 }`, "3 webrtc, 4 mse"},
		{"WebRTC is late, MSE is not", `"webrtc mse", "auto", { times: 5, arrived: 2 }, { times: 20, delay: 900 }, { times: 9, delay: 60 }`, "3 webrtc, 13 mse, 23 probe"},
		{"unknown delay", `"webrtc mse", "auto", { times: 13, arrived: 2, delay: NaN }`, "3 webrtc"},
		{"video ends while shown", `"mse", "auto", { times: 5, arrived: 2 }, { arrived: 2, fails: "mse" }, { times: 10, arrived: 2 }`, "3 mse, 5 jpeg, 15 mse"},
		{"by hand", `"webrtc mse", "mse", { times: 100, arrived: 20, delay: 900 }`, "0 mse"},
		{"JPEG by hand", `"webrtc mse", "jpeg", { times: 100, arrived: 2 }`, ""},
		{"by hand, unavailable", `"mse", "webrtc", { times: 100, arrived: 2 }`, ""},
	} {
		if got := b.eval(t, `runs(`+c.run+`)`); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
