package mp4_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/maixstream/maixstream/internal/mp4"
)

var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4} // 64x48
	testPPS = []byte{0x68, 0xce, 0x3c, 0x80}
)

func TestInitIsReadBack(t *testing.T) {
	b, err := mp4.Init(testSPS, testPPS)
	if err != nil {
		t.Fatal(err)
	}
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	codec, ok := init.Tracks[0].Codec.(*codecs.H264)
	if len(init.Tracks) != 1 || init.Tracks[0].TimeScale != mp4.Timescale || !ok || !bytes.Equal(codec.SPS, testSPS) || !bytes.Equal(codec.PPS, testPPS) {
		t.Errorf("%+v", init.Tracks[0])
	}
	if _, err := mp4.Init([]byte{0x67}, testPPS); err == nil {
		t.Error("a broken SPS was taken")
	}
}

// What the pattern makes is what mediacommon reads, number for number.
func TestFragmentsAreReadBack(t *testing.T) {
	f, err := mp4.NewFragment()
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	var file bytes.Buffer
	var want []mp4.Sample
	var pictures [][]byte
	captured := time.Date(2026, 11, 28, 15, 0, 0, 123456789, time.UTC)
	at := uint64(1 << 33) // more than 32 bits hold
	for i := range 50 {
		picture := make([]byte, 1+rnd.IntN(5000))
		for j := range picture {
			picture[j] = byte(rnd.Uint32())
		}
		s := mp4.Sample{Size: len(picture), Key: i%10 == 0, Time: at, Duration: rnd.Uint32N(1 << 20), Captured: captured, Shown: time.Duration(i%4) * 20 * time.Millisecond}
		head := f.Head(&s)
		if len(head) != mp4.HeadSize {
			t.Fatalf("a head of %d bytes", len(head))
		}
		checkReference(t, head, &s)
		file.Write(head)
		file.Write(picture)
		want, pictures = append(want, s), append(pictures, picture)
		at += uint64(s.Duration)
		captured = captured.Add(33333333 * time.Nanosecond)
	}
	var parts fmp4.Parts
	if err := parts.Unmarshal(file.Bytes()); err != nil {
		t.Fatal(err)
	}
	if len(parts) != len(want) {
		t.Fatalf("%d fragments of %d", len(parts), len(want))
	}
	for i, p := range parts {
		got, w := p.Tracks[0].Samples[0], want[i]
		if p.SequenceNumber != uint32(i+1) || p.Tracks[0].BaseTime != w.Time || got.Duration != w.Duration || got.IsNonSyncSample == w.Key || got.PTSOffset != int32(i%4*1800) {
			t.Errorf("fragment %d: %+v, number %d, time %d; want %+v", i, got, p.SequenceNumber, p.Tracks[0].BaseTime, w)
		}
		if !bytes.Equal(got.Payload, pictures[i]) {
			t.Errorf("fragment %d: other bytes", i)
		}
	}
}

// checkReference reads the capture time back, to a microsecond.
func checkReference(t *testing.T, head []byte, s *mp4.Sample) {
	t.Helper()
	be := binary.BigEndian
	if string(head[4:8]) != "prft" || be.Uint32(head) != 32 || be.Uint32(head[8:]) != 1<<24|24 || be.Uint32(head[12:]) != 1 || be.Uint64(head[24:]) != s.Time {
		t.Fatalf("prft: % x", head[:32])
	}
	seconds := int64(be.Uint32(head[16:])) - 2208988800
	fraction := int64(uint64(be.Uint32(head[20:])) * 1e9 >> 32)
	if d := time.Unix(seconds, fraction).Sub(s.Captured); d < -time.Microsecond || d > time.Microsecond {
		t.Errorf("capture time %v off", d)
	}
}

func TestHeadAllocatesNothing(t *testing.T) {
	f, err := mp4.NewFragment()
	if err != nil {
		t.Fatal(err)
	}
	s := mp4.Sample{Size: 1000, Captured: time.Now()}
	if n := testing.AllocsPerRun(100, func() { f.Head(&s) }); n != 0 {
		t.Errorf("%v allocations a fragment", n)
	}
}

