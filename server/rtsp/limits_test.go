package rtsp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/rtsp"
)

// brittle is a listener whose Accept fails on demand.
type brittle struct {
	net.Listener
	fail *atomic.Pointer[error]
}

func (b *brittle) Accept() (net.Conn, error) {
	conn, err := b.Listener.Accept()
	if failure := b.fail.Swap(nil); err == nil && failure != nil {
		conn.Close()
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", *failure)}
	}
	return conn, err
}

// A failed accept once ended RTSP for good, silently; a listener that fails is reopened, and log and state report it.
func TestFailedListenerIsReopened(t *testing.T) {
	for _, c := range []struct {
		err      error
		restarts uint64
		level    string
	}{{syscall.EMFILE, 0, "warn"}, {syscall.ENOBUFS, 0, "warn"}, {syscall.EINVAL, 1, "error"}} {
		t.Run(c.err.Error(), func(t *testing.T) {
			var fail atomic.Pointer[error]
			core, logged := observer.New(zap.InfoLevel)
			s, _, address := startServer(t, rtsp.Config{Log: zap.New(core), Listen: func(network, address string) (net.Listener, error) {
				l, err := net.Listen(network, address)
				return &brittle{l, &fail}, err
			}}, picture(t, 64, 48, 1))
			fail.Store(&c.err)
			if conn, err := net.Dial("tcp", address); err == nil { // makes Accept return
				conn.Close()
			}
			testenv.Eventually(t, "Accept has failed", func() bool { return fail.Load() == nil && logged.Len() > 0 })
			testenv.Eventually(t, "the listener is reopened", func() bool { return s.State().Restarts == c.restarts && s.State().Error == "" })
			_, ask := dial(t, address)
			if reply := ask("DESCRIBE", "/"); reply.StatusCode != base.StatusOK {
				t.Errorf("afterwards: %d", reply.StatusCode)
			}
			if first := logged.All()[0]; first.Level.String() != c.level || !strings.Contains(fmt.Sprint(first.ContextMap()), c.err.Error()) {
				t.Errorf("logged %v %v", first, first.ContextMap())
			}
		})
	}
}

// A connection that sends no complete request is closed; others are served meanwhile.
func TestSilentConnectionsAreClosed(t *testing.T) {
	s, _, address := startServer(t, rtsp.Config{FirstRequest: 300 * time.Millisecond, MaxPerAddress: 100}, picture(t, 64, 48, 1))
	for _, begin := range []string{"", "OPTI", "OPTIONS rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n", "GET / HTTP/1.1\r\n", "XXXXXXXXXXXXXXXX"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, begin); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if rest, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("still open after %q; read %q", begin, rest)
		}
	}
	// After a request, the usual timeout between requests applies.
	conn, ask := dial(t, address)
	ask("OPTIONS", "/")
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a request: %d bytes, %v", n, err)
	}
	conn.Close()
	testenv.Eventually(t, "no connection is counted", func() bool { return s.State().Connections == 0 })
}

func TestConnectionsAreBounded(t *testing.T) {
	for name, c := range map[string]rtsp.Config{"of one address": {MaxPerAddress: 3}, "of all": {MaxConns: 3}} {
		t.Run(name, func(t *testing.T) {
			core, logged := observer.New(zap.InfoLevel)
			c.Log = zap.New(core)
			s, _, address := startServer(t, c, picture(t, 64, 48, 1))
			var open []net.Conn
			for range 3 {
				conn, ask := dial(t, address)
				ask("OPTIONS", "/")
				open = append(open, conn)
			}
			for range 20 {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
				if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("one over the limit is served: %v", err)
				}
				conn.Close()
			}
			if state := s.State(); state.Refused != 20 || state.Connections != 3 {
				t.Errorf("%+v", state)
			}
			if logged.Len() != 1 {
				t.Errorf("%d log lines for 20 refusals: %v", logged.Len(), logged.All())
			}
			if name == "of one address" {
				other, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				fmt.Fprintf(other, "OPTIONS rtsp://%s/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", address)
				if _, err := other.Read(make([]byte, 1)); err != nil {
					t.Errorf("another address: %v", err)
				}
			}
			before := s.State().Connections
			open[0].Close()
			testenv.Eventually(t, "a connection is free again", func() bool { return s.State().Connections == before-1 })
			_, ask := dial(t, address)
			ask("OPTIONS", "/")
		})
	}
}

