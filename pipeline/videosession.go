package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// videoSession makes the H.264 of one session, in a goroutine of its own so that JPEGs do not wait for it.
type videoSession struct {
	video   *Video
	session *session
	cancel  context.CancelFunc
	done    sync.WaitGroup

	// Only of a raw source: copies of its frames, because the JPEG workers transform and release the frames themselves.
	mu      sync.Mutex
	free    []*frame.Frame
	pending *frame.Frame
	offered chan struct{}

	// Set by choose if an encoder has to be looked for, which may be done by whoever asks first.
	find  func()
	found bool // valid after find

	// Owned by the goroutine.
	name      string             // of a source's own encoder
	encoder   frame.VideoEncoder // nil without readers
	config    frame.VideoConfig  // encoder's current configuration
	transform frame.Transform
	unit      frame.AccessUnit
}

// copies of a raw source's frames: one being encoded, one waiting, one being filled.
const copies = 3

// startVideo starts a session's H.264, if any. stop ends it and waits for it.
func (s *session) startVideo() (stop func()) {
	v := s.pipeline.video
	if v == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	vs := &videoSession{video: v, session: s, cancel: cancel, offered: make(chan struct{}, 1)}
	run, name, err := vs.choose()
	if vs.find == nil {
		v.describe(name, err)
	} else {
		v.describeLater(vs.find)
	}
	if err != nil || run == nil {
		cancel()
		return func() {}
	}
	if checker, ok := s.source.(frame.VideoChecker); ok {
		if err := checker.CheckVideo(); err != nil {
			v.describe(name, err)
			v.mayRetry()
		}
	}
	v.interrupt()
	s.video.Store(vs)
	vs.done.Go(func() { run(ctx) })
	return func() {
		cancel()
		vs.done.Wait()
	}
}

// choose selects how this source's H.264 is made. run is nil if the session itself reads it. It sets find if that describes the encoder.
func (vs *videoSession) choose() (run func(context.Context), name string, err error) {
	v := vs.video
	var encode func(context.Context)
	switch source := vs.session.source.(type) {
	case frame.VideoSource:
		name = source.Info().Encoder
		if name == "" {
			name = "pass-through"
		}
		if isCoded(source) {
			return nil, name, nil
		}
		vs.name = name
		return func(ctx context.Context) { vs.read(ctx, source) }, name, nil
	case frame.RawSource:
		encode = vs.encodeRaw
	case frame.JPEGSource:
		if v.config.DecodeJPEG == nil {
			return nil, "", fmt.Errorf("source %s delivers JPEG, and there is no decoder", source.Info().Name)
		}
		encode = vs.encodeJPEG
	}
	if v.config.NewEncoder == nil {
		return nil, "", errors.New("there is no encoder")
	}
	vs.find = sync.OnceFunc(vs.findEncoder)
	return func(ctx context.Context) {
		if vs.search(ctx) {
			encode(ctx)
		}
	}, "", nil
}

// searchAfter is how long after its start a session looks for an encoder that nobody has asked for. Loading its library takes the processor from the
// first pictures.
const searchAfter = time.Second

// search waits until an encoder is worth looking for and reports whether there is one.
func (vs *videoSession) search(ctx context.Context) bool {
	wait := time.NewTimer(searchAfter)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-vs.video.woken:
	case <-wait.C:
	}
	if ctx.Err() != nil {
		return false
	}
	vs.find()
	return vs.found
}

// findEncoder describes the encoder, or why there is none.
func (vs *videoSession) findEncoder() {
	probe, err := vs.video.config.NewEncoder(vs.video.wanted(vs.session.source.Info()))
	name := ""
	if err == nil {
		name, vs.found = probe.Name(), true
		_ = probe.Close()
	}
	if vs.session.ctx.Err() == nil { // otherwise another session may have described its own
		vs.video.describe(name, err)
	}
}

