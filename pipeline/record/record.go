// Package record writes a ring's frames to disk: AVI files of MJPEG that any player opens, in pieces, the oldest of which are deleted so that all
// together stay below a limit.
//
// A piece ends when it is full, when the picture's size changes and when no frame came for some seconds. It is playable at any
// time: after a crash or a power cut up to the last frame that reached the disk. Pictures that say "no signal" are not recorded.
// A disk that is full or gone is logged and tried again; the stream goes on meanwhile.
package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// Config says what is recorded where. Ring, Dir and MaxBytes must be set.
type Config struct {
	Ring *ring.Ring
	// Watch, when not nil, is held while recording: the encoder must not rest.
	Watch func() (leave func())
	Dir   string // made if it is not there
	// MaxBytes is what all pieces in Dir have together, at most; at least MinBytes.
	MaxBytes int64
	// PieceBytes is the size at which a piece ends; 0: a quarter of MaxBytes, 512 MiB at most.
	PieceBytes int64
	// FPS is the frame rate that a piece's header says until two frames have told. 0: 30.
	FPS float64
	Log *zap.Logger // nil: nothing
}

// MinBytes is the least Config.MaxBytes.
const MinBytes = 1 << 20

const (
	prefix   = "maixstream-"
	maxPiece = 512 << 20
	gap      = 5 * time.Second  // without a frame ends a piece: its one frame rate would be wrong
	longest  = 30 * time.Minute // of a piece
	retry    = 2 * time.Second  // after a failed write, doubled up to a minute
	refresh  = 2 * time.Second  // how often a running piece's header is brought up to date
)

// State is what has been recorded so far.
type State struct {
	Frames  uint64 `json:"frames"`
	Skipped uint64 `json:"skipped"` // published meanwhile, and lost to a slow or failing disk
	Pieces  int    `json:"pieces"`  // in the directory
	Bytes   int64  `json:"bytes"`   // of them
	File    string `json:"file"`    // being written; "": none
	Error   string `json:"error,omitempty"`
}

// Recorder records until it is closed.
type Recorder struct {
	config Config
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	state State

	// What follows belongs to the goroutine that writes.
	piece    *piece
	finished []finished // oldest first
	failures int
	retryAt  time.Time
	fresh    time.Time // when the header was brought up to date
	err      error
}

type finished struct {
	name  string
	bytes int64
}

// Start checks that Dir can be written and records from now on.
func Start(c Config) (*Recorder, error) {
	if c.MaxBytes < MinBytes {
		return nil, fmt.Errorf("record: at most %d bytes: too few for a recording, at least %s", c.MaxBytes, humanize.IBytes(MinBytes))
	}
	if c.PieceBytes <= 0 {
		c.PieceBytes = min(c.MaxBytes/4, maxPiece)
	}
	c.PieceBytes = min(c.PieceBytes, 1<<30)
	if c.FPS <= 0 {
		c.FPS = 30
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	probe, err := os.CreateTemp(c.Dir, ".maixstream-probe-*")
	if err != nil {
		return nil, fmt.Errorf("record: %s cannot be written: %w", c.Dir, err)
	}
	probe.Close()
	os.Remove(probe.Name())
	r := &Recorder{config: c, done: make(chan struct{})}
	if err := r.scan(); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	return r, nil
}

// Close finishes the running piece and waits for it. It may be called twice.
func (r *Recorder) Close() error {
	r.cancel()
	<-r.done
	return r.err
}

// State may be called from any goroutine.
func (r *Recorder) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// scan finds the pieces of earlier runs.
func (r *Recorder) scan() error {
	entries, err := os.ReadDir(r.config.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // sorted by name, which is by time
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), ".avi") {
			r.finished = append(r.finished, finished{filepath.Join(r.config.Dir, e.Name()), info.Size()})
		}
	}
	return nil
}

