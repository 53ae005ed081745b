package web

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// sessions are those who have logged in on the page. They are kept in memory: a restart asks everybody again.
type sessions struct {
	mu    sync.Mutex
	until map[digest]time.Time
}

const (
	sessionFor  = 7 * 24 * time.Hour // after it was used last
	maxSessions = 1024
	maxCookie   = 64 // bytes of a session's key at most
	// cookieFor is as long as browsers keep any: the server knows when a session is over.
	cookieFor = 400 * 24 * time.Hour
)

// start makes a session and returns its key.
func (s *sessions) start(a *auth) string {
	key := rand.Text() // 128 bits at least
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.until) >= maxSessions {
		s.makeRoom(now)
	}
	s.until[a.digest("session", key)] = now.Add(sessionFor)
	return key
}

// makeRoom forgets those that are over, or the one used longest ago.
func (s *sessions) makeRoom(now time.Time) {
	var oldest digest
	var first time.Time
	for d, until := range s.until {
		if now.After(until) {
			delete(s.until, d)
		} else if first.IsZero() || until.Before(first) {
			oldest, first = d, until
		}
	}
	if len(s.until) >= maxSessions {
		delete(s.until, oldest)
	}
}

// has says whether r belongs to a session, and keeps that alive.
func (s *sessions) has(a *auth, r *http.Request) bool {
	key := sessionKey(r)
	if key == "" {
		return false
	}
	d, now := a.digest("session", key), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(s.until[d]) {
		return false
	}
	s.until[d] = now.Add(sessionFor)
	return true
}

// end forgets r's session.
func (s *sessions) end(a *auth, r *http.Request) {
	d := a.digest("session", sessionKey(r))
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, d)
}

// cookieName has the port in it: browsers send a cookie to all ports of a host, and each of the servers there has sessions of its own.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil || strings.Trim(port, "0123456789") != "" {
		return "maixstream"
	}
	return "maixstream_" + port
}

func sessionKey(r *http.Request) string {
	c, err := r.Cookie(cookieName(r))
	if err != nil || len(c.Value) > maxCookie {
		return ""
	}
	return c.Value
}

// setCookie gives the browser its session's key; "" takes it away.
func setCookie(w http.ResponseWriter, r *http.Request, key string) {
	c := &http.Cookie{ //nolint:gosec // without Secure where the browser came without TLS: it would not send the cookie back
		Name: cookieName(r), Value: key, Path: "/", MaxAge: int(cookieFor.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
	if key == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// attempts bounds wrong passwords and tokens for each address: a few at once, then one every few seconds.
type attempts struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

const (
	wrongAtOnce  = 10
	wrongEvery   = 5 * time.Second
	maxAddresses = 4096
)

// allowed says whether client may try once more.
func (a *attempts) allowed(client string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.limiters[client]
	return l == nil || l.Tokens() >= 1
}

// failed counts a wrong password or token.
func (a *attempts) failed(client string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.limiters[client]
	if l == nil {
		if len(a.limiters) >= maxAddresses {
			a.makeRoom()
		}
		l = rate.NewLimiter(rate.Every(wrongEvery), wrongAtOnce)
		a.limiters[client] = l
	}
	l.Allow()
}

// makeRoom forgets the addresses that have waited long enough, or any: one that tries from thousands is not stopped by counting.
func (a *attempts) makeRoom() {
	for client, l := range a.limiters {
		if l.Tokens() >= wrongAtOnce {
			delete(a.limiters, client)
		}
	}
	for client := range a.limiters {
		if len(a.limiters) < maxAddresses {
			return
		}
		delete(a.limiters, client)
	}
}

// clientOf is the address whose wrong passwords are counted together, by rateLimitKey; behind a proxy on this machine it is the one
// that the proxy saw.
func clientOf(r *http.Request) string {
	ip := addressOf(r.RemoteAddr)
	if !ip.IsValid() || ip.IsLoopback() {
		passed := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
		last := passed[strings.LastIndex(passed, ",")+1:]
		if seen, err := netip.ParseAddr(strings.TrimSpace(last)); err == nil {
			ip = seen
		}
	}
	return rateLimitKey(ip)
}

// addressOf is the host of a host:port; not valid for a Unix socket.
func addressOf(hostport string) netip.Addr {
	at, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr()
}

// rateLimitKey is under what a client's attempts are counted: its address, for IPv6 its /64 network, which has one owner, or "local".
func rateLimitKey(ip netip.Addr) string {
	ip = ip.Unmap()
	if ip.Is6() {
		network, _ := ip.WithZone("").Prefix(64)
		return network.String()
	}
	if !ip.IsValid() {
		return "local"
	}
	return ip.String()
}
