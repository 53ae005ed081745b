package push

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
)

// runSpooled spools pictures and delivers them concurrently.
func (p *Pusher) runSpooled(outer context.Context, source Source) error {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	ended := make(chan struct{}) // closed at the source's end
	var keeping sync.WaitGroup
	var kept error
	keeping.Go(func() {
		defer close(ended)
		kept = p.keep(ctx, source)
	})
	_, live := source.(Live)
	sent := p.drain(ctx, ended, live)
	cancel()
	keeping.Wait()
	switch {
	case outer.Err() != nil:
		return outer.Err()
	case sent != nil:
		return sent
	case errors.Is(kept, context.Canceled):
		return nil
	}
	return kept
}

// keep spools the source's pictures. If one cannot be stored, it is dropped from a live source and ends any other.
func (p *Pusher) keep(ctx context.Context, source Source) error {
	_, live := source.(Live)
	waits := newBackOff(longestRefusal)
	for n := 0; p.config.Count == 0 || n < p.config.Count; n++ {
		shot := new(Shot)
		if err := source.Next(ctx, shot); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		p.skip(shot.Skipped)
		err := p.spool.put(ctx, shot, !live)
		if err == nil {
			shot.release()
			waits.Reset()
			continue
		}
		if ctx.Err() != nil {
			shot.release()
			return ctx.Err()
		}
		shot.complete(time.Now())
		p.config.Log.Error("push: spooling a picture failed", zap.Error(err))
		p.finish(givenUp, shot, Reply{}, err, 0)
		shot.release()
		if live {
			if err := pause(ctx, waits.NextBackOff()); err != nil {
				return err
			}
		}
	}
	return nil
}

// errSpoolFull ends a source that waits for room in the spool when there will be none.
var errSpoolFull = errors.New("push: the server accepts nothing and the spool is full; the rest of the source was neither sent nor spooled")

// drain delivers the spool's pictures, oldest first, until the source has ended and the spool is empty, or Retry has passed since.
func (p *Pusher) drain(ctx context.Context, ended <-chan struct{}, live bool) error {
	// Two: the replacement of a dropped picture is read while the other is still in the shot, and may turn out to be corrupt.
	var buffer, spare []byte
	refusals := newBackOff(longestRefusal)
	for {
		e, shot := (*entry)(nil), new(Shot)
		for ok := false; !ok; {
			var err error
			if e, err = p.spool.oldest(ctx, ended); e == nil {
				return err
			}
			buffer, ok = p.spool.load(e, shot, buffer)
		}
		v := p.deliver(ctx, shot, func() bool {
			if !p.spool.isDropped(e) { // while the server was unreachable
				return false
			}
			next, err := p.spool.oldest(ctx, ended)
			if err != nil || next == nil {
				return false
			}
			loaded, ok := p.spool.load(next, shot, spare)
			if spare = loaded; ok {
				e, buffer, spare = next, loaded, buffer
			}
			return ok
		})
		switch v {
		case stopped:
			return ctx.Err()
		case delivered:
			refusals.Reset()
			p.spool.done(e)
		case refused: // another picture may be accepted
			p.spool.done(e)
		case unwanted, givenUp: // kept: somebody has to fix the configuration, or the server has to come back
			select {
			case <-ended:
				return nil
			default:
			}
			if !live && p.spool.full() {
				return errSpoolFull
			}
			if err := p.rest(ctx, &Reply{}, refusals.NextBackOff()); err != nil {
				return err
			}
		}
	}
}