// At a steady rate the times are the source's; whatever it does, no picture comes more than one and a half durations behind the last one's time, or before it.
func TestClock(t *testing.T) {
	began := time.Now()
	for _, fps := range []float64{1, 5, 15, 25, 30, 59.94, 120} {
		var c mp4.Clock
		var first uint64
		for i := range 600 {
			at, duration := c.Next(began.Add(time.Duration(float64(i) / fps * 1e9)))
			if i < 300 { // it learns the rate
				first = at
				continue
			}
			want := float64(i-299) / fps * mp4.Timescale
			if got := float64(at - first); got < want-4 || got > want+300 {
				t.Fatalf("%v fps: picture %d at %v ticks, not %v", fps, i, got, want)
			}
			if got := float64(duration); got < mp4.Timescale/fps*0.98 || got > mp4.Timescale/fps*1.02 {
				t.Fatalf("%v fps: a duration of %v ticks", fps, duration)
			}
		}
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	var c mp4.Clock
	captured := began
	lastAt, lastDuration := c.Next(captured)
	for i := range 10000 {
		switch rnd.IntN(20) {
		case 0:
			captured = captured.Add(time.Duration(rnd.Int64N(int64(20 * time.Second))))
		case 1: // a source that makes mistakes
			captured = captured.Add(-time.Duration(rnd.Int64N(int64(time.Second))))
		default:
			captured = captured.Add(time.Duration(rnd.Int64N(int64(70 * time.Millisecond))))
		}
		at, duration := c.Next(captured)
		if at <= lastAt || at-lastAt > 3*uint64(lastDuration)/2 || duration == 0 {
			t.Fatalf("picture %d: time %d after %d, which lasts %d", i, at, lastAt, lastDuration)
		}
		lastAt, lastDuration = at, duration
	}
}

// A file's header says how long it is, and is otherwise a stream's.
func TestFileHeaderSaysTheDuration(t *testing.T) {
	f, err := mp4.NewFileHeader(testSPS, testPPS)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []time.Duration{0, 1500 * time.Millisecond, 1000 * time.Hour} {
		b := f.Bytes(d)
		if int64(len(b)) != f.Size() {
			t.Errorf("%d bytes, not %d", len(b), f.Size())
		}
		var init fmp4.Init
		if err := init.Unmarshal(bytes.NewReader(b)); err != nil || len(init.Tracks) != 1 {
			t.Errorf("%+v, %v", init, err)
		}
		at := bytes.Index(b, []byte("mehd\x01\x00\x00\x00"))
		if at < 0 {
			t.Fatal("no mehd")
		}
		if got := binary.BigEndian.Uint64(b[at+8:]); got != uint64(d.Milliseconds()) { // mediacommon's movie has 1000 ticks a second
			t.Errorf("%d ms, want %v", got, d)
		}
	}
}

func TestIndexEndsWithItsSize(t *testing.T) {
	var x mp4.Index
	x.Add(0, 1000)
	x.Add(90000, 1<<33)
	b, be := x.Bytes(), binary.BigEndian
	if int64(len(b)) != x.Size() || int(be.Uint32(b)) != len(b) || int(be.Uint32(b[len(b)-4:])) != len(b) || be.Uint32(b[8:]) != uint32(len(b)-8-16) {
		t.Errorf("%d bytes: % x", len(b), b)
	}
	if !mp4.IsFinished(b[len(b)-mp4.TailSize:]) || mp4.IsFinished(b[:mp4.TailSize]) {
		t.Error("its end is not known")
	}
	second := b[8+24+mp4.IndexEntry:]
	if be.Uint64(second) != 90000 || be.Uint64(second[8:]) != 1<<33+32 {
		t.Errorf("second entry % x", second[:mp4.IndexEntry])
	}
}

// No block of a disk ends within a head, and padding is a box or nothing.
func TestPadding(t *testing.T) {
	for offset := int64(0); offset < 2048; offset++ {
		n := mp4.Padding(offset)
		if b := mp4.FreeBox(nil, n); len(b) != n || n != 0 && n < 8 {
			t.Errorf("at %d: %d bytes of padding, a box of %d", offset, n, len(b))
		}
		if head := offset + int64(n); head/512 != (head+mp4.HeadSize-1)/512 {
			t.Errorf("at %d: a block ends in the head at %d", offset, head)
		}
	}
}
