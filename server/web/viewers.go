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
	Denied     uint64 // requests of those who are not allowed in, or not to change things, since the start
	Panics     uint64 // of handlers, since the start
}

// Stats may be called from any goroutine.
func (s *Server) Stats() Stats {
	return Stats{
		Viewers: s.places.count(), MaxViewers: s.live.Load().maxClients,
		Refused: s.refused.Load(), Denied: s.denied.Load(), Panics: s.panics.Load(),
	}
}

// Admit gives a request that stays, such as a stream, one of the places that MaxClients allows; leave, which may be called more than once, gives
// it back. When there is none free, whoever has more places than the newcomer would have loses its oldest. Without a place for it Admit
// replies so and returns false. end is called when the visit must end, because the session that it belongs to has, or for a newcomer: in a
// goroutine of its own, perhaps more than once, and perhaps after leave.
func (s *Server) Admit(w http.ResponseWriter, r *http.Request, end func()) (leave func(), ok bool) {
	most := s.live.Load().maxClients
	if leave, ok = s.places.admit(s.live.Load(), r, most, end); !ok {
		s.refused.Add(1)
		w.Header().Set("Retry-After", "5")
		s.Refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d viewers already, which is all that is allowed", most))
	}
	return leave, ok
}

// maxFollowers bounds how many follow a state at once.
const maxFollowers = 256

// Follow is Admit for those who follow a state: they have places of their own.
func (s *Server) Follow(w http.ResponseWriter, r *http.Request, end func()) (leave func(), ok bool) {
	if leave, ok = s.followers.admit(s.live.Load(), r, maxFollowers, end); !ok {
		w.Header().Set("Retry-After", "5")
		s.Refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d follow the state already, which is all that is allowed", maxFollowers))
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
	if over := l.auth.overOf(r); over != nil {
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

// overOf returns what is closed when the session ends by which r is allowed in; nil: it is by none.
func (a *auth) overOf(r *http.Request) <-chan struct{} {
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

// places are those that visits have.
type places struct {
	mu     sync.Mutex
	visits []*visit // the oldest first
}

// visit has a place.
type visit struct {
	sender string
	end    func()
}

func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.visits)
}

// take gives v a place if there is one of most (0: any number), or one that another sender must give up.
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

// unfair returns the oldest visit of the sender with the most, if that has more than newcomer would have.
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
