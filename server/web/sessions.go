package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// sessions are those who have logged in on the page. They are kept in memory: a restart asks everybody again.
type sessions struct {
	mu   sync.Mutex
	open map[digest]*session
}

type session struct {
	has   right
	until time.Time
	over  chan struct{} // closed when it ends
}

const (
	sessionFor  = 7 * 24 * time.Hour // after it was used last
	maxSessions = 1024
	maxCookie   = 64 // bytes of a session's key at most
	// cookieFor is as long as browsers keep any: the server knows when a session is over.
	cookieFor = 400 * 24 * time.Hour
)

// start makes a session and returns its key.
func (s *sessions) start(a *auth, has right) string {
	key := rand.Text() // 128 bits at least
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= maxSessions {
		s.makeRoom(now)
	}
	s.open[a.digest("session", key)] = &session{has, now.Add(sessionFor), make(chan struct{})}
	return key
}

// makeRoom ends those that are over, or the one used longest ago.
func (s *sessions) makeRoom(now time.Time) {
	var oldest digest
	var first time.Time
	for d, one := range s.open {
		if now.After(one.until) {
			s.close(d)
		} else if first.IsZero() || one.until.Before(first) {
			oldest, first = d, one.until
		}
	}
	if len(s.open) >= maxSessions {
		s.close(oldest)
	}
}

func (s *sessions) close(d digest) {
	if one := s.open[d]; one != nil {
		close(one.over)
		delete(s.open, d)
	}
}

// of returns the session that r belongs to, which is extended; nil: none.
func (s *sessions) of(a *auth, r *http.Request) *session {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range sessionKeys(r) {
		if one := s.open[a.digest("session", key)]; one != nil && now.Before(one.until) {
			one.until = now.Add(sessionFor)
			return one
		}
	}
	return nil
}

// end ends r's session.
func (s *sessions) end(a *auth, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range sessionKeys(r) {
		s.close(a.digest("session", key))
	}
}

const cookiePrefix = "maixstream_"

// nameCookie names the cookie by what makes the server another one than its neighbours, and stays the same when it is started again: browsers send a
// cookie to all ports and paths of a host, where servers with sessions of their own may be.
func (s *Server) nameCookie() {
	h := sha256.New()
	host, _ := os.Hostname()
	_, _ = h.Write([]byte(host))
	for _, address := range s.Addrs() {
		_, _ = h.Write([]byte("\x00" + address.String()))
	}
	s.cookie = cookiePrefix + hex.EncodeToString(h.Sum(nil)[:6])
}

// sessionKeys are the values of r's cookies that may be a session's: a browser may have one for this path and one for a path above it. Other
// servers' are among them; they are no keys here.
func sessionKeys(r *http.Request) (keys []string) {
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, cookiePrefix) && c.Value != "" && len(c.Value) <= maxCookie && len(keys) < maxSessionKeys {
			keys = append(keys, c.Value)
		}
	}
	return keys
}

const maxSessionKeys = 16

// setCookie gives the browser its session's key; "" takes it away. Without a Path the browser takes the folder of the address that it asked for, as it
// knows it: also below a proxy's path.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, key string) {
	c := &http.Cookie{ //nolint:gosec // without Secure where the browser came without TLS: it would not send the cookie back
		Name: s.cookie, Value: key, MaxAge: int(cookieFor.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: s.live.Load().proxies.secure(r),
	}
	if key == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// attempts bounds wrong passwords and tokens for each sender, a few at once, then one every few seconds; and those of all together, because one that has
// many addresses is not stopped by counting each.
type attempts struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
	all      *rate.Limiter
}

const (
	wrongAtOnce  = 10
	wrongEvery   = 5 * time.Second
	maxAddresses = 4096

	allWrongAtOnce = 100
	allWrongEvery  = rate.Limit(1) // a second
)

// allowed says whether sender may try once more.
func (a *attempts) allowed(sender string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.limiters[sender]
	return (l == nil || l.Tokens() >= 1) && a.all.Tokens() >= 1
}

// failed counts a wrong password or token.
func (a *attempts) failed(sender string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.limiters[sender]
	if l == nil {
		if len(a.limiters) >= maxAddresses {
			a.makeRoom()
		}
		l = rate.NewLimiter(rate.Every(wrongEvery), wrongAtOnce)
		a.limiters[sender] = l
	}
	l.Allow()
	a.all.Allow()
}

// makeRoom forgets the addresses that have waited long enough, or any.
func (a *attempts) makeRoom() {
	for sender, l := range a.limiters {
		if l.Tokens() >= wrongAtOnce {
			delete(a.limiters, sender)
		}
	}
	for sender := range a.limiters {
		if len(a.limiters) < maxAddresses {
			return
		}
		delete(a.limiters, sender)
	}
}
