package stream_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline"
)

// relay relays UDP packets between viewers and a server, like a bad link.
type relay struct {
	socket *net.UDPConn // towards the viewers
	server *net.UDPAddr
	delay  time.Duration // one way
	loss   atomic.Int64  // lost packets per ten thousand, towards the viewer
	rate   atomic.Int64  // bits per second to all viewers; 0: unlimited
	queue  time.Duration // maximum queueing time of packets; beyond, they are dropped
	cut    atomic.Bool   // drops everything
	noDTLS atomic.Bool   // drops DTLS

	mu    sync.Mutex
	free  time.Time // when the link has sent what is queued
	up    map[string]*net.UDPConn
	ended chan struct{}
	run   sync.WaitGroup
}

func newRelay(t *testing.T, server string, delay time.Duration) *relay {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{socket: socket, server: to, delay: delay, queue: 150 * time.Millisecond, up: map[string]*net.UDPConn{}, ended: make(chan struct{})}
	r.run.Go(r.upstream)
	t.Cleanup(func() {
		close(r.ended)
		socket.Close()
		r.mu.Lock()
		for _, c := range r.up {
			c.Close()
		}
		r.mu.Unlock()
		r.run.Wait()
	})
	return r
}

// upstream relays what viewers send; each has its own socket.
func (r *relay) upstream() {
	send := r.later()
	buffer := make([]byte, 2048)
	for {
		n, from, err := r.socket.ReadFromUDP(buffer)
		if err != nil {
			return
		}
		if r.drops(buffer[:n]) {
			continue
		}
		r.mu.Lock()
		conn := r.up[from.String()]
		if conn == nil {
			if conn, err = net.DialUDP("udp", nil, r.server); err != nil {
				r.mu.Unlock()
				return
			}
			r.up[from.String()] = conn
			r.run.Go(func() { r.downstream(conn, from) })
		}
		r.mu.Unlock()
		packet := slices.Clone(buffer[:n])
		send(time.Now().Add(r.delay), func() { _, _ = conn.Write(packet) })
	}
}

// drops reports whether a packet is dropped regardless of loss; RFC 9443 tells how to recognize DTLS.
func (r *relay) drops(packet []byte) bool {
	return r.cut.Load() || r.noDTLS.Load() && len(packet) > 0 && packet[0] >= 20 && packet[0] < 64
}

func (r *relay) downstream(from *net.UDPConn, to *net.UDPAddr) {
	send := r.later()
	buffer := make([]byte, 2048)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if r.drops(buffer[:n]) || rand.Int64N(10_000) < r.loss.Load() {
			continue
		}
		at := time.Now()
		if rate := r.rate.Load(); rate > 0 {
			r.mu.Lock()
			if r.free.Before(at) {
				r.free = at
			}
			full := r.free.Sub(at) > r.queue
			if !full {
				r.free = r.free.Add(time.Duration(n+28) * 8 * time.Second / time.Duration(rate))
				at = r.free
			}
			r.mu.Unlock()
			if full {
				continue
			}
		}
		packet := slices.Clone(buffer[:n])
		send(at.Add(r.delay), func() { _, _ = r.socket.WriteToUDP(packet, to) })
	}
}

// later returns a function that schedules actions in the given order, each at its time.
func (r *relay) later() func(at time.Time, do func()) {
	type thing struct {
		at time.Time
		do func()
	}
	things := make(chan thing, 1<<14)
	r.run.Go(func() {
		for {
			select {
			case next := <-things:
				time.Sleep(time.Until(next.at))
				next.do()
			case <-r.ended:
				return
			}
		}
	})
	return func(at time.Time, do func()) {
		select {
		case things <- thing{at, do}:
		default: // a full queue drops, as a router's does
		}
	}
}

// decoder does what a player does with packets: it assembles whole pictures in order, and requests a key frame when one is lost.
type decoder struct {
	mu       sync.Mutex
	packets  map[uint64]*rtp.Packet // by unwrapped sequence number
	next     uint64                 // awaited
	last     uint64                 // highest received
	began    bool
	stuck    time.Time // since when next is missing although later ones have arrived
	captured map[uint32]time.Time
	askKey   func()

	ages      []time.Duration
	at        []time.Time // when each was complete
	lost      int         // pictures never completed
	plis      int
	bytes     int
	extension uint8
}

func (d *decoder) take(p *rtp.Packet) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes += len(p.Payload)
	if !d.began {
		d.began, d.last, d.next = true, 1<<32+uint64(p.SequenceNumber), 1<<32+uint64(p.SequenceNumber)
	}
	number := d.last + uint64(int64(int16(p.SequenceNumber-uint16(d.last))))
	d.last = max(d.last, number)
	if number < d.next {
		return
	}
	d.packets[number] = p
	if e := p.GetExtension(d.extension); len(e) == 8 {
		ntp := binary.BigEndian.Uint64(e)
		d.captured[p.Timestamp] = time.Unix(int64(ntp>>32)-2208988800, int64((ntp&0xffffffff)*1e9>>32))
	}
	d.advance(now)
}

