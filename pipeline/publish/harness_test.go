package publish_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/publish"
	"github.com/maixstream/maixstream/pipeline/video"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// patient is a Lag with which no unit is left out on a busy machine.
const patient = 20 * time.Second

// quiet is an address of the loopback where nobody else listens on Linux, so that a port which is free for a while is not taken by another process's tests.
var quiet = func() string {
	if runtime.GOOS == "linux" {
		return "127.86.0.1"
	}
	return "127.0.0.1"
}()

// Parameter sets of constrained baseline streams: 64x48, and 1920x1080.
var (
	smallSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4}
	largeSPS = []byte{
		0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20,
	}
	pps = []byte{0x68, 0xce, 0x3c, 0x80}
)

// camera fills a log as a pipeline does: 50 units a second while somebody watches, key frames on request. The second to fifth byte of each slice are its number.
type camera struct {
	log      *video.Log
	watching atomic.Int64
	silent   atomic.Bool
	large    atomic.Bool
	size     atomic.Int64 // of a unit, bytes
	period   atomic.Int64 // between units, ns; 0: 50 units a second
	clock    atomic.Int64 // how far the capture times are off, ns
	err      atomic.Pointer[error]
	slowest  atomic.Int64 // longest time that Append took, ns
}

func newCamera(t *testing.T) *camera {
	t.Helper()
	log, err := video.New(video.Config{Bytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := &camera{log: log}
	c.size.Store(200)
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() { c.run(stop) })
	t.Cleanup(func() {
		close(stop)
		done.Wait()
		log.Close()
	})
	return c
}

func (c *camera) run(stop <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var number uint32
	sps := smallSPS
	var last time.Time
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if c.watching.Load() == 0 || c.silent.Load() {
			continue
		}
		now := time.Now()
		if now.Sub(last) < time.Duration(c.period.Load()) {
			continue
		}
		last = now
		wanted := smallSPS
		if c.large.Load() {
			wanted = largeSPS
		}
		key := c.log.KeyWanted(now) || string(wanted) != string(sps)
		sps = wanted
		number++
		slice := make([]byte, c.size.Load())
		slice[0], slice[1], slice[2], slice[3], slice[4] = 0x41, 1|byte(number>>24), byte(number>>16), byte(number>>8), byte(number)
		nals := [][]byte{slice}
		if key {
			slice[0] = 0x65
			nals = [][]byte{sps, pps, slice}
		}
		_ = c.log.Append(&frame.AccessUnit{NALs: nals, Key: key, Captured: now.Round(0).Add(time.Duration(c.clock.Load()))}) // it drops until the first key frame
		c.slowest.Store(max(c.slowest.Load(), int64(time.Since(now))))
	}
}

// FrameTime is that of a slow camera.
func (c *camera) FrameTime() time.Duration { return time.Duration(c.period.Load()) }

func (c *camera) Log() *video.Log { return c.log }

func (c *camera) Watch() func() {
	c.watching.Add(1)
	return sync.OnceFunc(func() { c.watching.Add(-1) })
}

func (c *camera) Err() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

// start runs a Publisher until the test's end or until stop is called. said is its log.
func start(t *testing.T, c publish.Config) (p *publish.Publisher, said *testenv.Output, stop func()) {
	t.Helper()
	said = &testenv.Output{}
	c.Log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(said), zap.DebugLevel))
	p, err := publish.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() {
		cancel()
		done.Wait()
	}
	t.Cleanup(stop)
	return p, said, stop
}

// receiver is what a server got of one stream.
type receiver struct {
	mu      sync.Mutex
	streams int
	open    int
	first   []bool   // of each stream: it began with a key frame
	numbers []uint32 // of the newest stream's units
	keys    []bool   // likewise
	sps     []string // likewise, each new one
	times   []time.Duration
}

func (r *receiver) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams++
	r.open++
	r.numbers, r.keys, r.sps, r.times = nil, nil, nil, nil
}

func (r *receiver) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
}

