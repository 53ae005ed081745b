// Package record writes a stream to disk, in pieces that any player opens: a ring's JPEGs as AVI files, or H.264 as MP4 files. The oldest are deleted so
// that all together stay below a limit.
//
// A piece ends when it is full, when the picture's size changes and when no frame came for some seconds; one of H.264 begins with a key frame, which is
// requested for it, and so may be up to twice its size. It is playable at any
// time: after a crash or a power cut up to the last frame that reached the disk. Pictures that say "no signal" are not recorded.
// On a full disk the oldest piece makes room. A folder that is gone is logged and tried again until it is there; the stream goes on meanwhile.
//
// Pieces are numbered, and the lowest number is the oldest: a device without a clock's battery records in 1970 until it learns the time. Several programs
// may record into one folder; each counts what the others have there, so that all together stay below the limit.
package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/disk"
	"github.com/maixstream/maixstream/internal/pace"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
)

// Video is a pipeline's H.264.
type Video interface {
	Log() *video.Log
	// Watch is held while recording: the encoder must not rest.
	Watch() (leave func())
	// Err returns why there is none.
	Err() error
}

// Config configures a Recorder. Dir, MaxBytes, and one of Ring and Video are required.
type Config struct {
	// Ring is recorded as AVI.
	Ring *ring.Ring
	// Video is recorded as MP4, instead of Ring.
	Video Video
	// Watch, when not nil, is held while Ring is recorded: the encoder must not rest.
	Watch func() (leave func())
	Dir   string // made if it is not there, but not when it vanishes later: it may be where a disk was
	// MaxBytes is the largest total size of all pieces in Dir; at least MinBytes.
	MaxBytes int64
	// PieceBytes is the size at which a piece ends; 0: a quarter of MaxBytes, 512 MiB at most.
	PieceBytes int64
	// FPS is the frame rate that a piece says until two frames have told. 0: 30. Of slow rates pieces end later, too.
	FPS float64
	// Patience is how long writing one frame may take before State.Error reports it: network drives and worn cards hang. 0: 10 s.
	Patience time.Duration
	Log      *zap.Logger // nil disables logging
}

// MinBytes is the least Config.MaxBytes.
const MinBytes = 1 << 20

const (
	maxPiece = 512 << 20
	retry    = 2 * time.Second // after a failed write
	refresh  = 2 * time.Second // how often a running piece's header is brought up to date, and its name looked for
	sayAgain = time.Minute     // that writing fails

	// At the usual frame rates; slower ones have more, see Recorder.frameTimes.
	gap     = 5 * time.Second  // without a frame ends a piece: its one frame rate would be wrong
	longest = 30 * time.Minute // of a piece
	// step is how far the time between two frames, by their capture times, may be from the time between their publishing. Beyond it a clock was set.
	step = 30 * time.Second
)

// State describes what has been recorded so far.
type State struct {
	Frames  uint64 `json:"frames"`
	Skipped uint64 `json:"skipped"` // published meanwhile, and lost to a slow or failing disk
	Pieces  int    `json:"pieces"`  // in the directory
	Bytes   int64  `json:"bytes"`   // of them
	File    string `json:"file"`    // being written; "": none
	// Error is why nothing is recorded now; Failed is which piece could not be finished last, and why: it may lack its index, and play all the same.
	Error  string `json:"error,omitempty"`
	Failed string `json:"failed,omitempty"`
}

// Recorder records until it is closed.
type Recorder struct {
	config Config
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	state   State
	writing time.Time // since when a frame is being written; zero: none is

	// What follows belongs to the goroutine that writes.
	feed      feed
	folder    folder
	piece     piece // nil: none
	began     bool  // a picture was recorded
	skipped   uint64
	failing   bool
	retryAt   time.Time
	saidAt    time.Time // that it fails
	fresh     time.Time // when the header was brought up to date
	captured  time.Time // of the newest frame
	published time.Time // of the newest frame
	frameTime time.Duration
	err       error // of the newest piece that could not be finished
}

// ErrTooSmall: Config.MaxBytes is below MinBytes.
var ErrTooSmall = errors.New("too little room for a recording")

