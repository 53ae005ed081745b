package web

import (
	"fmt"
	"net/http"
	"sync"
)

// Stats is a Server's counters.
type Stats struct {
	Viewers    int    // with a place now
	MaxViewers int    // 0: no limit
	Refused    uint64 // viewers rejected because MaxClients was reached, since the start
	Denied     uint64 // requests rejected by access control, since the start
	Panics     uint64 // of handlers, since the start
}

// Stats returns the counters. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	return Stats{
		Viewers: s.places.count(), MaxViewers: s.live.Load().maxClients,
		Refused: s.refused.Load(), Denied: s.denied.Load(), Panics: s.panics.Load(),
	}
}

// Admit gives a long-running request, such as a stream, one of the places that MaxClients allows; leave, which may be called more than once,
// frees it. If none is free, a sender with more places than the newcomer would have loses its oldest. Otherwise Admit replies
// with an error and returns false. end is called when the visit must end, because its session ended or to make room: in a
// separate goroutine, perhaps more than once, and perhaps after leave.
func (s *Server) Admit(w http.ResponseWriter, r *http.Request, end func()) (leave func(), ok bool) {
	most := s.live.Load().maxClients
	if leave, ok = s.places.admit(s.live.Load(), r, most, end); !ok {
		s.refused.Add(1)
		w.Header().Set("Retry-After", "5")
		s.Refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d viewers already, which is the limit", most))
	}
	return leave, ok
}

// maxFollowers limits how many follow a state at once.
const maxFollowers = 256

// Follow is Admit for requests that follow a state, which have separate places.
func (s *Server) Follow(w http.ResponseWriter, r *http.Request, end func()) (leave func(), ok bool) {
	if leave, ok = s.followers.admit(s.live.Load(), r, maxFollowers, end); !ok {
		w.Header().Set("Retry-After", "5")
		s.Refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d clients follow the state already, which is the limit", maxFollowers))
	}
	return leave, ok
}

func (p *places) admit(l *live, r *http.Request, most int, end func()) (leave func(), ok bool) {
	v := &visit{sender: l.sender(r), end: end}
	if !p.take(v, most) {
		return nil, false
	}
	left := make(chan struct{})
	leave = sync.OnceFunc(func() {
		close(left)
		p.give(v)
	})
	if l.auth == nil {
		return leave, true
	}
	if over := l.auth.sessionEnd(r); over != nil {
		go func() {
			select {
			case <-over:
				end()
			case <-left:
			}
		}()
	}
	return leave, true
}

// sessionEnd returns a channel that is closed when r's session ends; nil: r has none.
func (a *auth) sessionEnd(r *http.Request) <-chan struct{} {
	c := credentialsOf(r)
	for _, token := range c.tokens {
		if _, ok := a.tokens[a.digest("token", token)]; ok {
			return nil
		}
	}
	if one := a.sessions.of(a, r); one != nil {
		return one.over
	}
	return nil
}

// places are the visits' places.
type places struct {
	mu     sync.Mutex
	visits []*visit // oldest first
}

// visit is a request with a place.
type visit struct {
	sender string
	end    func()
}

func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.visits)
}

// take gives v a place if fewer than most (0: no limit) are taken, or if another sender must give one up.
func (p *places) take(v *visit, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if most > 0 && len(p.visits) >= most {
		evicted := p.unfair(v.sender)
		if evicted == nil {
			return false
		}
		p.remove(evicted)
		go evicted.end()
	}
	p.visits = append(p.visits, v)
	return true
}

// unfair returns the oldest visit of the sender with the most, if it has more than newcomer would have.
func (p *places) unfair(newcomer string) (oldest *visit) {
	has := map[string]int{}
	for _, v := range p.visits {
		has[v.sender]++
	}
	most := has[newcomer] + 1
	for i := len(p.visits) - 1; i >= 0; i-- {
		if v := p.visits[i]; has[v.sender] > most || oldest != nil && v.sender == oldest.sender {
			oldest, most = v, has[v.sender]
		}
	}
	return oldest
}

func (p *places) remove(v *visit) {
	for i, one := range p.visits {
		if one == v {
			p.visits = append(p.visits[:i], p.visits[i+1:]...)
			return
		}
	}
}

func (p *places) give(v *visit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(v)
}