// advance takes complete pictures, and gives up on one that is overdue.
func (d *decoder) advance(now time.Time) {
	for d.whole(now) {
		d.stuck = time.Time{}
	}
	if d.last < d.next {
		return
	}
	if d.stuck.IsZero() {
		d.stuck = now
	}
	if now.Sub(d.stuck) < 300*time.Millisecond {
		return
	}
	d.plis++
	d.askKey()
	d.stuck = now
	// Resume with the newest key frame whose first packet, its parameter sets, has arrived.
	for n := d.last; n > d.next; n-- {
		if p := d.packets[n]; p != nil && len(p.Payload) > 0 && (p.Payload[0]&31 == 7 || p.Payload[0]&31 == 24 && len(p.Payload) > 3 && p.Payload[3]&31 == 7) {
			for k := d.next; k < n; k++ {
				if p := d.packets[k]; p != nil && p.Marker {
					d.lost++
				}
				delete(d.packets, k)
			}
			d.next = n
			return
		}
	}
}

// whole takes the picture that begins with next if it is complete.
func (d *decoder) whole(now time.Time) bool {
	end := d.next
	for ; ; end++ {
		p := d.packets[end]
		if p == nil {
			return false
		}
		if p.Marker {
			break
		}
	}
	if at, ok := d.captured[d.packets[end].Timestamp]; ok {
		d.ages = append(d.ages, now.Sub(at))
		d.at = append(d.at, now)
		delete(d.captured, d.packets[end].Timestamp)
	}
	for ; d.next <= end; d.next++ {
		delete(d.packets, d.next)
	}
	return true
}

// seen is what a viewer saw in some time.
type seen struct {
	pictures, lost, plis int
	p50, p99, freeze     time.Duration
	bitrate              float64
}

func (s seen) String() string {
	return fmt.Sprintf("%d pictures, age p50 %v p99 %v, longest freeze %v, %d lost, %d key frames requested, %.0f kbit/s", s.pictures, s.p50.Round(time.Millisecond),
		s.p99.Round(time.Millisecond), s.freeze.Round(time.Millisecond), s.lost, s.plis, s.bitrate/1000)
}

// watch observes for some time.
func (d *decoder) watch(duration time.Duration) seen {
	d.mu.Lock()
	d.ages, d.at, d.lost, d.plis, d.bytes = nil, nil, 0, 0, 0
	d.mu.Unlock()
	began := time.Now()
	time.Sleep(duration)
	d.mu.Lock()
	defer d.mu.Unlock()
	s := seen{pictures: len(d.ages), lost: d.lost, plis: d.plis, bitrate: float64(d.bytes) * 8 / time.Since(began).Seconds()}
	last := began
	for _, at := range append(slices.Clone(d.at), time.Now()) {
		s.freeze = max(s.freeze, at.Sub(last))
		last = at
	}
	ages := slices.Sorted(slices.Values(d.ages))
	if len(ages) > 0 {
		s.p50, s.p99 = ages[len(ages)/2], ages[(len(ages)-1)*99/100]
	}
	return s
}

// decode connects a viewer through a relay, which handles pictures as a player does.
func decode(t *testing.T, url string, r *relay) *decoder {
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
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(e)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	d := &decoder{packets: map[uint64]*rtp.Packet{}, captured: map[uint32]time.Time{}}
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		d.mu.Lock()
		for _, e := range receiver.GetParameters().HeaderExtensions {
			if strings.HasSuffix(e.URI, "abs-capture-time") {
				d.extension = uint8(e.ID)
			}
		}
		d.askKey = func() { _ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}) }
		d.mu.Unlock()
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			d.take(p)
		}
	})
	w := &watcher{pc: pc}
	_, port, _ := net.SplitHostPort(r.server.String())
	w.change = func(answer string) string { // direct the viewer to the relay
		var lines []string
		for line := range strings.Lines(answer) {
			if strings.HasPrefix(line, "a=candidate") && !strings.Contains(line, " udp ") {
				continue
			}
			lines = append(lines, strings.ReplaceAll(line, " "+port+" typ", " "+strconv.Itoa(r.socket.LocalAddr().(*net.UDPAddr).Port)+" typ"))
		}
		return strings.Join(lines, "")
	}
	if code, _ := w.post(t, url); code != http.StatusCreated {
		t.Fatal(code)
	}
	return d
}

// detailed is the test card with noise in part of it, like a moving picture of the world: without it, H.264 is too small to fill a link.
type detailed struct {
	frame.Source
	raw   frame.RawSource
	noise []byte
}