// take takes a unit, or parameter sets alone.
func (r *receiver) take(at time.Duration, au [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, nal := range au {
		switch h264.NALUType(nal[0] & 0x1f) {
		case h264.NALUTypeSPS:
			if n := len(r.sps); n == 0 || r.sps[n-1] != string(nal) {
				r.sps = append(r.sps, string(nal))
			}
		case h264.NALUTypeIDR, h264.NALUTypeNonIDR:
			if len(r.numbers) == 0 {
				r.first = append(r.first, nal[0] == 0x65)
			}
			r.numbers = append(r.numbers, uint32(nal[1]&^1)<<24|uint32(nal[2])<<16|uint32(nal[3])<<8|uint32(nal[4]))
			r.keys = append(r.keys, nal[0] == 0x65)
			r.times = append(r.times, at)
		}
	}
}

func (r *receiver) frames() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.numbers)
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.streams
}

func (r *receiver) sizes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.sps...)
}

// check reports a stream that does not begin with a key frame, or a gap that is not followed by one.
func (r *receiver) check(t *testing.T) (gaps int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range r.first {
		if !key {
			t.Errorf("stream %d does not begin with a key frame", i+1)
		}
	}
	for i := 1; i < len(r.numbers); i++ {
		if r.numbers[i] != r.numbers[i-1]+1 {
			gaps++
			if !r.keys[i] {
				t.Errorf("unit %d after unit %d, and it is no key frame", r.numbers[i], r.numbers[i-1])
			}
		}
		if r.times[i] <= r.times[i-1] {
			t.Errorf("unit %d at %v, after one at %v", r.numbers[i], r.times[i], r.times[i-1])
		}
	}
	return gaps
}

// rtmpServer is a server that takes one stream key.
type rtmpServer struct {
	*receiver
	listener net.Listener
	address  string
	key      string
	tls      *tls.Config
	kept     atomic.Int64  // acknowledgements received
	held     chan struct{} // not nil: streams are accepted, and read once it is closed

	conns map[net.Conn]struct{}
	done  sync.WaitGroup
}

// listen begins to serve at an address, which may be that of a server that was closed.
func (s *rtmpServer) listen(t *testing.T, address string) {
	t.Helper()
	if s.receiver == nil {
		s.receiver = new(receiver)
	}
	var err error
	testenv.Eventually(t, "the port is free", func() bool {
		s.listener, err = net.Listen("tcp", address)
		return err == nil
	})
	s.address = s.listener.Addr().String()
	s.conns = map[net.Conn]struct{}{}
	if s.tls != nil {
		s.listener = tls.NewListener(s.listener, s.tls)
	}
	l := s.listener
	s.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = struct{}{}
			s.mu.Unlock()
			s.done.Go(func() {
				defer conn.Close()
				_ = s.serve(conn) // that of a test which ends
			})
		}
	})
	t.Cleanup(s.kill)
}

// hangUp closes all connections.
func (s *rtmpServer) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
	clear(s.conns)
}

// kill closes the server and all its connections.
func (s *rtmpServer) kill() {
	s.listener.Close()
	s.hangUp()
	s.done.Wait()
}

func (s *rtmpServer) serve(conn net.Conn) error {
	c := &gortmplib.ServerConn{RW: conn}
	if err := c.Initialize(); err != nil {
		return err
	}
	if err := c.AcceptConn(); err != nil {
		return err
	}
	if !strings.HasSuffix(c.URL.RequestURI(), "/"+s.key) {
		_ = c.RejectAction()
		_, _ = io.Copy(io.Discard, conn) // until the client goes
		return nil
	}
	if err := c.AcceptAction(); err != nil {
		return err
	}
	if s.held != nil {
		s.begin()
		defer s.end()
		<-s.held
	}
	r := &gortmplib.Reader{Conn: &acknowledged{c, &s.kept}}
	if err := r.Initialize(); err != nil {
		return err
	}
	if s.held == nil {
		s.begin()
		defer s.end()
	}
	r.OnDataH264(r.Tracks()[0], func(at, _ time.Duration, au [][]byte) { s.take(at, au) })
	for {
		if err := r.Read(); err != nil {
			return err
		}
	}
}

// acknowledged counts the acknowledgements that a server receives.
type acknowledged struct {
	*gortmplib.ServerConn
	count *atomic.Int64
}

func (c *acknowledged) Read() (message.Message, error) {
	m, err := c.ServerConn.Read()
	if _, ok := m.(*message.Acknowledge); ok {
		c.count.Add(1)
	}
	return m, err
}

// certificate makes one for 127.0.0.1, and the file that says so.
func certificate(t *testing.T) (server *tls.Config, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}
