package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/video"
)

// ErrNoPictures means that the source delivers H.264 from which no JPEGs can be made. It is wrapped with the reason.
var ErrNoPictures = errors.New("no JPEG")

// noPicturesError is ErrNoPictures with the reason as its text.
type noPicturesError struct{ reason string }

func (e *noPicturesError) Error() string { return e.reason }

// Unwrap returns ErrNoPictures.
func (e *noPicturesError) Unwrap() error { return ErrNoPictures }

const (
	// catchUp limits the time to decode what has arrived since the last key frame; after that, pictures are skipped up to the next one.
	catchUp = 5 * time.Second
	// everything is a lag that no reader reaches.
	everything = time.Duration(math.MaxInt64)
)

// isCoded reports whether a source delivers only H.264, from which JPEGs are made.
func isCoded(source frame.Source) bool {
	switch source.(type) {
	case frame.JPEGSource, frame.RawSource:
		return false
	case frame.VideoSource:
		return true
	}
	return false
}

// captureUnits reads a source that delivers only H.264. Each unit goes into the log even without readers: a later reader needs everything since the last
// key frame, and most such sources cannot make one on request. The JPEGs are decoded from the log.
func (s *session) captureUnits(source frame.VideoSource) (err error) {
	p, v := s.pipeline, s.pipeline.video
	log := s.units
	requester, _ := source.(frame.KeyRequester)
	configurer, _ := source.(frame.VideoConfigurer)
	stop := s.startDecoding(log)
	defer func() { stop(errors.Is(err, frame.ErrEnd)) }()
	var (
		u      frame.AccessUnit
		config frame.VideoConfig
		group  group
	)
	group.bytes, group.units = log.Room()
	defer func() { // the source reclaims the bytes of the last unit
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = source.ReadUnit(ended, &u)
	}()
	onDemand := func() {
		if v != nil {
			v.distant.Store(requester == nil)
		}
	}
	onDemand()
	s.interruptUnits()
	for s.ctx.Err() == nil {
		if v != nil && configurer != nil {
			if wanted := v.wanted(source.Info()); wanted != config {
				config = wanted
				if err := configurer.ConfigureVideo(wanted); err != nil {
					v.mishap(err)
				}
			}
		}
		if requester != nil && s.keyWanted() {
			switch err := requester.RequestKey(); {
			case errors.Is(err, frame.ErrUnsupported):
				requester = nil // its next key frame suffices
				onDemand()
			case err != nil && v != nil:
				v.mishap(err)
			}
		}
		if err := source.ReadUnit(s.ctx, &u); err != nil {
			if s.broken(err) {
				s.interruptUnits()
				continue
			}
			return err
		}
		if s.good.Load() && u.Sequence > s.lastNumber+1 {
			s.interruptUnits()
		}
		if !s.note(u.Sequence) {
			break
		}
		if group.add(&u) && v != nil {
			v.setNote(fmt.Sprintf("the source's key frames are far apart: more than %d MB or %d pictures. A viewer of JPEGs waits for the next one", group.bytes>>20, group.units))
		}
		if v != nil {
			v.publish(s, &u)
		} else if err := log.Append(&u); err != nil && !errors.Is(err, video.ErrNeedsKey) {
			p.mu.Lock()
			p.dropped(1, err)
			p.mu.Unlock()
		}
	}
	return s.ctx.Err()
}

// interruptUnits records that units are missing from here on.
func (s *session) interruptUnits() {
	if v := s.pipeline.video; v != nil {
		v.interrupt()
		return
	}
	s.units.Break()
}

func (s *session) keyWanted() bool {
	if v := s.pipeline.video; v != nil {
		return v.keyWanted()
	}
	return s.units.KeyWanted(time.Now())
}

// group measures a source's groups of pictures.
type group struct {
	bytes, units int // the log's capacity
	size, count  int // of the current group
	told         bool
}

// add counts a unit. It returns true the first time that a group exceeds the log.
func (g *group) add(u *frame.AccessUnit) (long bool) {
	if u.Key {
		g.size, g.count = 0, 0
	}
	g.size += u.Size()
	g.count++
	if g.told || g.size <= g.bytes && g.count <= g.units {
		return false
	}
	g.told = true
	return true
}

// decoding decodes a session's units while someone wants JPEGs.
type decoding struct {
	session *session
	log     *video.Log
	reader  *video.Reader // nil while nobody wants JPEGs
	decoder frame.VideoDecoder
	held    video.Unit
	unit    frame.AccessUnit
	lost    bool      // a unit could not be decoded; neither can those up to the next key frame
	level   bool      // everything that had arrived was decoded
	began   time.Time // when reading began
	wanted  time.Time // when someone last wanted JPEGs

	ending bool        // the source has ended
	last   frame.Frame // then: the newest picture that was not shown, if newest
	newest bool
}

// startDecoding makes JPEGs from the log in a separate goroutine, without delaying H.264. stop ends it and waits for it; rest makes it decode what is left
// in the log before.
func (s *session) startDecoding(log *video.Log) (stop func(rest bool)) {
	ctx, cancel := context.WithCancel(s.ctx)
	d := &decoding{session: s, log: log}
	s.pipeline.setNoPictures("")
	if err := d.open(); err != nil {
		d.refuse(err)
	}
	d.close()
	var done sync.WaitGroup
	done.Go(func() { d.run(ctx) })
	return func(rest bool) {
		cancel()
		done.Wait()
		if rest && s.ctx.Err() == nil {
			d.finish()
		}
	}
}

