package web

import (
	"fmt"
	"net/http"
	"sync"
)

// Stats is what a Server counts.
type Stats struct {
	Viewers    int    // that have a place now
	MaxViewers int    // 0: no limit
	Refused    uint64 // viewers for whom there was no place, since the start
	Denied     uint64 // requests without the right password or token, since the start
}

// Stats may be called from any goroutine.
func (s *Server) Stats() Stats {
	return Stats{
		Viewers: int(s.viewers.Load()), MaxViewers: s.live.Load().maxClients, Refused: s.refused.Load(), Denied: s.denied.Load(),
	}
}

// Admit gives a request that stays, such as a stream, one of the places that MaxClients allows; leave, which may be called more than once, gives
// it back. Without a free place it replies so and returns false.
func (s *Server) Admit(w http.ResponseWriter, _ *http.Request) (leave func(), ok bool) {
	most := s.live.Load().maxClients
	if n := s.viewers.Add(1); most > 0 && n > int64(most) {
		s.viewers.Add(-1)
		s.refused.Add(1)
		w.Header().Set("Retry-After", "5")
		s.Refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d viewers already, which is all that is allowed", most))
		return nil, false
	}
	return sync.OnceFunc(func() { s.viewers.Add(-1) }), true
}