// Start checks that Dir can be written and records from now on.
func Start(c Config) (*Recorder, error) {
	if (c.Ring == nil) == (c.Video == nil) {
		return nil, errors.New("record: one of Config.Ring and Config.Video must be set")
	}
	if c.MaxBytes < MinBytes {
		return nil, fmt.Errorf("record: %w: at most %d bytes: too few, at least %s", ErrTooSmall, c.MaxBytes, humanize.IBytes(MinBytes))
	}
	if c.PieceBytes <= 0 {
		c.PieceBytes = min(c.MaxBytes/4, maxPiece)
	}
	c.PieceBytes = min(c.PieceBytes, 1<<30)
	if !(c.FPS > 0) {
		c.FPS = 30
	}
	if c.Patience <= 0 {
		c.Patience = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if err := os.MkdirAll(c.Dir, folderMode); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	probe, err := os.CreateTemp(c.Dir, ".maixstream-probe-*")
	if err != nil {
		return nil, fmt.Errorf("record: %s cannot be written: %w", c.Dir, err)
	}
	_ = probe.Close() // nothing was written
	_ = os.Remove(probe.Name())
	r := &Recorder{
		config: c, done: make(chan struct{}), folder: folder{dir: c.Dir, limit: c.MaxBytes, log: c.Log},
		frameTime: pace.Duration(min(1/c.FPS, 24*3600)),
	}
	r.folder.suffix, r.folder.make = suffixAVI, func(o output, first *picture) (piece, error) { return newAVI(o, first, c.FPS) }
	if c.Video != nil {
		r.folder.suffix, r.folder.make = suffixMP4, func(o output, first *picture) (piece, error) { return newMP4(o, first, r.frameTime) }
	}
	if err := r.folder.scan(""); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r.show()
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	return r, nil
}

// Close finishes the running piece and waits for it. It returns the error of the newest piece that could not be finished, if there was one. It may be
// called twice.
func (r *Recorder) Close() error {
	r.cancel()
	<-r.done
	return r.err
}

// State may be called from any goroutine; it waits for no disk.
func (r *Recorder) State() State {
	r.mu.Lock()
	state, writing := r.state, r.writing
	r.mu.Unlock()
	if state.Error != "" {
		return state
	}
	if !writing.IsZero() {
		if took := time.Since(writing); took > r.config.Patience {
			state.Error = fmt.Sprintf("the disk has not taken a picture for %v", took.Round(time.Second))
		}
	} else if r.config.Video != nil && state.File == "" {
		if err := r.config.Video.Err(); err != nil {
			state.Error = err.Error()
		}
	}
	return state
}

// busy records that writing a frame begins or ends.
func (r *Recorder) busy(since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writing = since
}

func (r *Recorder) run(ctx context.Context) {
	defer close(r.done)
	if r.config.Video != nil {
		defer r.config.Video.Watch()()
	} else if r.config.Watch != nil {
		defer r.config.Watch()()
	}
	r.feed = newFeed(&r.config)
	defer r.feed.close()
	var f picture
	began := false
	for {
		err := r.next(ctx, &f)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil { // no frame for a while
			_ = r.end() // is noted
			continue
		}
		if began {
			r.skipped += f.skipped
		}
		began = true
		if !f.substitute {
			r.frame(&f)
		} else if r.piece != nil && time.Since(r.published) > r.frameTimes(gap, 3) {
			_ = r.end() // is noted
		}
		r.feed.release()
	}
	_ = r.end() // is noted
}

// frameTimes is a limit at the usual frame rates; at slow ones it is that many frame times.
func (r *Recorder) frameTimes(usual time.Duration, frames int) time.Duration {
	return max(usual, time.Duration(frames)*r.frameTime)
}

// next waits for a frame; while a piece is open not longer than a gap.
func (r *Recorder) next(ctx context.Context, f *picture) error {
	if r.feed.tryNext(f) {
		return nil
	}
	if r.piece == nil {
		return r.feed.next(ctx, f)
	}
	wait, cancel := context.WithTimeout(ctx, r.frameTimes(gap, 3))
	defer cancel()
	for {
		short, cancel := context.WithTimeout(wait, lately/3)
		err := r.feed.next(short, f)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case wait.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		r.piece.about().touch(time.Now()) // at a slow rate others must not take it for one that nobody writes
	}
}

// frame records one frame, or counts it as lost.
func (r *Recorder) frame(f *picture) {
	now := time.Now()
	r.busy(now)
	defer r.busy(time.Time{})
	var recorded bool
	var err error
	tried := !now.Before(r.retryAt)
	if tried {
		recorded, err = r.write(f, now)
	}
	switch {
	case err != nil:
		r.retryAt = now.Add(retry)
		if !r.failing || now.Sub(r.saidAt) >= sayAgain {
			r.saidAt = now
			r.config.Log.Error("recording failed; trying again", zap.Error(err), zap.Duration("every", retry))
		}
		r.failing = true
		_ = r.end() // is noted
	case recorded && r.failing:
		r.failing = false
		r.config.Log.Info("recording resumed", zap.String("file", r.piece.about().name))
	}
	switch waits := tried && err == nil; { // for a key frame
	case recorded:
		r.began = true
	case r.began || !waits: // what is before the first one is no loss
		r.skipped++
	}
	r.mu.Lock()
	r.state.Skipped = r.skipped
	switch {
	case err != nil:
		r.state.Error = err.Error()
	case recorded:
		r.state.Frames++
		r.state.Error = ""
	}
	r.mu.Unlock()
	r.show()
}

// show brings up to date what State says of the folder.
func (r *Recorder) show() {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.state
	s.File, s.Pieces, s.Bytes = "", len(r.folder.pieces), r.folder.bytes+r.own()
	if r.piece != nil {
		s.File = r.piece.about().name
		s.Pieces++
	}
}

// own returns the size of the running piece.
func (r *Recorder) own() int64 {
	if r.piece == nil {
		return 0
	}
	return r.piece.total()
}

// since is the time from the frame before to this one: by their capture times where these can be trusted, and else by when they were published, which is
// the monotonic clock's.
func (r *Recorder) since(f *picture) time.Duration {
	published := f.published.Sub(r.published)
	captured := f.captured.Sub(r.captured)
	if off := captured - published; captured <= 0 || off.Abs() > r.frameTimes(step, 3) {
		return published
	}
	return captured
}

// write records a picture; false without an error: it waits for a key frame, to begin a piece with.
func (r *Recorder) write(f *picture, now time.Time) (recorded bool, err error) {
	elapsed := time.Duration(0)
	if !r.published.IsZero() {
		elapsed = r.since(f)
	}
	pause := r.frameTimes(gap, 3)
	if !r.published.IsZero() && elapsed > 0 {
		r.frameTime = elapsed
	}
	r.captured, r.published = f.captured, f.published
	if p := r.piece; p != nil {
		must, should := r.over(p, f)
		switch {
		case must, elapsed > pause, should && f.key:
			if err := r.end(); err != nil {
				return false, err
			}
		case should:
			r.feed.requestKey()
		}
	}
	if r.piece != nil && now.Sub(r.fresh) >= refresh {
		if err := r.refresh(now); err != nil {
			return false, err
		}
	}
	if r.piece == nil {
		if !f.key {
			r.feed.requestKey()
			return false, nil
		}
		if err := r.begin(f, now); err != nil {
			return false, err
		}
	}
	o, need := r.piece.about(), r.piece.need(f)
	if err := r.folder.makeRoom(o.name, r.own(), need); err != nil {
		return false, err
	}
	if err := disk.Write(func() error { return r.piece.add(f, elapsed) }, r.folder.dropOldest); err != nil {
		return false, fmt.Errorf("%s: %w", o.name, err)
	}
	r.folder.written += need
	return true, nil
}

// over reports whether a piece must end before a picture, or should at the next one with which another piece can begin.
func (r *Recorder) over(p piece, f *picture) (must, should bool) {
	size, full := p.total()+p.need(f), r.config.PieceBytes
	if r.config.Video == nil {
		return !p.takes(f) || size > full, p.about().elapsed > r.frameTimes(longest, 1000)
	}
	// A key frame takes its time to come, or cannot be requested of a source that has H.264 of its own.
	most := min(2*full, max(full, r.config.MaxBytes/2))
	return !p.takes(f) || size > most, size > full-full/16 || p.about().elapsed > r.frameTimes(longest, 1000)
}

// opening is more than a piece has before its first picture, with an empty index.
const opening = 2 << 10

func (r *Recorder) begin(f *picture, now time.Time) error {
	if err := r.folder.makeRoom("", 0, int64(len(f.bytes))+opening); err != nil {
		return err
	}
	err := disk.Write(func() (err error) {
		r.piece, err = r.folder.create(f, now)
		return err
	}, r.folder.dropOldest)
	if err != nil {
		return err
	}
	r.fresh = now
	return nil
}

// refresh brings the running piece's header up to date. A piece whose file has lost its name, with its folder or its disk, is given up: what is written to
// it would be gone.
func (r *Recorder) refresh(now time.Time) error {
	r.fresh = now
	if !r.piece.about().isThere() {
		_ = r.end() // is noted
		return nil
	}
	if err := r.piece.refresh(); err != nil {
		return fmt.Errorf("%s: header: %w", r.piece.about().name, err)
	}
	return nil
}

// end finishes the running piece, if there is one.
func (r *Recorder) end() error {
	p := r.piece
	if p == nil {
		return nil
	}
	r.piece = nil
	defer r.show()
	o := p.about()
	if !o.isThere() {
		_ = o.file.Close() // it has no name any more
		return r.failed(o, uint64(o.frames), errRemoved)
	}
	err := p.finish(r.folder.dropOldest)
	if o.frames > 0 {
		r.folder.add(p)
	}
	if err != nil {
		return r.failed(o, 0, err)
	}
	return nil
}

// errRemoved: with its folder, or by somebody.
var errRemoved = errors.New("the file was removed while it was written")

// failed notes a piece that could not be finished, of which so many frames are lost.
func (r *Recorder) failed(o *output, lost uint64, err error) error {
	err = fmt.Errorf("record: finish %s: %w", o.name, err)
	r.err = err
	r.config.Log.Error("finishing a recording failed", zap.Error(err), zap.Uint64("lost_frames", lost))
	r.skipped += lost
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Frames -= lost
	r.state.Skipped = r.skipped
	r.state.Error, r.state.Failed = err.Error(), err.Error()
	return err
}