func (r *Recorder) run(ctx context.Context) {
	defer close(r.done)
	if r.config.Watch != nil {
		defer r.config.Watch()()
	}
	reader := r.config.Ring.NewReader()
	defer reader.Close()
	var f ring.Frame
	var skipped uint64
	began := false
	for {
		err := r.next(ctx, reader, &f)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil { // no frame for a while
			r.end()
			continue
		}
		if began {
			skipped += f.Skipped
		}
		began = true
		if !f.Meta().Substitute {
			r.frame(&f, &skipped)
		}
		f.Release()
	}
	r.err = r.end()
}

// next waits for a frame; while a piece is open not longer than a gap.
func (r *Recorder) next(ctx context.Context, reader *ring.Reader, f *ring.Frame) error {
	if reader.TryNext(f) {
		return nil
	}
	if r.piece == nil {
		return reader.Next(ctx, f)
	}
	wait, cancel := context.WithTimeout(ctx, gap)
	defer cancel()
	err := reader.Next(wait, f)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return err
}

// frame records one frame, or counts it as lost.
func (r *Recorder) frame(f *ring.Frame, skipped *uint64) {
	now := time.Now()
	err := error(nil)
	if now.Before(r.retryAt) {
		*skipped++
	} else if err = r.write(f, now); err != nil {
		*skipped++
		wait := min(retry<<min(r.failures, 5), time.Minute)
		r.failures++
		r.retryAt = now.Add(wait)
		r.config.Log.Error("recording failed", zap.Error(err), zap.Duration("retry_in", wait))
		_ = r.end() // it tells nothing more
	} else if r.failures > 0 {
		r.failures = 0
		r.config.Log.Info("recording goes on", zap.String("file", r.piece.name))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.state
	s.Skipped = *skipped
	switch {
	case err != nil:
		s.Error = err.Error()
	case r.piece != nil:
		s.Frames++
		s.Error = ""
	}
	s.File, s.Pieces, s.Bytes = "", len(r.finished), r.bytes()
	if r.piece != nil {
		s.File = r.piece.name
		s.Pieces++
	}
}

func (r *Recorder) write(f *ring.Frame, now time.Time) error {
	m, jpg := f.Meta(), f.JPEG()
	need := int64(len(jpg)) + 8 + 1 + 16
	if p := r.piece; p != nil && (p.width != m.Width || p.height != m.Height || p.total()+need > r.config.PieceBytes || m.Captured.Sub(p.first) > longest) {
		if err := r.end(); err != nil {
			return err
		}
	}
	if r.piece == nil {
		need += headerSize + 8
	}
	if err := r.makeRoom(need); err != nil {
		return err
	}
	if r.piece == nil {
		name := filepath.Join(r.config.Dir, prefix+now.Format("20060102-150405.000000")+".avi")
		p, err := newPiece(name, m.Width, m.Height, r.config.FPS)
		if err != nil {
			return err
		}
		r.piece, r.fresh = p, now
	}
	if err := r.piece.add(jpg, m.Captured); err != nil {
		return fmt.Errorf("%s: %w", r.piece.name, err)
	}
	if now.Sub(r.fresh) >= refresh {
		r.fresh = now
		return r.piece.refresh()
	}
	return nil
}

// bytes is what all pieces have together.
func (r *Recorder) bytes() int64 {
	var sum int64
	for _, f := range r.finished {
		sum += f.bytes
	}
	if r.piece != nil {
		sum += r.piece.total()
	}
	return sum
}

// makeRoom deletes the oldest pieces until need bytes more are within the limit.
func (r *Recorder) makeRoom(need int64) error {
	for r.bytes()+need > r.config.MaxBytes {
		if len(r.finished) == 0 {
			return fmt.Errorf("a picture of %d bytes does not fit into %d for all recordings", need, r.config.MaxBytes)
		}
		oldest := r.finished[0]
		if err := os.Remove(oldest.name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("delete the oldest recording: %w", err)
		}
		r.finished = slices.Delete(r.finished, 0, 1)
		r.config.Log.Debug("deleted the oldest recording", zap.String("file", oldest.name))
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
	if p.frames > 0 {
		r.finished = append(r.finished, finished{p.name, p.total()})
	}
	if err := p.finish(); err != nil {
		return fmt.Errorf("record: finish %s: %w", p.name, err)
	}
	return nil
}