// offer copies a raw frame if there are readers. A previous frame that the encoder has not started is replaced.
func (vs *videoSession) offer(f *frame.Frame) {
	if vs == nil || vs.video.takers.Load() == 0 {
		return
	}
	vs.mu.Lock()
	var to *frame.Frame
	if n := len(vs.free); n > 0 {
		to, vs.free = vs.free[n-1], vs.free[:n-1]
	}
	vs.mu.Unlock()
	to, err := copyFrame(to, f)
	vs.mu.Lock()
	if err != nil {
		vs.mu.Unlock()
		vs.video.count.failed.Add(1)
		return
	}
	if old := vs.pending; old != nil {
		vs.free = append(vs.free, old)
		vs.video.count.dropped.Add(1)
	}
	vs.pending = to
	vs.mu.Unlock()
	select {
	case vs.offered <- struct{}{}:
	default: // already signalled
	}
}

// copyFrame copies a frame to to, or to a new frame if to has another shape.
func copyFrame(to, f *frame.Frame) (*frame.Frame, error) {
	if err := f.Map(); err != nil {
		return nil, err
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	if to == nil || to.Format != f.Format || to.Width != f.Width || to.Height != f.Height {
		var err error
		if to, err = frame.Alloc(f.Format, f.Width, f.Height); err != nil {
			return nil, err
		}
	}
	for i := range f.Format.Planes() {
		rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
		for y := range rows {
			copy(to.Planes[i][y*to.Strides[i]:][:rowBytes], f.Planes[i][y*f.Strides[i]:])
		}
	}
	to.Captured, to.Sequence = f.Captured, f.Sequence
	return to, nil
}

// encodeRaw encodes the frames that are offered.
func (vs *videoSession) encodeRaw(ctx context.Context) {
	defer vs.rest()
	if vs.session.pipeline.config.NewTransform != nil {
		vs.transform = vs.session.pipeline.config.NewTransform()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-vs.video.woken:
			if vs.video.takers.Load() == 0 {
				vs.rest()
			}
		case <-vs.offered:
			vs.mu.Lock()
			f := vs.pending
			vs.pending = nil
			vs.mu.Unlock()
			if f == nil {
				continue
			}
			vs.encode(f, true)
			vs.mu.Lock()
			if len(vs.free) < copies {
				vs.free = append(vs.free, f)
			}
			vs.mu.Unlock()
		}
	}
}

// encodeJPEG decodes and encodes the ring's newest picture, repeatedly. The source's JPEGs are not transformed, so neither is this.
func (vs *videoSession) encodeJPEG(ctx context.Context) {
	defer vs.rest()
	reader := vs.session.pipeline.config.Ring.NewReader()
	defer reader.Close()
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-vs.video.woken:
			if vs.video.takers.Load() == 0 {
				vs.rest()
			}
		case <-reader.Updates():
			var jpeg ring.Frame
			if vs.video.takers.Load() == 0 || !reader.TryNext(&jpeg) {
				continue
			}
			if m := jpeg.Meta(); m.Substitute || m.Published.Before(began) {
				jpeg.Release()
				continue
			}
			f, err := vs.video.config.DecodeJPEG(jpeg.JPEG())
			m := *jpeg.Meta()
			jpeg.Release()
			if err != nil {
				vs.fail(err)
				continue
			}
			f.Captured, f.Sequence = m.Captured, m.Sequence
			vs.encode(f, false)
		}
	}
}

// encode encodes one frame.
func (vs *videoSession) encode(f *frame.Frame, turn bool) {
	v := vs.video
	if v.takers.Load() == 0 {
		return
	}
	wanted := v.wanted(vs.session.source.Info())
	var err error
	switch {
	case vs.encoder == nil:
		if vs.encoder, err = v.config.NewEncoder(wanted); err != nil {
			vs.encoder = nil
			vs.fail(err)
			return
		}
		v.interrupt() // it has no reference pictures
	case wanted != vs.config:
		if err = vs.encoder.Configure(wanted); err != nil {
			vs.fail(err)
		}
	}
	vs.config = wanted
	if turn && vs.transform != nil {
		settings := v.pipeline.settings.Load()
		look := frame.Look{Mirror: settings.Mirror, Flip: settings.Flip, Rotate: settings.Rotate, Overlay: settings.Overlay}
		if look != (frame.Look{}) {
			captured, sequence := f.Captured, f.Sequence
			if f, err = vs.transform.Apply(f, &look); err != nil {
				vs.fail(err)
				return
			}
			f.Captured, f.Sequence = captured, sequence
		}
	}
	if err := vs.encoder.Encode(f, v.keyWanted(), &vs.unit); err != nil {
		vs.fail(err)
		v.interrupt()
		return
	}
	if len(vs.unit.NALs) > 0 {
		v.publish(vs.session, &vs.unit)
	}
}

