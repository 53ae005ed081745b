package upload

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errEvicted ends an upload whose slot another one needs.
var errEvicted = errors.New("this upload was idle longest when another one needed its slot")

// slots limits concurrent uploads: in all, per sender address and per device. When one of these limits is reached, the affected upload
// that has been idle longest is ended, if it has been idle for a while: half-open uploads, accidental or deliberate, hold no slot for long.
type slots struct {
	max, perAddress, perDevice int

	mu      sync.Mutex
	running map[*slot]struct{}
}

// slot is one running upload. free must be called.
type slot struct {
	slots           *slots
	address, device string // address "": a proxy or a Unix socket, shared by many

	last    atomic.Int64 // last activity, in nanoseconds since started
	evicted atomic.Bool

	mu         sync.Mutex
	connection *http.ResponseController // nil: the upload has ended
}

var started = time.Now()

// minIdle is how long an upload must have been idle before another one may evict it.
const minIdle = time.Second

// enter gives an upload a slot. connection is the upload's. err explains a refusal.
func (s *slots) enter(address, device string, connection *http.ResponseController) (*slot, error) {
	added := &slot{slots: s, address: address, device: device, connection: connection}
	added.touch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		s.running = map[*slot]struct{}{}
	}
	for _, limit := range []struct {
		most int
		of   func(*slot) bool
		text string
	}{
		{s.perDevice, func(o *slot) bool { return o.device == device }, "this device already has %d uploads, which is the limit"},
		{s.perAddress, func(o *slot) bool { return address != "" && o.address == address }, "this address already has %d uploads, which is the limit"},
		{s.max, func(*slot) bool { return true }, "there are already %d uploads, which is the limit"},
	} {
		n, idlest := 0, (*slot)(nil)
		for o := range s.running {
			if limit.of(o) {
				n++
				if idlest == nil || o.last.Load() < idlest.last.Load() {
					idlest = o
				}
			}
		}
		if n < limit.most {
			continue
		}
		if time.Since(started)-time.Duration(idlest.last.Load()) < minIdle {
			return nil, refusef(http.StatusServiceUnavailable, limit.text, n)
		}
		idlest.evict()
		delete(s.running, idlest)
	}
	s.running[added] = struct{}{}
	return added, nil
}

// count is the number of running uploads.
func (s *slots) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.running))
}

// touch records activity.
func (s *slot) touch() { s.last.Store(int64(time.Since(started))) }

// evict ends the upload: its current or next read fails.
func (s *slot) evict() {
	s.evicted.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connection != nil {
		_ = s.connection.SetReadDeadline(time.Now()) // the connection may be gone
	}
}

// free releases the slot.
func (s *slot) free() {
	s.mu.Lock()
	s.connection = nil
	s.mu.Unlock()
	s.slots.mu.Lock()
	delete(s.slots.running, s)
	s.slots.mu.Unlock()
}
