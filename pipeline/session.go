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
	done     chan struct{} // closed when capture and the workers have ended
	err      error         // why capture ended, set before done is closed

	tune       chan struct{} // the wanted rate has changed
	fresh      atomic.Bool   // the next picture is wanted at once
	gate       pace.Gate
	lastNumber uint64                       // of the source's last picture
	good       atomic.Bool                  // a picture has arrived
	paused     atomic.Int64                 // since Pipeline.started: no picture is due until then
	reported   uint64                       // dropped pictures of the source that have been counted; guarded by Pipeline.mu
	video      atomic.Pointer[videoSession] // nil: none
	units      *video.Log                   // of a source that delivers only H.264

	// Only of a source without JPEGs.
	encoders   []frame.Encoder
	transforms []frame.Transform
	jobs       jobs
	workers    sync.WaitGroup
}

// prepare creates the encoders that the source needs, and configures the source.
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

// prepareLog chooses the log for a source that delivers only H.264: a private one if H.264 is off.
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

// patience starts the timeout for a source's read and Close.
func patience() <-chan struct{} {
	over := make(chan struct{})
	time.AfterFunc(abandonAfter, func() { close(over) })
	return over
}

// end ends a session for the given reason, and abandons it if it does not end.
func (s *session) end(why error) error {
	s.cancel(why)
	over := patience()
	s.pipeline.closeSource(s.source, over) // interrupts a pending read
	select {
	case <-s.done:
	case <-over:
		s.pipeline.config.Log.Warn("reading from the source timed out; abandoning it", zap.String("source", s.source.Info().Name))
	}
	return why
}

// closeSource closes the source, but waits for it only until over.
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

// follow adjusts the source's rate when it changes, in a separate goroutine because a hung source may also block that call.
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

// capture reads the source until it ends.
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

// arrived records a picture that the source delivered and reports whether it is wanted.
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

// note records a picture or unit that the source delivered; it returns false if the session has ended.
func (s *session) note(number uint64) bool {
	p := s.pipeline
	if s.ctx.Err() != nil { // abandoned: another session may be running
		return false
	}
	p.count.captured.Add(1)
	p.count.lastFrame.Store(int64(time.Since(p.started)))
	if s.good.Load() && number > s.lastNumber+1 {
		p.count.missed.Add(number - s.lastNumber - 1)
	}
	s.lastNumber = number
	if !s.good.Load() {
		s.good.Store(true)
		p.signalCame(s)
	}
	return true
}

// broken records an unusable picture and reports whether the source can continue.
func (s *session) broken(err error) bool {
	if errors.Is(err, frame.ErrBadPicture) || errors.Is(err, frame.ErrTooLarge) {
		p := s.pipeline
		p.mu.Lock()
		p.dropped(1, err)
		p.mu.Unlock()
		s.lastNumber++ // it has a number, too, and does not count as missed
		return true
	}
	return false
}

// captureJPEG reads pictures straight into slots.
func (s *session) captureJPEG(source frame.JPEGSource) error {
	p := s.pipeline
	var slot reservation
	var scratch []byte // for pictures read while readers hold every slot: the source must be kept running
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
		if s.ctx.Err() == nil { // an abandoned session must not publish
			held = false
			p.publish(slot, &picture)
		}
		p.mu.Unlock()
	}
	return s.ctx.Err()
}
