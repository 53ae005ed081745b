package v4l2

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
)

// driver fills its buffers at a rate, in the order in which they were queued, and drops pictures while it has none, like a kernel driver.
type driver struct {
	fd      int // an eventfd with the number of filled buffers
	memory  [][]byte
	picture []byte

	mu     sync.Mutex
	empty  []uint32
	filled []buffer
	number uint32
}

// buffers is camera.driver.
func (d *driver) buffers(request uintptr, b *buffer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if request == vidiocQueue {
		d.empty = append(d.empty, b.index)
		return nil
	}
	if len(d.filled) == 0 {
		return unix.EAGAIN
	}
	var one [8]byte
	if _, err := unix.Read(d.fd, one[:]); err != nil {
		return err
	}
	*b, d.filled = d.filled[0], d.filled[1:]
	return nil
}

// fill writes a picture with its creation time in a comment.
func (d *driver) fill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.number++
	if len(d.empty) == 0 {
		return
	}
	index := d.empty[0]
	d.empty = d.empty[1:]
	born := strconv.FormatInt(time.Now().UnixNano(), 10)
	jpg := bytes.Join([][]byte{d.picture[:2], {0xff, 0xfe, 0, byte(len(born) + 2)}, []byte(born), d.picture[2:]}, nil)
	copy(d.memory[index], jpg)
	d.filled = append(d.filled, buffer{index: index, sequence: d.number, bytesused: uint32(len(jpg))})
	_, _ = unix.Write(d.fd, binary.NativeEndian.AppendUint64(nil, 1))
}

// openFake opens a webcam with 30 or 60 fps.
func openFake(t *testing.T, deviceFPS, fps float64) jpegCamera {
	t.Helper()
	c, _ := fake(t)
	d := &driver{picture: picture(t)}
	var err error
	if d.fd, err = unix.Eventfd(0, unix.EFD_SEMAPHORE|unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if c.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	c.fd, c.driver = d.fd, d.buffers
	c.asked, c.period = fps, thin(fps, deviceFPS)
	for i, s := range c.slots {
		d.memory = append(d.memory, s.memory)
		if err := c.queue(uint32(i)); err != nil {
			t.Fatal(err)
		}
	}
	c.camera.stopped = make(chan struct{})
	go c.run()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Duration(float64(time.Second) / deviceFPS))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				d.fill()
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Pictures do not age in the driver's queue, however low the rate and however slow the reader. MAIXSTREAM_AGE_TEST=1m measures what the documentation
// promises, on an otherwise idle machine.
func TestPicturesAreNew(t *testing.T) {
	testenv.Long(t, "takes five seconds")
	length, strict := 4*time.Second, false
	if text := os.Getenv("MAIXSTREAM_AGE_TEST"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		strict = true
	}
	for _, rate := range [][2]float64{{30, 1}, {30, 5}, {30, 29}, {60, 1}, {60, 5}, {60, 29}} {
		for _, busy := range []time.Duration{0, 700 * time.Millisecond} {
			t.Run(fmt.Sprintf("%g to %g, busy for %v", rate[0], rate[1], busy), func(t *testing.T) {
				t.Parallel()
				c := openFake(t, rate[0], rate[1])
				ctx, cancel := context.WithTimeout(t.Context(), length+time.Minute)
				defer cancel()
				memory := make([]byte, 64<<10)
				var ages []time.Duration
				for begin := time.Now(); time.Since(begin) < length; time.Sleep(busy) {
					var p frame.Picture
					if err := c.ReadJPEG(ctx, memory, &p); err != nil {
						t.Fatal(err)
					}
					born, err := strconv.ParseInt(string(memory[6:4+int(memory[5])]), 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					ages = append(ages, time.Since(time.Unix(0, born)))
				}
				slices.Sort(ages)
				p50, p99 := ages[len(ages)/2], ages[(len(ages)-1)*99/100]
				t.Logf("%d pictures, age p50 %v, p99 %v", len(ages), p50.Round(100*time.Microsecond), p99.Round(100*time.Microsecond))
				limit := 350 * time.Millisecond // one that waited in a queue is older
				if strict {
					limit, p50 = time.Duration(1.5/rate[0]*float64(time.Second))+150*time.Millisecond, p99
				}
				if p50 > limit {
					t.Errorf("%v old, limit %v", p50, limit)
				}
			})
		}
	}
}