func openDetailed(_ context.Context, s pipeline.Settings) (frame.Source, error) {
	source, err := hw.OpenSource(hw.SourceConfig{Name: "testcard", Width: s.Width, Height: s.Height, FPS: s.FPS})
	if err != nil {
		return nil, err
	}
	n := &detailed{Source: source, raw: source.(frame.RawSource), noise: make([]byte, 1<<17)}
	for i := range n.noise {
		n.noise[i] = byte(108 + rand.IntN(40))
	}
	return n, nil
}

func (n *detailed) ReadFrame(ctx context.Context, f *frame.Frame) error {
	if err := n.raw.ReadFrame(ctx, f); err != nil {
		return err
	}
	for y := f.Height * 3 / 4; y < f.Height*7/8; y++ {
		at := rand.IntN(len(n.noise) - f.Width)
		copy(f.Planes[0][y*f.Strides[0]:][:f.Width], n.noise[at:])
	}
	return nil
}

// linkSeconds is how long a link is observed; an environment variable makes it longer, for the figures in docs/h264.md.
func linkSeconds(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("MAIXSTREAM_LINK_SECONDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * time.Second
	}
	return 5 * time.Second
}

// With 2 % loss and 20 ms one-way delay, pictures stay fresh and none freezes; on a link that becomes slow the bitrate follows.
func TestWHEPOverBadLink(t *testing.T) {
	testenv.Long(t, "observes links for a while")
	t.Parallel() // most of the time is spent waiting
	duration := linkSeconds(t)
	s, server := showWHEP(t, nil, func(c *pipeline.Config) {
		c.Open = openDetailed
		c.Settings.Width, c.Settings.Height, c.Settings.Bitrate = 640, 480, 2_000_000
	})
	r := newRelay(t, server.Address(), 20*time.Millisecond)
	d := decode(t, s.URLs()[0]+"/whep", r)
	count := func() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.ages) }
	testenv.Eventually(t, "pictures", func() bool { return count() > 60 })
	limits := func(name string, got seen, p99, freeze time.Duration) {
		t.Helper()
		t.Logf("%s: %v; the encoder: %.1f fps, %.0f kbit/s", name, got, s.State().Video.FPS, s.State().Video.BytesPerSec*8/1000)
		if duration < time.Minute { // on a busy machine
			p99, freeze = 20*p99, 10*freeze
		}
		if got.p99 > p99 || got.freeze > freeze || got.pictures == 0 {
			t.Errorf("%s: want p99 below %v, no freeze over %v", name, p99, freeze)
		}
	}
	limits("a good link", d.watch(4*time.Second), 250*time.Millisecond, time.Second)
	r.loss.Store(200)
	limits("2 % loss", d.watch(duration), 250*time.Millisecond, time.Second)
	r.loss.Store(0)
	r.rate.Store(1_000_000)
	slow := time.Now()
	testenv.Eventually(t, "the bitrate follows", func() bool { return s.State().Video.BytesPerSec*8 < 1_000_000 })
	t.Logf("1 Mbit/s: the bitrate has followed after %v", time.Since(slow).Round(100*time.Millisecond))
	limits("1 Mbit/s", d.watch(duration), 400*time.Millisecond, time.Second)
}

// One slow link of three does not decide for the others: its viewer gets key frames, and everything again once the link is fast.
func TestWHEPSlowViewerGetsKeyFrames(t *testing.T) {
	testenv.Long(t, "observes links for a while")
	t.Parallel()
	s, server := showWHEP(t, nil, func(c *pipeline.Config) {
		c.Open = openDetailed
		c.Settings.Width, c.Settings.Height, c.Settings.FPS, c.Settings.Bitrate, c.Settings.GOP = 320, 240, 20, 300_000, 1
	})
	slow := newRelay(t, server.Address(), 0)
	slow.rate.Store(80_000)
	var fast []*decoder
	for range 2 {
		fast = append(fast, decode(t, s.URLs()[0]+"/whep", newRelay(t, server.Address(), 0)))
	}
	testenv.Eventually(t, "the first two", func() bool { return s.State().Server.Viewers == 2 })
	third := decode(t, s.URLs()[0]+"/whep", slow)
	forms := func() (list []string) {
		for _, v := range s.State().Server.List {
			list = append(list, v.Form)
		}
		return list
	}
	began := time.Now()
	testenv.Eventually(t, "the third gets key frames", func() bool { list := forms(); return len(list) == 3 && list[2] == "webrtc (key frames)" })
	t.Logf("after %v", time.Since(began).Round(100*time.Millisecond))
	for i, d := range fast {
		testenv.Eventually(t, fmt.Sprintf("viewer %d has all pictures", i), func() bool { return d.watch(2*time.Second).pictures > 25 })
	}
	slow.rate.Store(0)
	began = time.Now()
	testenv.Eventually(t, "the third gets all pictures again", func() bool { return third.watch(2*time.Second).pictures > 25 })
	t.Logf("all pictures again after %v", time.Since(began).Round(100*time.Millisecond))
}
