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

// readers are the playing sessions.
type readers struct {
	log            *zap.Logger
	mostPerAddress int
	count          atomic.Int64
	refused, lost  atomic.Uint64

	mu      sync.Mutex
	most    int // 0: no limit
	playing map[session]*reader
}

// reader is a playing session.
type reader struct {
	session session
	at      *instance
	media   *media
	from    string
	sender  netip.Addr
	since   time.Time
	leave   func()
	setup   setupOf
	player  *player            // may be nil
	stop    context.CancelFunc // stops player; nil if that is nil
	lost    atomic.Uint64
}

func (r *readers) setMost(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = n
}

// add counts a reader, unless it is counted already, or returns which limit it exceeds.
func (r *readers) add(rd *reader) (refusal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.playing[rd.session] != nil {
		return ""
	}
	if refusal = r.room(rd); refusal != "" {
		r.refused.Add(1)
		return refusal
	}
	rd.since, rd.leave = time.Now(), rd.media.watch()
	r.playing[rd.session] = rd
	rd.session.SetUserData(rd)
	rd.media.playing.Add(1)
	r.count.Store(int64(len(r.playing)))
	r.log.Debug("rtsp: reader connected", zap.String("address", rd.from), zap.String("path", rd.media.paths[0]))
	return ""
}

// plays reports whether a session is counted.
func (r *readers) plays(s session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.playing[s] != nil
}

// room makes room for a newcomer, or returns which limit it exceeds; r.mu is held.
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
	var oldest *reader // of the address with the most readers
	for _, other := range r.playing {
		if oldest == nil || of[other.sender] > of[oldest.sender] || other.sender == oldest.sender && other.since.Before(oldest.since) {
			oldest = other
		}
	}
	if oldest == nil || of[oldest.sender] < own+2 {
		return fmt.Sprintf("too many readers: %d", len(r.playing))
	}
	r.log.Info("rtsp: reader limit reached; closed the oldest reader of the address with the most", zap.String("address", oldest.from),
		zap.Int("readers_of_that_address", of[oldest.sender]))
	r.drop(oldest)
	oldest.session.Close()
	return ""
}

func (r *readers) remove(s session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rd := r.playing[s]; rd != nil {
		r.drop(rd)
	}
}

// drop stops counting a reader; r.mu is held.
func (r *readers) drop(rd *reader) {
	delete(r.playing, rd.session)
	r.count.Store(int64(len(r.playing)))
	rd.media.playing.Add(-1)
	rd.leave()
	if rd.stop != nil {
		rd.stop()
	}
	log := r.log.Debug
	if rd.lost.Load() > 0 {
		log = r.log.Info
	}
	log("rtsp: reader disconnected", zap.String("address", rd.from), zap.Duration("after", time.Since(rd.since).Round(time.Millisecond)),
		zap.Uint64("lost_packets", rd.lost.Load()))
}

// any reports whether an instance has readers.
func (r *readers) any(at *instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rd := range r.playing {
		if rd.at == at {
			return true
		}
	}
	return false
}

// missed counts a packet that did not fit into a reader's queue. The first is logged, and the total when the reader disconnects.
func (r *readers) missed(s session, err error) {
	r.lost.Add(1)
	if rd, ok := s.UserData().(*reader); ok && rd.lost.Add(1) == 1 {
		r.log.Info("rtsp: slow reader; dropping packets", zap.String("address", rd.from), zap.Error(err))
	}
}

func (r *readers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rd := range r.playing {
		r.drop(rd)
	}
}
