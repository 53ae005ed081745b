package upload

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errEvicted ends an upload that others need the place of.
var errEvicted = errors.New("this upload was idle longest when its place was needed for another one")

// slots are the places of uploads that run. There are so many in all, for each sender's address and for each device. When one of these is used up, the upload
// that has been idle longest of those goes, if it has been idle for a while: so what was left half-open, or opened to hold places, holds none for long.
type slots struct {
	max, perAddress, perDevice int

	mu      sync.Mutex
	running map[*slot]struct{}
}

// slot is the place of one upload. Free must be called.
type slot struct {
	slots           *slots
	address, device string // address "": of a proxy or a Unix socket, behind which there are many

	last    atomic.Int64 // when something came, in nanoseconds since started
	evicted atomic.Bool

	mu         sync.Mutex
	connection *http.ResponseController // nil: the upload has ended
}

var started = time.Now()

// idleBefore is how long an upload must have been idle to be ended for another one.
const idleBefore = time.Second

// enter gives an upload a place. connection is its own. err says why there is none.
func (s *slots) enter(address, device string, connection *http.ResponseController) (*slot, error) {
	one := &slot{slots: s, address: address, device: device, connection: connection}
	one.touch()
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
		{s.perDevice, func(o *slot) bool { return o.device == device }, "there are %d uploads of this device already, which is all that is allowed"},
		{s.perAddress, func(o *slot) bool { return address != "" && o.address == address }, "there are %d uploads from this address already, which is all that is allowed"},
		{s.max, func(*slot) bool { return true }, "there are %d uploads already, which is all that is allowed"},
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
		if time.Since(started)-time.Duration(idlest.last.Load()) < idleBefore {
			return nil, refusef(http.StatusServiceUnavailable, limit.text, n)
		}
		idlest.evict()
		delete(s.running, idlest)
	}
	s.running[one] = struct{}{}
	return one, nil
}

// count is how many uploads run.
func (s *slots) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.running))
}

// touch notes that something came.
func (s *slot) touch() { s.last.Store(int64(time.Since(started))) }

// evict ends the upload: its read, or the next one, fails.
func (s *slot) evict() {
	s.evicted.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connection != nil {
		_ = s.connection.SetReadDeadline(time.Now()) // the connection may be gone
	}
}

// free gives the place back.
func (s *slot) free() {
	s.mu.Lock()
	s.connection = nil
	s.mu.Unlock()
	s.slots.mu.Lock()
	delete(s.slots.running, s)
	s.slots.mu.Unlock()
}
