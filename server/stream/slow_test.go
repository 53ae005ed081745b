package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
)

type stateFeed struct {
	Feed
	state pipeline.State
}

func (f *stateFeed) State() pipeline.State { return f.state }

// A snapshot may take two frame times of the source, however many frames are wanted.
func TestSnapshotsWaitForASlowSource(t *testing.T) {
	for _, c := range []struct {
		wanted, own float64
		interval    float64 // learned from a live sender, seconds
		want        time.Duration
	}{
		{0.1, 0, 0, snapshotWait + 20*time.Second},
		{30, 0.1, 0, snapshotWait + 20*time.Second},
		{0.1, 30, 0, snapshotWait + 20*time.Second},
		{30, 0, 10, snapshotWait + 20*time.Second},
		{0, 0, 0, snapshotWait},
	} {
		feed := &stateFeed{state: pipeline.State{Settings: pipeline.Settings{FPS: c.wanted}, Source: frame.Info{FPS: c.own}, Interval: c.interval}}
		if got := (&Handler{config: Config{Feed: feed}}).patience(); got != c.want {
			t.Errorf("%g fps wanted, %g of the source: %v, want %v", c.wanted, c.own, got, c.want)
		}
	}
}

// A device that sends a picture every ten seconds has a frame rate, until it stops.
func TestSlowPicturesHaveARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := NewPictures(PicturesConfig{Slots: 4, SlotSize: 4096})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for i := range 20 {
			if i%10 == 0 {
				if err := p.Write([]byte("picture"), 8, 8, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if s := p.State(); i > 10 && s.FPS != 0.1 {
				t.Errorf("after %d s: %g fps", i, s.FPS)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(30 * time.Second)
		if s := p.State(); s.FPS != 0 {
			t.Errorf("half a minute after the last one: %g fps", s.FPS)
		}
	})
}

// A viewer that reads a large unit slowly but steadily gets all of it, with TLS or without; one that stops is closed.
func TestSteadyVideoViewerIsNotStalled(t *testing.T) {
	served := httptest.NewUnstartedServer(nil)
	served.StartTLS()
	served.Close()
	for _, encrypted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			const size, stall = 60 << 10, 10 * time.Second
			out, in := ours, net.Conn(&steadyConn{theirs})
			if encrypted {
				secure := tls.Server(ours, served.TLS)
				out, in = secure, tls.Client(in, &tls.Config{InsecureSkipVerify: true})
				go func() { _ = in.(*tls.Conn).HandshakeContext(t.Context()) }()
				if err := secure.HandshakeContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if n, err := io.CopyN(io.Discard, in, size); err != nil {
					t.Errorf("encrypted %v: %d bytes: %v", encrypted, n, err)
				}
			}()
			defer func() { <-done }()
			unit := make([]byte, size)
			v := &videoViewer{conn: out, stall: stall}
			v.buffers = net.Buffers{unit[:100], unit[100:]}
			if err := v.write(); err != nil || v.bytes.Load() != size {
				t.Errorf("encrypted %v: %v after %d bytes", encrypted, err, v.bytes.Load())
			}
			v.buffers = net.Buffers{unit}
			if err := v.write(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("encrypted %v: stopped: %v", encrypted, err)
			}
			theirs.Close()
		})
	}
}

// steadyConn is a connection that is read at 2 KiB per second.
type steadyConn struct{ net.Conn }

func (c *steadyConn) Read(b []byte) (int, error) {
	time.Sleep(time.Second)
	return c.Conn.Read(b[:min(len(b), 2<<10)])
}
