package rtsp

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"go.uber.org/zap"
)

type session = *gortsplib.ServerSession

// readers are the sessions that play.
type readers struct {
	log            *zap.Logger
	mostPerAddress int
	count          atomic.Int64
	refused, lost  atomic.Uint64

	mu      sync.Mutex
	most    int // 0: no limit
	playing map[session]*reader
}

// reader is one of them.
type reader struct {
	session session
	at      *instance
	media   *media
	from    string
	sender  netip.Addr
	since   time.Time
	leave   func()
	setup   setupOf
	player  *player            // nil: it has none
	stop    context.CancelFunc // of its player; nil: it has none
	lost    atomic.Uint64
}

func (r *readers) setMost(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = n
}

// add counts a reader, or says why it is over a limit. Who is already counted is counted once.
func (r *readers) add(one *reader) (refusal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.playing[one.session] != nil {
		return ""
	}
	if refusal = r.room(one); refusal != "" {
		r.refused.Add(1)
		return refusal
	}
	one.since, one.leave = time.Now(), one.media.watch()
	r.playing[one.session] = one
	one.session.SetUserData(one)
	one.media.playing.Add(1)
	r.count.Store(int64(len(r.playing)))
	r.log.Debug("rtsp: reader", zap.String("address", one.from), zap.String("path", one.media.paths[0]))
	return ""
}

// plays says whether a session is counted.
func (r *readers) plays(s session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.playing[s] != nil
}

// room makes room for a newcomer, or says why there is none; r.mu is held.
func (r *readers) room(newcomer *reader) (refusal string) {
	of := map[netip.Addr]int{}
	for _, other := range r.playing {
		of[other.sender]++
	}
	own := of[newcomer.sender]
	if own >= r.mostPerAddress {
		return fmt.Sprintf("too many readers from this address: %d", own)
	}
	if r.most <= 0 || len(r.playing) < r.most {
		return ""
	}
	var oldest *reader // of the address that has the most
	for _, other := range r.playing {
		if oldest == nil || of[other.sender] > of[oldest.sender] || other.sender == oldest.sender && other.since.Before(oldest.since) {
			oldest = other
		}
	}
	if oldest == nil || of[oldest.sender] < own+2 {
		return fmt.Sprintf("too many readers: %d", len(r.playing))
	}
	r.log.Info("rtsp: reader closed; all slots taken, and its address has the most", zap.String("address", oldest.from),
		zap.Int("readers_of_that_address", of[oldest.sender]))
	r.drop(oldest)
	oldest.session.Close()
	return ""
}

// remove forgets a session.
func (r *readers) remove(s session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.playing[s]; one != nil {
		r.drop(one)
	}
}

// drop forgets a reader; r.mu is held.
func (r *readers) drop(one *reader) {
	delete(r.playing, one.session)
	r.count.Store(int64(len(r.playing)))
	one.media.playing.Add(-1)
	one.leave()
	if one.stop != nil {
		one.stop()
	}
	log := r.log.Debug
	if one.lost.Load() > 0 {
		log = r.log.Info
	}
	log("rtsp: reader gone", zap.String("address", one.from), zap.Duration("after", time.Since(one.since).Round(time.Millisecond)),
		zap.Uint64("lost_packets", one.lost.Load()))
}

// any says whether an instance has readers.
func (r *readers) any(at *instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.playing {
		if one.at == at {
			return true
		}
	}
	return false
}

// missed counts a packet that could not be queued for a reader. A line says so once, and the sum when the reader goes.
func (r *readers) missed(s session, err error) {
	r.lost.Add(1)
	if one, ok := s.UserData().(*reader); ok && one.lost.Add(1) == 1 {
		r.log.Info("rtsp: slow reader; dropping packets", zap.String("address", one.from), zap.Error(err))
	}
}

// close forgets all.
func (r *readers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.playing {
		r.drop(one)
	}
}
