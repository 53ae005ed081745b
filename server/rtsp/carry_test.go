package rtsp_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"github.com/maixstream/maixstream/server/rtsp"
)

// The received frames have the same pixels, for every kind of JPEG that can be carried: 4:2:2, restart markers, sizes that are not
// multiples of 16, a single quantisation table as from ffmpeg's encoder, and the extra segments that cameras write.
func TestPixelsArriveUnchanged(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := read("one-table-restart.jpg")
	pictures := map[string][]byte{
		"4:2:2 with restart markers": read("422-restart.jpg"),
		"one quantisation table":     one,
		"4:2:0":                      picture(t, 72, 56, 3),
		// Adobe's segment, fill bytes, and a restart interval of 0.
		"odd segments": append([]byte{0xff, 0xd8, 0xff, 0xee, 0, 4, 1, 2, 0xff, 0xff, 0xff, 0xdd, 0, 4, 0, 0}, picture(t, 72, 56, 4)[2:]...),
	}
	for name, sent := range pictures {
		t.Run(name, func(t *testing.T) {
			if err := rtsp.Carries(sent); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			decode := func(file string, input ...string) []byte {
				t.Helper()
				file = filepath.Join(dir, file)
				out, err := ffmpeg(t, append(append([]string{"-xerror", "-err_detect", "explode"}, input...), "-frames:v", "1", "-f", "rawvideo", file)...)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			original := filepath.Join(dir, "sent.jpg")
			if err := os.WriteFile(original, sent, 0o600); err != nil {
				t.Fatal(err)
			}
			_, address := startWith(t, rtsp.Config{}, sent)
			want, got := decode("want", "-i", original), decode("got", "-rtsp_transport", "tcp", "-i", "rtsp://"+address+"/")
			if len(want) < 72*56*3/2 || !bytes.Equal(got, want) {
				t.Errorf("%d of %d bytes of pixels differ", differing(got, want), len(want))
			}
		})
	}
}

func differing(a, b []byte) (n int) {
	if len(a) != len(b) {
		return max(len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func TestCarriesReportsTheReason(t *testing.T) {
	good := picture(t, 64, 48, 1)
	if err := rtsp.Carries(good); err != nil {
		t.Error(err)
	}
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		t.Fatal(err)
	}
	var odd bytes.Buffer
	m := image.NewRGBA(image.Rect(0, 0, 17, 16))
	m.Set(3, 3, color.White)
	if err := jpeg.Encode(&odd, m, nil); err != nil {
		t.Fatal(err)
	}
	optimised := bytes.Clone(good)
	optimised[bytes.Index(optimised, []byte{0xff, 0xc4})+6]++ // one more code of length 2
	// change returns good with different bytes after a marker.
	change := func(marker byte, at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[bytes.Index(b, []byte{0xff, marker})+2+at:], to)
		return b
	}
	progressive := bytes.Clone(good)
	progressive[bytes.Index(progressive, []byte{0xff, 0xc0})+1] = 0xc2
	for reason, picture := range map[string][]byte{
		"components": grey.Bytes(), "multiples of 8": odd.Bytes(), "Huffman": optimised, "baseline": progressive,
		"cut off": good[:30], "JPEG is expected": good[2:],
		"sampling factors 22, 12, 12": change(0xc0, 12, 0x12, 1, 3, 0x12, 1), "table 2 is missing": change(0xc0, 13, 2),
		"different quantisation tables": change(0xc0, 13, 0), "16 bits": change(0xdb, 2, 0x10), "usual Huffman tables": change(0xda, 4, 0x11),
		"segment ffdc": change(0xdb, -1, 0xdc), "no frame header": change(0xc0, -1, 0xe0),
	} {
		if err := rtsp.Carries(picture); !errors.Is(err, rtsp.ErrCannotCarry) || !strings.Contains(err.Error(), reason) {
			t.Errorf("want %q, got %v", reason, err)
		}
	}
}

func FuzzCarries(f *testing.F) {
	f.Add(picture(f, 16, 16, 1))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xc0, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) { _ = rtsp.Carries(b) })
}

