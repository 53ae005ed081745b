package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/video"
)

// session is one opened source, until it ends.
type session struct {
	pipeline *Pipeline
	source   frame.Source
	ctx      context.Context
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed when capture and workers have ended
	err      error         // why capture ended, set before done is closed

	tune       chan struct{} // the wanted rate has changed
	fresh      atomic.Bool   // the next picture is wanted at once
	gate       pace.Gate
	lastNumber uint64                       // of the source's last picture
	good       bool                         // a picture has come
	paused     atomic.Int64                 // since Pipeline.started: until then nothing need come
	reported   uint64                       // pictures that the source has left out, as far as they are counted; guarded by Pipeline.mu
	video      atomic.Pointer[videoSession] // nil: none
	units      *video.Log                   // of a source that has H.264 alone

	// Of a source that has no JPEGs only.
	encoders   []frame.Encoder
	transforms []frame.Transform
	jobs       jobs
	workers    sync.WaitGroup
}

// prepare makes the encoders that the source needs, and asks the source for what it does by itself.
func (s *session) prepare() error {
	switch s.source.(type) {
	case frame.JPEGSource:
		return nil
	case frame.RawSource:
	case frame.VideoSource:
		if err := s.prepareLog(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("pipeline: source %s delivers neither raw frames nor JPEG nor H.264", s.source.Info().Name)
	}
	if s.pipeline.config.NewEncoder == nil {
		return fmt.Errorf("pipeline: source %s delivers no JPEG and there is no encoder", s.source.Info().Name)
	}
	for range s.pipeline.config.Workers {
		e, err := s.pipeline.config.NewEncoder()
		if err != nil {
			s.closeEncoders()
			return fmt.Errorf("pipeline: %w", err)
		}
		s.encoders = append(s.encoders, e)
		if s.pipeline.config.NewTransform != nil && s.units == nil {
			s.transforms = append(s.transforms, s.pipeline.config.NewTransform())
		}
	}
	s.jobs.init(len(s.encoders))
	return nil
}

// prepareLog chooses where the units of a source that has H.264 alone go: nobody else takes them where H.264 is off.
func (s *session) prepareLog() (err error) {
	if v := s.pipeline.video; v != nil {
		s.units = v.config.Log
	} else if s.units, err = video.New(video.Config{}); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	return nil
}

func (s *session) encoderName() string {
	if len(s.encoders) > 0 {
		return s.encoders[0].Name()
	}
	return s.source.Info().Encoder
}

// patience begins the time that a source may take to end a read and a Close.
func patience() <-chan struct{} {
	over := make(chan struct{})
	time.AfterFunc(abandonAfter, func() { close(over) })
	return over
}

// end makes a session end for the given reason, and leaves it behind when it does not.
func (s *session) end(why error) error {
	s.cancel(why)
	over := patience()
	s.pipeline.closeSource(s.source, over) // ends a read that waits
	select {
	case <-s.done:
	case <-over:
		s.pipeline.config.Log.Warn("reading from the source timed out; abandoning it", zap.String("source", s.source.Info().Name))
	}
	return why
}

// closeSource closes the source, but waits only until over for it.
func (p *Pipeline) closeSource(source frame.Source, over <-chan struct{}) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := source.Close(); err != nil {
			p.config.Log.Debug("closing the source", zap.Error(err))
		}
	}()
	select {
	case <-closed:
	case <-over:
		p.config.Log.Warn("closing the source timed out; abandoning it")
	}
}

// follow tells the source the rate that is wanted when it has changed. Beside what oversees the session: a source that hangs may keep the call, too.
func (s *session) follow(changed <-chan struct{}) {
	setter, ok := s.source.(frame.RateSetter)
	if !ok {
		return
	}
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-changed:
			if err := setter.SetFPS(s.pipeline.rate()); err != nil {
				s.pipeline.config.Log.Debug("source keeps its frame rate", zap.Error(err))
			}
		}
	}
}

// capture reads the source to its end.
func (s *session) capture() {
	stopVideo := s.startVideo()
	switch source := s.source.(type) {
	case frame.JPEGSource:
		s.err = s.captureJPEG(source)
	case frame.RawSource:
		for i := range s.encoders {
			s.workers.Go(func() { s.work(i) })
		}
		s.err = s.captureRaw(source)
		s.jobs.close(s.ctx.Err() != nil)
		s.workers.Wait()
	case frame.VideoSource:
		for i := range s.encoders {
			s.workers.Go(func() { s.work(i) })
		}
		s.err = s.captureUnits(source)
		s.jobs.close(s.ctx.Err() != nil)
		s.workers.Wait()
	}
	stopVideo()
	s.closeEncoders()
	close(s.done)
}

func (s *session) closeEncoders() {
	for _, e := range s.encoders {
		_ = e.Close()
	}
}

// arrived notes a picture that the source delivered and says whether it is wanted.
func (s *session) arrived(captured time.Time, number uint64) bool {
	if !s.note(number) {
		return false
	}
	if s.fresh.Swap(false) {
		s.gate.Reset()
	}
	if !s.gate.Pass(captured, pace.Period(s.pipeline.rate())) {
		s.pipeline.count.rate.Add(1)
		return false
	}
	return true
}

// note notes a picture or unit that the source delivered; false: the session has ended.
func (s *session) note(number uint64) bool {
	p := s.pipeline
	if s.ctx.Err() != nil { // left behind: another session may run already
		return false
	}
	p.count.captured.Add(1)
	p.count.lastFrame.Store(int64(time.Since(p.started)))
	if s.good && number > s.lastNumber+1 {
		p.count.missed.Add(number - s.lastNumber - 1)
	}
	s.lastNumber = number
	if !s.good {
		s.good = true
		p.signalCame(s)
	}
	return true
}

// broken notes a picture that could not be used and says whether the source can go on.
func (s *session) broken(err error) bool {
	if errors.Is(err, frame.ErrBadPicture) || errors.Is(err, frame.ErrTooLarge) {
		p := s.pipeline
		p.mu.Lock()
		p.dropped(1, err)
		p.mu.Unlock()
		s.lastNumber++ // it has a number, too, and is not missed besides
		return true
	}
	return false
}

// captureJPEG reads pictures straight into slots.
func (s *session) captureJPEG(source frame.JPEGSource) error {
	p := s.pipeline
	var slot reservation
	var scratch []byte // where pictures go while readers hold every slot: the source must be kept running
	held := false
	defer func() {
		if held {
			p.mu.Lock()
			p.config.Ring.Discard(slot)
			p.mu.Unlock()
		}
	}()
	for s.ctx.Err() == nil {
		if !held {
			p.mu.Lock()
			slot, held = p.config.Ring.Reserve()
			p.mu.Unlock()
		}
		dst := scratch
		if held {
			dst = slot.Buffer(p.config.Ring)
		} else if dst == nil {
			scratch = make([]byte, p.config.Ring.SlotSize())
			dst = scratch
		}
		var picture frame.Picture
		if err := source.ReadJPEG(s.ctx, dst, &picture); err != nil {
			if s.broken(err) {
				continue
			}
			return err
		}
		if !s.arrived(picture.Captured, picture.Sequence) {
			continue
		}
		if !held {
			p.count.ring.Add(1)
			continue
		}
		p.mu.Lock()
		if s.ctx.Err() == nil { // a session that was left behind must not publish any more
			held = false
			p.publish(slot, &picture)
		}
		p.mu.Unlock()
	}
	return s.ctx.Err()
}
