package bench

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/bench/usage"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// mark is one frame's passage through one stage. Logs are allocated before the run, so adding a mark allocates nothing.
type mark struct {
	end      time.Time // when the stage finished it
	number   uint64    // the source's
	took     time.Duration
	cpu      time.Duration
	bytes    int
	sequence uint64 // the ring's; published frames only
}

// meter records when frames pass the stages of a pipeline. Each log belongs to one goroutine at a time; they are read after the pipeline's end.
type meter struct {
	room  int  // marks per log
	clock bool // read the capturing thread's clock

	mu        sync.Mutex
	captures  []*[]mark
	encodes   []*[]mark
	published []mark
	began     time.Time
	first     chan struct{} // closed at the first published frame
	ring      *ring.Ring
}

func newMeter(room int, clock bool) *meter {
	return &meter{room: room, clock: clock, first: make(chan struct{}), began: time.Now(), published: make([]mark, 0, room)}
}

func (m *meter) log(logs *[]*[]mark) *[]mark {
	l := make([]mark, 0, m.room)
	m.mu.Lock()
	defer m.mu.Unlock()
	*logs = append(*logs, &l)
	return &l
}

// locked runs f while no publication is recorded.
func (m *meter) locked(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func add(log *[]mark, k mark) {
	if len(*log) < cap(*log) {
		*log = append(*log, k)
	}
}

// instrument wraps a pipeline's source and encoders.
func (m *meter) instrument(c *pipeline.Config) {
	open, newEncoder := c.Open, c.NewEncoder
	m.ring = c.Ring
	c.Open = func(ctx context.Context, s pipeline.Settings) (frame.Source, error) {
		source, err := open(ctx, s)
		if err != nil {
			return nil, err
		}
		metered := meteredSource{source, m.log(&m.captures), m.clock}
		switch source := source.(type) {
		case frame.JPEGSource:
			return &meteredJPEG{metered, source}, nil
		case frame.RawSource:
			return &meteredRaw{metered, source}, nil
		}
		return source, nil
	}
	if newEncoder != nil {
		c.NewEncoder = func() (frame.Encoder, error) {
			e, err := newEncoder()
			if err != nil {
				return nil, err
			}
			return &meteredEncoder{e, m.log(&m.encodes)}, nil
		}
	}
}

// watch records what the ring publishes; stop ends that.
func (m *meter) watch() (stop func()) {
	var f ring.Frame
	// The pipeline publishes under a lock: wake is never called twice at once.
	reader := m.ring.Subscribe(func() {
		if !m.ring.Latest(&f) {
			return
		}
		meta := f.Meta()
		if !meta.Substitute {
			if len(m.published) == 0 {
				close(m.first)
			}
			m.locked(func() {
				add(&m.published, mark{end: meta.Published, number: meta.Picture.Sequence, bytes: meta.Size, sequence: meta.Sequence})
			})
		}
		f.Release()
	})
	return reader.Close
}

// meteredSource keeps the source's rate changeable; no other capability is needed here.
type meteredSource struct {
	frame.Source
	log   *[]mark
	clock bool // read the thread's clock, too
}

// started locks the goroutine to its thread, if its clock is read. Waiting in a locked goroutine costs thread switches, which
// count as the stages' rest: so this is done only for sources that were not measured alone.
func (s *meteredSource) started() (cpu time.Duration) {
	if s.clock {
		runtime.LockOSThread()
		cpu = usage.Thread()
	}
	return cpu
}

func (s *meteredSource) ended(err error, captured time.Time, number uint64, bytes int, cpu time.Duration) {
	if s.clock {
		cpu = usage.Thread() - cpu
		runtime.UnlockOSThread()
	}
	if err == nil {
		now := time.Now()
		add(s.log, mark{end: now, number: number, took: now.Sub(captured), cpu: cpu, bytes: bytes})
	}
}

func (s *meteredSource) SetFPS(fps float64) error {
	if setter, ok := s.Source.(frame.RateSetter); ok {
		return setter.SetFPS(fps)
	}
	return frame.ErrUnsupported
}

type meteredRaw struct {
	meteredSource
	raw frame.RawSource
}

func (s *meteredRaw) ReadFrame(ctx context.Context, f *frame.Frame) error {
	cpu := s.started()
	err := s.raw.ReadFrame(ctx, f)
	s.ended(err, f.Captured, f.Sequence, rawBytes(f), cpu)
	return err
}

type meteredJPEG struct {
	meteredSource
	jpeg frame.JPEGSource
}

func (s *meteredJPEG) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	cpu := s.started()
	err := s.jpeg.ReadJPEG(ctx, dst, p)
	s.ended(err, p.Captured, p.Sequence, p.Size, cpu)
	return err
}

type meteredEncoder struct {
	frame.Encoder
	log *[]mark
}

func (e *meteredEncoder) Encode(dst []byte, f *frame.Frame, quality int) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	number, began, cpu := f.Sequence, time.Now(), usage.Thread()
	n, err := e.Encoder.Encode(dst, f, quality)
	if err == nil {
		now := time.Now()
		add(e.log, mark{end: now, number: number, took: now.Sub(began), cpu: usage.Thread() - cpu, bytes: n})
	}
	return n, err
}

// rawBytes returns the size of a frame's pixels.
func rawBytes(f *frame.Frame) int {
	n := 0
	for i := range f.Format.Planes() {
		rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
		n += rowBytes * rows
	}
	return n
}

// window is what was recorded in a span of time.
type window struct{ from, to time.Time }

func (w window) of(logs ...*[]mark) []mark {
	var in []mark
	for _, l := range logs {
		for _, k := range *l {
			if !k.end.Before(w.from) && k.end.Before(w.to) {
				in = append(in, k)
			}
		}
	}
	return in
}

func (w window) seconds() float64 { return w.to.Sub(w.from).Seconds() }

// means returns the mean CPU time in µs and the mean size, 0 without marks.
func means(marks []mark) (micros, bytes float64) {
	for i := range marks {
		micros += float64(marks[i].cpu) / 1e3
		bytes += float64(marks[i].bytes)
	}
	n := float64(max(len(marks), 1))
	return micros / n, bytes / n
}

func tookOf(marks []mark) []time.Duration {
	all := make([]time.Duration, len(marks))
	for i := range marks {
		all[i] = marks[i].took
	}
	return all
}

// quantiles sorts d.
func quantiles(d []time.Duration) *Quantiles {
	if len(d) == 0 {
		return nil
	}
	slices.Sort(d)
	at := func(percent int) float64 { return float64(d[(len(d)-1)*percent/100]) / 1e6 }
	return &Quantiles{at(50), at(95), at(99)}
}
