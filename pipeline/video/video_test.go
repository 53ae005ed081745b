package video

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
)

// Parameter sets of a 64x48 constrained baseline stream, written by hand.
var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4}
	testPPS = []byte{0x68, 0xce, 0x3c, 0x80}
)

func newLog(t testing.TB, c Config) *Log {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// maker makes units that can be checked: a slice with the unit's number, noise, and a checksum over both.
type maker struct {
	log    *Log
	rnd    *rand.Rand
	number uint64
	slice  []byte
	unit   frame.AccessUnit
	least  int
	most   int
}

func newMaker(l *Log) *maker {
	return &maker{log: l, rnd: rand.New(rand.NewPCG(1, 2)), slice: make([]byte, 1<<20), least: 16, most: 1000}
}

func (m *maker) append(key bool) error {
	n := m.least + m.rnd.IntN(m.most-m.least)
	s := m.slice[:n+4]
	s[0] = 0x41
	m.unit.NALs = m.unit.NALs[:0]
	if key {
		s[0] = 0x65
		m.unit.NALs = append(m.unit.NALs, testSPS, testPPS)
	}
	binary.BigEndian.PutUint64(s[1:], m.number+1)
	for i := 9; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(s[i:], m.rnd.Uint64())
	}
	binary.BigEndian.PutUint32(s[n:], crc32.ChecksumIEEE(s[:n]))
	m.unit.NALs = append(m.unit.NALs, s)
	m.unit.Key, m.unit.Captured = key, time.Now()
	err := m.log.Append(&m.unit)
	if err == nil {
		m.number++
	}
	return err
}

func (m *maker) must(t testing.TB, key bool) {
	t.Helper()
	if err := m.append(key); err != nil {
		t.Fatal(err)
	}
}

// check reports a unit that is not what was appended with its sequence.
func check(u *Unit) error {
	meta := u.Meta()
	i := 0
	for nal := range u.NALs {
		switch {
		case meta.Key && i == 0 && !bytes.Equal(nal, testSPS), meta.Key && i == 1 && !bytes.Equal(nal, testPPS):
			return fmt.Errorf("unit %d: parameter set %d is % x", meta.Sequence, i, nal)
		case !meta.Key || i == 2:
			n := len(nal) - 4
			if n < 9 || crc32.ChecksumIEEE(nal[:n]) != binary.BigEndian.Uint32(nal[n:]) {
				return fmt.Errorf("unit %d is torn", meta.Sequence)
			}
			if got := binary.BigEndian.Uint64(nal[1:]); got != meta.Sequence {
				return fmt.Errorf("unit %d has the bytes of unit %d", meta.Sequence, got)
			}
			if (nal[0] == 0x65) != meta.Key {
				return fmt.Errorf("unit %d: key %v, NAL %02x", meta.Sequence, meta.Key, nal[0])
			}
		}
		i++
	}
	if want := map[bool]int{true: 3, false: 1}[meta.Key]; i != want {
		return fmt.Errorf("unit %d has %d NAL units, not %d", meta.Sequence, i, want)
	}
	return nil
}

// references counts the holds on all units.
func references(l *Log) (n int) {
	for i := range l.entries {
		n += l.entries[i].References()
	}
	return n
}