func (vs *videoSession) fail(err error) { vs.video.mishap(err) }

// rest frees the encoder.
func (vs *videoSession) rest() {
	if vs.encoder != nil {
		_ = vs.encoder.Close()
		vs.encoder = nil
		vs.video.interrupt() // a later reader must not get a picture from now
	}
	vs.mu.Lock()
	vs.free, vs.pending = nil, nil
	vs.mu.Unlock()
}

// retryVideo is how long a source's failed encoder is left alone.
const retryVideo = 5 * time.Second

// read passes a source's own H.264 through.
func (vs *videoSession) read(ctx context.Context, source frame.VideoSource) {
	switcher, ok := source.(frame.VideoSwitcher)
	if !ok {
		_ = vs.pass(ctx, source) // the reader of the source's pictures sees the error, too
		return
	}
	for ctx.Err() == nil {
		if vs.video.takers.Load() == 0 {
			select {
			case <-ctx.Done():
			case <-vs.video.woken:
			}
			continue
		}
		vs.configure(source)
		err := switcher.SetVideo(true)
		if err == nil {
			vs.video.describe(vs.name, nil)
			vs.video.interrupt() // the encoder has no reference pictures
			err = vs.passWhileTaken(ctx, source)
			if again := switcher.SetVideo(false); again != nil && ctx.Err() == nil {
				vs.fail(again)
			}
		}
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, frame.ErrVideo):
			vs.refused(ctx, err)
		default:
			return // the source has ended; the reader of its pictures sees that, too
		}
	}
}

// passWhileTaken passes a source's H.264 through until there are no readers, which is not an error, or the source stops making any.
func (vs *videoSession) passWhileTaken(ctx context.Context, source frame.VideoSource) error {
	taken, cancel := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-taken.Done():
				return
			case <-vs.video.woken:
				if vs.video.takers.Load() == 0 {
					cancel()
				}
			}
		}
	})
	defer watcher.Wait()
	defer cancel()
	if vs.video.takers.Load() == 0 { // the last reader left before it was seen
		return nil
	}
	if err := vs.pass(taken, source); taken.Err() == nil {
		return err
	}
	return nil
}

// refused records that the source's encoder cannot work. Pictures continue, and a later reader retries.
func (vs *videoSession) refused(ctx context.Context, err error) {
	vs.video.describe(vs.name, err)
	select {
	case <-ctx.Done():
	case <-time.After(retryVideo):
	}
	vs.video.mayRetry()
}

// configure passes a changed configuration to the source's encoder.
func (vs *videoSession) configure(source frame.VideoSource) {
	configurer, ok := source.(frame.VideoConfigurer)
	if !ok {
		return
	}
	if wanted := vs.video.wanted(source.Info()); wanted != vs.config {
		if err := configurer.ConfigureVideo(wanted); err != nil {
			vs.fail(err)
		}
		vs.config = wanted
	}
}

// pass passes a source's H.264 through until ctx is done or the source has no more.
func (vs *videoSession) pass(ctx context.Context, source frame.VideoSource) error {
	v := vs.video
	requester, _ := source.(frame.KeyRequester)
	taken := false // the units since the last key frame were published
	for ctx.Err() == nil {
		vs.configure(source)
		if requester != nil && v.takers.Load() > 0 && v.keyWanted() {
			if err := requester.RequestKey(); err != nil {
				vs.fail(err)
			}
		}
		err := source.ReadUnit(ctx, &vs.unit)
		switch {
		case err == nil:
		case errors.Is(err, frame.ErrBadPicture) || errors.Is(err, frame.ErrTooLarge):
			vs.fail(err)
			v.interrupt()
			continue
		default:
			return err
		}
		if v.takers.Load() == 0 {
			if taken {
				v.interrupt() // a later reader must not get a picture from now
			}
			taken = false
			continue
		}
		if !taken {
			v.interrupt()
			taken = true
		}
		v.publish(vs.session, &vs.unit)
	}
	return ctx.Err()
}