// play reads a server's RTP packets until its client is closed.
func play(t *testing.T, address string, by gortsplib.Protocol) (*gortsplib.Client, <-chan *rtp.Packet, error) {
	t.Helper()
	where, err := base.ParseURL("rtsp://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	c := &gortsplib.Client{Scheme: where.Scheme, Host: where.Host, Protocol: &by}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	stream, _, err := c.Describe(where)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetupAll(stream.BaseURL, stream.Medias); err != nil {
		t.Fatal(err)
	}
	come := make(chan *rtp.Packet, 10000)
	c.OnPacketRTPAny(func(_ *description.Media, _ format.Format, p *rtp.Packet) {
		select {
		case come <- p.Clone():
		default: // already enough
		}
	})
	_, err = c.Play(nil)
	return c, come, err
}

// packets collects a server's RTP packets until enough returns true.
func packets(t *testing.T, address string, enough func([]*rtp.Packet) bool) []*rtp.Packet {
	t.Helper()
	c, come, err := play(t, address, gortsplib.ProtocolTCP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list []*rtp.Packet
	for !enough(list) {
		select {
		case p := <-come:
			list = append(list, p)
		case <-time.After(20 * time.Second):
			t.Fatalf("only %d packets", len(list))
		}
	}
	return list
}

// The header of a frame's first packet follows RFC 2435 sections 3.1, 3.1.7 and 3.1.8, also for a JPEG with one quantisation table.
func TestHeadersOnTheWire(t *testing.T) {
	sent, err := os.ReadFile(filepath.Join("testdata", "one-table-restart.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	_, address := startWith(t, rtsp.Config{}, sent)
	marked := func(list []*rtp.Packet) bool { return len(list) > 1 && list[len(list)-2].Marker }
	list := packets(t, address, marked)
	table := sent[bytes.Index(sent, []byte{0xff, 0xdb})+5:][:64]
	interval := sent[bytes.Index(sent, []byte{0xff, 0xdd})+4:][:2]
	want := []byte{0, 0, 0, 0, 65, 255, 72 / 8, 56 / 8, interval[0], interval[1], 0xff, 0xff, 0, 0, 0, 128}
	want = append(append(want, table...), table...)
	if got := list[len(list)-1].Payload; !bytes.HasPrefix(got, want) {
		t.Errorf("a frame begins with\n% x, want\n% x", got[:min(len(got), len(want))], want)
	}
}

// The clock has 90,000 ticks per second, based on capture time.
func TestClock(t *testing.T) {
	_, address := start(t, 64, 64, nil)
	var began, ended time.Time
	list := packets(t, address, func(list []*rtp.Packet) bool {
		ended = time.Now()
		if len(list) == 1 {
			began = ended
		}
		return len(list) > 1 && ended.Sub(began) > 2*time.Second
	})
	ticks := list[len(list)-1].Timestamp - list[0].Timestamp
	if ratio := float64(ticks) / 90000 / ended.Sub(began).Seconds(); ratio < 0.5 || ratio > 2 {
		t.Errorf("%d ticks in %v", ticks, ended.Sub(began))
	}
}

// Readers over TCP and UDP share packets; one over the limit is refused with a reason, and takes the place of one that leaves.
func TestSeveralReaders(t *testing.T) {
	f, address := startWith(t, rtsp.Config{MaxReaders: 2}, picture(t, 64, 48, 1))
	first, byTCP, err1 := play(t, address, gortsplib.ProtocolTCP)
	_, byUDP, err2 := play(t, address, gortsplib.ProtocolUDP)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for name, come := range map[string]<-chan *rtp.Packet{"TCP": byTCP, "UDP": byUDP} {
		for range 5 {
			select {
			case <-come:
			case <-time.After(20 * time.Second):
				t.Fatalf("no packets over %s", name)
			}
		}
	}
	if n := f.watchers.Load(); n != 2 {
		t.Errorf("%d watchers", n)
	}
	if _, _, err := play(t, address, gortsplib.ProtocolTCP); err == nil || !strings.Contains(err.Error(), "too many readers") {
		t.Errorf("a third reader: %v", err)
	}
	first.Close()
	for end := time.Now().Add(20 * time.Second); f.watchers.Load() != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the reader that left is still counted")
		}
	}
	if _, _, err := play(t, address, gortsplib.ProtocolTCP); err != nil {
		t.Errorf("after a reader left: %v", err)
	}
}