func (d *decoding) run(ctx context.Context) {
	defer d.close()
	tick := d.log.NewReader(0) // never read: it only signals new units
	defer tick.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.Updates():
		}
		if !d.isWanted(time.Now()) {
			d.close()
			continue
		}
		if err := d.open(); err != nil {
			d.refuse(err)
			d.session.pipeline.showNoPictures()
			continue
		}
		for ctx.Err() == nil && d.reader.TryNext(&d.held) {
			d.take()
		}
	}
}

// finish decodes the rest of a source that has ended, so that one shorter than a decoder's start still has a picture.
func (d *decoding) finish() {
	p := d.session.pipeline
	if !d.isWanted(time.Now()) && p.count.published.Load() > 0 {
		return
	}
	defer d.close()
	if err := d.open(); err != nil {
		d.refuse(err)
		return
	}
	d.ending = true
	for began := time.Now(); time.Since(began) < catchUp && d.session.ctx.Err() == nil && d.reader.TryNext(&d.held); {
		d.take()
	}
	for d.session.ctx.Err() == nil { // those that are held back because of their order
		var f frame.Frame
		ok, err := d.decoder.Decode(&frame.AccessUnit{}, &f)
		if err != nil || !ok {
			break
		}
		d.keep(&f)
	}
	if d.newest {
		d.newest = false
		d.show(&d.last)
	}
}

// keep remembers a picture that may turn out to be the last.
func (d *decoding) keep(f *frame.Frame) {
	if d.newest {
		d.last.Release()
	}
	d.last, d.newest = *f, true
}

// show queues a picture that was decoded.
func (d *decoding) show(f *frame.Frame) {
	if d.newest { // an earlier one
		d.newest = false
		d.last.Release()
	}
	if now := time.Now(); f.Captured.After(now) { // it is to be displayed soon
		f.Captured = now
	}
	d.session.pipeline.setNoPictures("")
	d.session.pushDecoded(f)
}

// isWanted reports whether someone wants JPEGs or has just left: polling must not restart the decoder each time.
func (d *decoding) isWanted(now time.Time) bool {
	p := d.session.pipeline
	watchers := p.watchers.Load()
	if p.video != nil {
		watchers -= p.video.takers.Load()
	}
	if watchers > 0 {
		d.wanted = now
	}
	return !d.wanted.IsZero() && now.Sub(d.wanted) < restAfter
}

// open starts with the newest key frame available.
func (d *decoding) open() (err error) {
	if d.decoder != nil {
		return nil
	}
	newDecoder := d.session.pipeline.config.NewDecoder
	if newDecoder == nil {
		return errors.New("no H.264 decoder")
	}
	if d.decoder, err = newDecoder(); err != nil {
		d.decoder = nil
		return err
	}
	d.reader, d.began, d.level, d.lost = d.log.NewReader(everything), time.Now(), false, false
	return nil
}

func (d *decoding) close() {
	if d.decoder != nil {
		_ = d.decoder.Close()
		d.reader.Close()
		d.decoder, d.reader = nil, nil
	}
}

// take decodes the held unit.
func (d *decoding) take() {
	m := d.held.Meta()
	u := &d.unit
	u.NALs = u.NALs[:0]
	for n := range d.held.NALs {
		u.NALs = append(u.NALs, n)
	}
	u.Key, u.Captured, u.Sequence = m.Key, m.Captured.Add(m.Shown), m.Sequence
	if !d.level && (m.Sequence == d.log.Sequence() || time.Since(d.began) > catchUp) {
		d.level = true
		d.reader.SetLag(0)
	}
	if d.lost && !u.Key {
		d.held.Release()
		return
	}
	var f frame.Frame
	ok, err := d.decoder.Decode(u, &f)
	d.held.Release()
	d.lost = err != nil
	switch {
	case errors.Is(err, frame.ErrUnsupported):
		d.refuse(err)
		d.session.pipeline.showNoPictures()
	case err != nil:
		p := d.session.pipeline
		p.mu.Lock()
		p.dropped(1, err)
		p.mu.Unlock()
	case ok && d.ending && !d.level:
		d.keep(&f)
	case ok && !d.level:
		f.Release()
	case ok:
		d.show(&f)
	}
}

// refuse records why there are no JPEGs.
func (d *decoding) refuse(err error) {
	p := d.session.pipeline
	reason := "no JPEG from an H.264 source: " + p.config.Explain(err)
	if p.setNoPictures(reason) {
		p.config.Log.Warn("no JPEG from an H.264 source", zap.Error(err))
	}
}

// pushDecoded queues a frame for encoding if it is wanted.
func (s *session) pushDecoded(f *frame.Frame) {
	p := s.pipeline
	if s.fresh.Swap(false) {
		s.gate.Reset()
	}
	if !s.gate.Pass(f.Captured, pace.Period(p.rate())) {
		p.count.rate.Add(1)
		f.Release()
		return
	}
	j := s.jobs.take()
	j.frame = *f
	if s.jobs.push(j) {
		p.count.encoder.Add(1)
	}
}

// setNoPictures records why there are no JPEGs ("" if there are) and reports whether that is new.
func (p *Pipeline) setNoPictures(why string) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = why != p.noPictures
	p.noPictures = why
	return news
}

// showNoPictures publishes a picture with the reason why there are no JPEGs.
func (p *Pipeline) showNoPictures() {
	p.mu.Lock()
	why := p.noPictures
	p.mu.Unlock()
	p.showNoSignal(why)
}
