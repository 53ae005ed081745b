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

// sessions are the logged-in browsers. They are kept in memory: after a restart everybody has to log in again.
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
	sessionFor  = 7 * 24 * time.Hour // since it was last used
	maxSessions = 1024
	maxCookie   = 64 // largest session key in bytes
	// cookieFor is the longest browsers allow: the server knows when a session has expired.
	cookieFor = 400 * 24 * time.Hour
)

// start creates a session and returns its key.
func (s *sessions) start(a *auth, has right) string {
	key := rand.Text() // at least 128 bits
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= maxSessions {
		s.makeRoom(now)
	}
	s.open[a.digest("session", key)] = &session{has, now.Add(sessionFor), make(chan struct{})}
	return key
}

// makeRoom ends expired sessions, or the least recently used one.
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

// of returns r's session and extends it; nil: none.
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

// nameCookie derives the cookie's name from what distinguishes this server from others on the host, and is stable across restarts: browsers send a
// cookie to all ports and paths of a host, where other servers with sessions may run.
func (s *Server) nameCookie() {
	h := sha256.New()
	host, _ := os.Hostname()
	_, _ = h.Write([]byte(host))
	for _, address := range s.Addrs() {
		_, _ = h.Write([]byte("\x00" + address.String()))
	}
	s.cookie = cookiePrefix + hex.EncodeToString(h.Sum(nil)[:6])
}

// sessionKeys are the values of r's cookies that may be a session's: a browser may have one for this path and one for a parent. Other
// servers' are among them; they match no session.
func sessionKeys(r *http.Request) (keys []string) {
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, cookiePrefix) && c.Value != "" && len(c.Value) <= maxCookie && len(keys) < maxSessionKeys {
			keys = append(keys, c.Value)
		}
	}
	return keys
}

const maxSessionKeys = 16

// setCookie sends the browser its session's key; "" deletes it. Without a Path the browser uses the directory of the URL it requested,
// which also works below a proxy's path.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, key string) {
	c := &http.Cookie{ //nolint:gosec // not Secure for a browser without TLS, which would not return it
		Name: s.cookie, Value: key, MaxAge: int(cookieFor.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: s.live.Load().proxies.secure(r),
	}
	if key == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// attempts limits wrong passwords and tokens per sender, a few at once, then one every few seconds; and in total, because a sender with
// many addresses is not stopped by the limit for each.
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
	allWrongEvery  = rate.Limit(1) // per second
)

// allowed reports whether sender may try again.
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

// makeRoom forgets senders that may try again, or any.
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
