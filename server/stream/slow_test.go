package stream

import (
	"errors"
	"io"
	"net"
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
		want        time.Duration
	}{
		{0.1, 0, snapshotWait + 20*time.Second},
		{30, 0.1, snapshotWait + 20*time.Second},
		{0.1, 30, snapshotWait + 20*time.Second},
		{0, 0, snapshotWait},
	} {
		feed := &stateFeed{state: pipeline.State{Settings: pipeline.Settings{FPS: c.wanted}, Source: frame.Info{FPS: c.own}}}
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

// A viewer that reads a large unit slowly but steadily gets all of it; one that stops is closed.
func TestSteadyVideoViewerIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		unit := make([]byte, 30<<10)
		go func() {
			for range 30 + 5 {
				time.Sleep(time.Second)
				if _, err := io.ReadFull(theirs, make([]byte, 1<<10)); err != nil {
					t.Error(err)
				}
			}
		}()
		v := &videoViewer{conn: ours, stall: 10 * time.Second}
		v.buffers = net.Buffers{unit[:100], unit[100:]}
		if err := v.write(); err != nil || v.bytes.Load() != uint64(len(unit)) {
			t.Errorf("%v after %d bytes", err, v.bytes.Load())
		}
		v.buffers = net.Buffers{unit}
		if err := v.write(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("stopped: %v", err)
		}
	})
}