// follow reads until ctx ends, holding the last hold units, and reports whatever a reader must not see.
func follow(ctx context.Context, t *testing.T, l *Log, lag time.Duration, hold int, pause func()) (had, skipped uint64) {
	r := l.NewReader(lag)
	defer r.Close()
	held := make([]Unit, hold)
	var last uint64
	for i := 0; ; i++ {
		u := &held[i%hold]
		u.Release()
		if r.Next(ctx, u) != nil {
			break
		}
		m := u.Meta()
		switch {
		case last == 0 && !m.Key:
			t.Errorf("began with unit %d, which is no key frame", m.Sequence)
		case m.Sequence != last+u.Skipped+1:
			t.Errorf("unit %d after %d, %d skipped", m.Sequence, last, u.Skipped)
		case u.Skipped > 0 && !m.Key:
			t.Errorf("skipped %d units and went on with unit %d, which is no key frame", u.Skipped, m.Sequence)
		}
		had, skipped, last = had+1, skipped+u.Skipped, m.Sequence
		pause()
		for j := range held { // what is held must have stayed as it was
			if held[j].Held() {
				if err := check(&held[j]); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for j := range held {
		held[j].Release()
	}
	if had+skipped != last {
		t.Errorf("had %d and skipped %d of %d", had, skipped, last)
	}
	return had, skipped
}

// Readers of many speeds, holders of old units and readers that come and go beside one producer: no torn unit, contiguous runs that begin with a key
// frame, skips that add up, and every reference returned.
func TestManyReadersBesideOneProducer(t *testing.T) {
	duration := 5 * time.Second
	if testing.Short() {
		duration = time.Second
	}
	for _, size := range []int{64 << 10, 256 << 10, DefaultBytes} {
		t.Run(fmt.Sprint(size>>10, " KiB"), func(t *testing.T) {
			t.Parallel()
			l := newLog(t, Config{Bytes: size, Lag: 20 * time.Millisecond})
			m := newMaker(l)
			m.most = 4000
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			nothing := func() {}
			for _, c := range []struct {
				hold  int
				lag   time.Duration
				pause func()
			}{
				{1, 0, nothing},
				{1, time.Hour, nothing},
				{2, 0, runtime.Gosched},
				{1, 0, func() { time.Sleep(50 * time.Microsecond) }},
				{3, 5 * time.Millisecond, func() { time.Sleep(2 * time.Millisecond) }},
				{1, 0, func() { time.Sleep(60 * time.Millisecond) }},
			} {
				wg.Go(func() {
					if had, _ := follow(ctx, t, l, c.lag, c.hold, c.pause); had == 0 {
						t.Error("a reader got nothing")
					}
				})
			}
			for range 2 { // come, take one, share it, and go
				wg.Go(func() {
					for ctx.Err() == nil {
						r := l.NewReader(0)
						var u, v Unit
						if r.Next(ctx, &u) == nil {
							if !u.Meta().Key {
								t.Error("began with a unit that is no key frame")
							}
							u.Share(&v)
							u.Release()
							if err := check(&v); err != nil {
								t.Error(err)
							}
							v.Release()
							v.Release() // twice does nothing
						}
						r.Close()
					}
				})
			}
			refused := 0
			for i, start := 0, time.Now(); time.Since(start) < duration || m.number < 1000; i++ {
				key := i == 0 || i%300 == 0 || l.KeyWanted(time.Now())
				if i%1009 == 0 {
					l.Break()
				}
				switch err := m.append(key); {
				case errors.Is(err, ErrNeedsKey):
					refused++
				case err != nil:
					t.Fatal(err)
				}
				if i%4 == 0 {
					time.Sleep(20 * time.Microsecond)
				}
			}
			stop()
			wg.Wait()
			if n := references(l); n != 0 {
				t.Errorf("%d references were not returned", n)
			}
			if len(l.used)+len(l.free) != units {
				t.Errorf("%d entries used and %d free, of %d", len(l.used), len(l.free), units)
			}
			t.Logf("%d units, %d refused", m.number, refused)
		})
	}
}

func TestReaderBeginsAtAFreshKeyFrameOrRequestsOne(t *testing.T) {
	l := newLog(t, Config{Lag: 50 * time.Millisecond})
	m := newMaker(l)
	m.must(t, true)
	m.must(t, false)
	fresh := l.NewReader(time.Hour)
	defer fresh.Close()
	var u Unit
	for want := uint64(1); want <= 2; want++ {
		if !fresh.TryNext(&u) || u.Meta().Sequence != want || u.Skipped != 0 {
			t.Fatalf("want unit %d, got %+v", want, u)
		}
		u.Release()
	}
	if fresh.TryNext(&u) {
		t.Error("a unit twice")
	}
	if l.wanted.Load() {
		t.Error("a key frame was requested, although there is a fresh one")
	}
	time.Sleep(60 * time.Millisecond)
	m.must(t, false)
	late := l.NewReader(0)
	defer late.Close()
	if late.TryNext(&u) {
		t.Fatalf("began with unit %d, which is too old or no key frame", u.Meta().Sequence)
	}
	if !l.KeyWanted(time.Now().Add(KeyInterval)) {
		t.Error("no key frame was requested")
	}
	m.must(t, true)
	if !late.TryNext(&u) || u.Meta().Sequence != 4 || u.Skipped != 3 {
		t.Errorf("want the key frame with 3 skipped, got %+v", u)
	}
	u.Release()
}

func TestReaderThatLagsIsMovedToAKeyFrame(t *testing.T) {
	l := newLog(t, Config{Lag: 50 * time.Millisecond})
	m := newMaker(l)
	m.must(t, true)
	slow, patient := l.NewReader(0), l.NewReader(time.Hour)
	defer slow.Close()
	defer patient.Close()
	var u Unit
	for _, r := range []*Reader{slow, patient} {
		if !r.TryNext(&u) {
			t.Fatal("no first unit")
		}
		u.Release()
	}
	m.must(t, false) // 2
	time.Sleep(60 * time.Millisecond)
	m.must(t, false) // 3
	if slow.TryNext(&u) {
		t.Fatalf("got unit %d, which is more than the bound behind", u.Meta().Sequence)
	}
	m.must(t, true) // 4: it happens to be there
	m.must(t, false)
	if !slow.TryNext(&u) || u.Meta().Sequence != 4 || u.Skipped != 2 {
		t.Errorf("want unit 4 with 2 skipped, got %+v", u)
	}
	u.Release()
	if !slow.TryNext(&u) || u.Meta().Sequence != 5 || u.Skipped != 0 {
		t.Errorf("want unit 5, got %+v", u)
	}
	u.Release()
	for want := uint64(2); want <= 5; want++ {
		if !patient.TryNext(&u) || u.Meta().Sequence != want || u.Skipped != 0 {
			t.Fatalf("the patient reader: want unit %d, got %+v", want, u)
		}
		u.Release()
	}
}

func TestKeyFramesAreRequestedTwiceASecondAtMost(t *testing.T) {
	l := newLog(t, Config{})
	m := newMaker(l)
	now := time.Now()
	if l.KeyWanted(now) {
		t.Error("a key frame is wanted before anybody asked")
	}
	granted := 0
	for i := range 100 { // ten seconds, ten frames a second, somebody asks all the time
		l.RequestKey()
		if l.KeyWanted(now.Add(time.Duration(i) * 100 * time.Millisecond)) {
			granted++
		}
	}
	if granted != 20 {
		t.Errorf("%d key frames in ten seconds, not 20", granted)
	}
	m.must(t, true)
	if l.KeyWanted(time.Now().Add(time.Minute)) {
		t.Error("a key frame is wanted, although one came")
	}
}

func TestHeldUnitIsNeverOverwritten(t *testing.T) {
	l := newLog(t, Config{Bytes: 64 << 10})
	m := newMaker(l)
	m.most = 8000
	m.must(t, true)
	r := l.NewReader(time.Hour)
	defer r.Close()
	var held [3]Unit
	for i := range held {
		if i > 0 {
			m.must(t, false)
		}
		if !r.TryNext(&held[i]) {
			t.Fatal("no unit")
		}
	}
	for range 5000 {
		m.must(t, false)
	}
	for i := range held {
		if err := check(&held[i]); err != nil {
			t.Error(err)
		}
	}
	var u Unit
	if r.TryNext(&u) {
		t.Errorf("unit %d was overwritten long ago", u.Meta().Sequence)
	}
	for i := range held {
		held[i].Release()
	}
	for range 100 {
		m.must(t, false)
	}
	if total := len(l.used) + len(l.free); total != units {
		t.Errorf("%d entries of %d", total, units)
	}
}

func TestRunIsBrokenWhenReadersHoldEverything(t *testing.T) {
	l := newLog(t, Config{Bytes: 64 << 10})
	m := newMaker(l)
	m.least, m.most = 15000, 15001
	m.must(t, true)
	r := l.NewReader(time.Hour)
	defer r.Close()
	var held [4]Unit
	for i := range held {
		if i > 0 {
			m.must(t, false)
		}
		if !r.TryNext(&held[i]) {
			t.Fatal("no unit")
		}
	}
	if err := m.append(false); !errors.Is(err, ErrNeedsKey) {
		t.Fatalf("no room: %v", err)
	}
	held[1].Release()
	if err := m.append(false); !errors.Is(err, ErrNeedsKey) {
		t.Errorf("a unit whose predecessor is missing: %v", err)
	}
	if !l.KeyWanted(time.Now().Add(KeyInterval)) {
		t.Error("no key frame was requested")
	}
	m.must(t, true)
	var u Unit
	if !r.TryNext(&u) || !u.Meta().Key || u.Skipped != 0 {
		t.Errorf("want the key frame, got %+v", u)
	}
	u.Release()
	for i := range held {
		held[i].Release()
	}
}

func TestMoreUnitsThanEntries(t *testing.T) {
	l := newLog(t, Config{})
	m := newMaker(l)
	m.least, m.most = 16, 17
	m.must(t, true)
	r := l.NewReader(time.Hour)
	defer r.Close()
	var held Unit
	if !r.TryNext(&held) {
		t.Fatal("no unit")
	}
	for range 3 * units {
		m.must(t, false)
	}
	if err := check(&held); err != nil {
		t.Error(err)
	}
	held.Release()
}

func TestAppendRefuses(t *testing.T) {
	slice := []byte{0x65, 1, 2, 3}
	for _, c := range []struct {
		name string
		unit frame.AccessUnit
		want error
	}{
		{"nothing", frame.AccessUnit{}, ErrNeedsKey},
		{"a key frame of nothing", frame.AccessUnit{Key: true}, frame.ErrBadPicture},
		{"a key frame without parameters", frame.AccessUnit{Key: true, NALs: [][]byte{slice}}, frame.ErrBadPicture},
		{"a key frame without a picture parameter set", frame.AccessUnit{Key: true, NALs: [][]byte{testSPS, slice}}, frame.ErrBadPicture},
		{"a broken sequence parameter set", frame.AccessUnit{Key: true, NALs: [][]byte{{0x67, 0x42}, testPPS, slice}}, frame.ErrBadPicture},
		{"no key frame first", frame.AccessUnit{NALs: [][]byte{{0x41, 1}}}, ErrNeedsKey},
		{"too large", frame.AccessUnit{Key: true, NALs: [][]byte{testSPS, testPPS, make([]byte, DefaultBytes/4)}}, frame.ErrTooLarge},
	} {
		l := newLog(t, Config{})
		if err := l.Append(&c.unit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		r := l.NewReader(0)
		var u Unit
		if r.TryNext(&u) {
			t.Errorf("%s: it was published", c.name)
		}
		if !l.KeyWanted(time.Now()) {
			t.Errorf("%s: no key frame is requested", c.name)
		}
		r.Close()
	}
}

func TestKeyFramesGetTheParametersThatTheyLack(t *testing.T) {
	l := newLog(t, Config{})
	m := newMaker(l)
	m.must(t, true)
	first := l.Parameters()
	if first.Width != 64 || first.Height != 48 || first.Codec() != "avc1.42c01e" {
		t.Errorf("%dx%d %s", first.Width, first.Height, first.Codec())
	}
	slice := []byte{0x65, 1, 2, 3}
	delimiter := []byte{0x09, 0xf0}
	r := l.NewReader(0)
	defer r.Close()
	var u Unit
	for _, nals := range [][][]byte{{delimiter, slice}, {testSPS, slice}, {testPPS, slice}, {delimiter, testSPS, testPPS, slice}} {
		if err := l.Append(&frame.AccessUnit{Key: true, NALs: nals}); err != nil {
			t.Fatal(err)
		}
		if !r.TryNext(&u) {
			t.Fatal("no unit")
		}
		var got [][]byte
		types := map[byte]int{}
		for nal := range u.NALs {
			got = append(got, nal)
			types[nal[0]&0x1f]++
		}
		if len(got) != 3 || types[7] != 1 || types[8] != 1 || !bytes.Equal(got[2], slice) {
			t.Errorf("unit %d: % x", u.Meta().Sequence, got)
		}
		if u.Meta().Parameters != first {
			t.Error("other parameters, although none changed")
		}
		u.Release()
	}
	other := bytes.Clone(testSPS)
	other[3] = 0x1f // level 3.1
	if err := l.Append(&frame.AccessUnit{Key: true, NALs: [][]byte{other, testPPS, slice}}); err != nil {
		t.Fatal(err)
	}
	if p := l.Parameters(); p == first || p.Codec() != "avc1.42c01f" {
		t.Errorf("the parameters did not change: %s", p.Codec())
	}
}

func TestCloseEndsReaders(t *testing.T) {
	l := newLog(t, Config{})
	m := newMaker(l)
	m.must(t, true)
	r := l.NewReader(0)
	defer r.Close()
	var held Unit
	if !r.TryNext(&held) {
		t.Fatal("no unit")
	}
	waiting := make(chan error, 1)
	go func() {
		var u Unit
		waiting <- r.Next(context.Background(), &u)
	}()
	wakes := 0
	s := l.Subscribe(0, func() { wakes++ })
	defer s.Close()
	l.Close()
	l.Close()
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if wakes != 1 {
		t.Errorf("a subscriber was woken %d times", wakes)
	}
	if err := check(&held); err != nil {
		t.Error(err)
	}
	held.Release()
	if err := m.append(true); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a closed log: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := newLog(t, Config{}).NewReader(0)
	if err := other.Next(ctx, &held); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []Config{{Bytes: 1}, {Bytes: -1}, {Bytes: 2 << 30}, {Lag: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	l := newLog(t, Config{})
	m := newMaker(l)
	r := l.NewReader(0)
	defer r.Close()
	m.must(t, true)
	var u, v Unit
	ctx := t.Context()
	i := 0
	if n := testing.AllocsPerRun(2000, func() {
		i++
		if m.append(i%30 == 0) != nil || r.Next(ctx, &u) != nil {
			t.Fatal("no unit")
		}
		for nal := range u.NALs {
			_ = nal
		}
		u.Share(&v)
		v.Release()
		u.Release()
	}); n != 0 {
		t.Errorf("%v allocations a unit", n)
	}
}

// What one unit of a 2 Mbit/s stream costs its producer, with readers that take each unit.
func BenchmarkAppend(b *testing.B) {
	for _, readers := range []int{0, 1, 8, 64} {
		b.Run(fmt.Sprint(readers, " readers"), func(b *testing.B) {
			l := newLog(b, Config{})
			ctx, stop := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for range readers {
				wg.Go(func() {
					r := l.NewReader(0)
					defer r.Close()
					var u Unit
					for r.Next(ctx, &u) == nil {
						u.Release()
					}
				})
			}
			slice := make([]byte, 8000)
			slice[0] = 0x65
			u := frame.AccessUnit{Key: true, NALs: [][]byte{testSPS, testPPS, slice}}
			b.ReportAllocs()
			b.SetBytes(int64(len(slice)))
			for b.Loop() {
				if err := l.Append(&u); err != nil {
					b.Fatal(err)
				}
			}
			stop()
			wg.Wait()
		})
	}
}