// A stalled reader is logged once when it stalls and once when it is disconnected, in our log, and never in Go's own.
func TestStalledReaderIsLoggedTwice(t *testing.T) {
	var standard testenv.Output
	log.SetOutput(&standard)
	defer log.SetOutput(os.Stderr)
	core, logged := observer.New(zap.InfoLevel)
	s, _, address := startServer(t, rtsp.Config{Log: zap.New(core), StallTimeout: time.Second, QueueBytes: 1 << 20}, noise(t, 1280, 720))
	conn, ask := dial(t, address)
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	setup := ask("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
	id, _, _ := strings.Cut(strings.Join(setup.Header["Session"], ""), ";")
	if reply := ask("PLAY", "/", "Session: "+id); reply.StatusCode != base.StatusOK {
		t.Fatalf("PLAY: %d %s", reply.StatusCode, reply.StatusMessage)
	}
	testenv.Eventually(t, "packets are dropped", func() bool { return s.State().Lost > 100 })
	testenv.Eventually(t, "the reader is disconnected", func() bool { return s.State().Readers == 0 })
	testenv.Eventually(t, "the total is logged", func() bool { return logged.Len() >= 2 })
	if lines := logged.All(); len(lines) != 2 || lines[1].ContextMap()["lost_packets"].(uint64) < 100 {
		t.Errorf("logged %v", lines)
	}
	if text := standard.String(); text != "" {
		t.Errorf("Go's log: %.200s", text)
	}
}

// reads plays to a loopback address and returns the reply to PLAY.
func reads(t *testing.T, address, from string) (net.Conn, *base.Response) {
	t.Helper()
	conn, ask := dialFrom(t, address, from)
	setup := ask("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
	id, _, _ := strings.Cut(strings.Join(setup.Header["Session"], ""), ";")
	return conn, ask("PLAY", "/", "Session: "+id)
}

// One address cannot occupy all places: a newcomer replaces a reader of an address that has more.
func TestPlacesAreSharedAmongAddresses(t *testing.T) {
	s, _, address := startServer(t, rtsp.Config{MaxReaders: 3}, picture(t, 64, 48, 1))
	for range 3 {
		if _, reply := reads(t, address, "127.0.0.2"); reply.StatusCode != base.StatusOK {
			t.Fatal(reply.StatusCode)
		}
	}
	if _, reply := reads(t, address, "127.0.0.2"); reply.StatusCode != base.StatusNotEnoughBandwidth {
		t.Errorf("fourth reader of the same address: %d", reply.StatusCode)
	}
	if _, reply := reads(t, address, "127.0.0.3"); reply.StatusCode != base.StatusOK {
		t.Errorf("another address: %d %s", reply.StatusCode, reply.StatusMessage)
	}
	if _, reply := reads(t, address, "127.0.0.4"); reply.StatusCode != base.StatusOK {
		t.Errorf("one more address: %d %s", reply.StatusCode, reply.StatusMessage)
	}
	if _, reply := reads(t, address, "127.0.0.5"); reply.StatusCode != base.StatusNotEnoughBandwidth {
		t.Errorf("when every address has one: %d", reply.StatusCode)
	}
	if n := s.Readers(); n != 3 {
		t.Errorf("%d readers", n)
	}
}

// Readers over UDP go on without their connection, so that the limit of connections does not bound them.
func TestReadersOfOneAddressAreBounded(t *testing.T) {
	s, _, address := startServer(t, rtsp.Config{MaxPerAddress: 2}, picture(t, 64, 48, 1))
	overUDP := func(from, ports string) *base.Response {
		t.Helper()
		conn, ask := dialFrom(t, address, from)
		defer conn.Close()
		setup := ask("SETUP", "/trackID=0", "Transport: RTP/AVP;unicast;client_port="+ports)
		id, _, _ := strings.Cut(strings.Join(setup.Header["Session"], ""), ";")
		return ask("PLAY", "/", "Session: "+id)
	}
	for _, ports := range []string{"40000-40001", "40002-40003"} {
		if reply := overUDP("127.0.0.2", ports); reply.StatusCode != base.StatusOK {
			t.Fatal(reply.StatusCode)
		}
		testenv.Eventually(t, "its connection is gone", func() bool { return s.State().Connections == 0 })
	}
	if reply := overUDP("127.0.0.2", "40004-40005"); reply.StatusCode != base.StatusNotEnoughBandwidth || !strings.Contains(reply.StatusMessage, "from this address") {
		t.Errorf("third reader of the same address: %d %s", reply.StatusCode, reply.StatusMessage)
	}
	if _, reply := reads(t, address, "127.0.0.3"); reply.StatusCode != base.StatusOK {
		t.Errorf("another address: %d", reply.StatusCode)
	}
	if n := s.Readers(); n != 3 {
		t.Errorf("%d readers", n)
	}
}

// Media over UDP comes from the local address that the client connected to.
func TestUDPComesFromTheRequestedAddress(t *testing.T) {
	_, port, err := net.SplitHostPort(testenv.FreeMediaAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	startServer(t, rtsp.Config{Address: ":" + port}, picture(t, 64, 48, 1))
	for _, host := range []string{"127.0.0.1", "127.0.1.1", "127.9.9.9", "::1"} {
		t.Run(host, func(t *testing.T) {
			asked := net.JoinHostPort(host, port)
			rtp, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
			if err != nil {
				testenv.Unable(t, err.Error()) // no IPv6 here
			}
			defer rtp.Close()
			_, ask := dialFrom(t, asked, host)
			client := rtp.LocalAddr().(*net.UDPAddr).Port
			setup := ask("SETUP", "/trackID=0", fmt.Sprintf("Transport: RTP/AVP;unicast;client_port=%d-%d", client, client+1))
			if setup.StatusCode != base.StatusOK {
				t.Fatalf("SETUP: %d", setup.StatusCode)
			}
			id, _, _ := strings.Cut(strings.Join(setup.Header["Session"], ""), ";")
			if reply := ask("PLAY", "/", "Session: "+id); reply.StatusCode != base.StatusOK {
				t.Fatalf("PLAY: %d", reply.StatusCode)
			}
			_ = rtp.SetReadDeadline(time.Now().Add(30 * time.Second))
			_, from, err := rtp.ReadFrom(make([]byte, 2000))
			if err != nil {
				t.Fatal(err)
			}
			if ip := from.(*net.UDPAddr).IP; !ip.Equal(net.ParseIP(host)) {
				t.Errorf("media comes from %v", ip)
			}
		})
	}
}

// Addresses beyond mostInstances are still served over TCP.
func TestManyLocalAddresses(t *testing.T) {
	_, port, err := net.SplitHostPort(testenv.FreeMediaAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	startServer(t, rtsp.Config{Address: "0.0.0.0:" + port, MaxPerAddress: 100}, picture(t, 64, 48, 1))
	for i := range 40 {
		if conn, reply := reads(t, fmt.Sprintf("127.0.2.%d:%s", i+1, port), fmt.Sprintf("127.0.3.%d", i+1)); reply.StatusCode != base.StatusOK {
			t.Fatalf("address %d: %d", i, reply.StatusCode)
		} else if i%2 == 0 {
			conn.Close()
		}
	}
}

func TestNotFoundListsThePaths(t *testing.T) {
	_, address := start(t, 64, 48, nil)
	_, ask := dial(t, address)
	for _, path := range []string{"/", "", "/jpeg", "/stream", "/jpeg/"} {
		if reply := ask("DESCRIBE", path); reply.StatusCode != base.StatusOK {
			t.Errorf("%s: %d", path, reply.StatusCode)
		}
	}
	if reply := ask("DESCRIBE", "/live/ch0"); reply.StatusCode != base.StatusNotFound || !strings.Contains(reply.StatusMessage, "/jpeg") {
		t.Errorf("%d %s", reply.StatusCode, reply.StatusMessage)
	}
}

func TestCloseWithIncomingConnections(t *testing.T) {
	s, _, address := startServer(t, rtsp.Config{}, picture(t, 64, 48, 1))
	ctx, cancel := context.WithCancel(t.Context())
	var coming sync.WaitGroup
	for range 4 {
		coming.Go(func() {
			for ctx.Err() == nil {
				if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
					fmt.Fprintf(conn, "OPTIONS rtsp://%s/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", address)
					conn.Close()
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	s.Close()
	s.Close()
	cancel()
	coming.Wait()
	if n := s.State().Connections; n != 0 {
		t.Errorf("%d connections are open after Close", n)
	}
}
