// Package httpauth answers the challenges of servers that want Digest authentication (RFC 7616).
package httpauth

import (
	"net/http"
	"strings"
	"sync"

	"github.com/icholy/digest"
)

// Digest answers one server's challenges. The zero value has none yet. Its methods may be called from any goroutine.
type Digest struct {
	mu        sync.Mutex
	challenge *digest.Challenge // nil: none yet
	count     int               // requests that used it
}

// Learn takes the challenge of a 401 reply's header. It returns whether there is one that was not known before: then the request is worth sending once
// more. The same nonce again means that the user or password is wrong.
func (d *Digest) Learn(h http.Header) bool {
	challenge := find(h)
	if challenge == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.challenge != nil && d.challenge.Nonce == challenge.Nonce {
		return false
	}
	d.challenge, d.count = challenge, 0
	return true
}

// Authorize sets the request's Authorization header from the newest challenge. It returns false, and sets nothing, when there is none.
func (d *Digest) Authorize(r *http.Request, user, password string) bool {
	d.mu.Lock()
	challenge := d.challenge
	d.count++
	count := d.count
	d.mu.Unlock()
	if challenge == nil {
		return false
	}
	answer, err := digest.Digest(challenge, digest.Options{
		Method: r.Method, URI: r.URL.RequestURI(), Count: count, Username: user, Password: password,
	})
	if err != nil { // find takes only challenges that can be answered
		return false
	}
	r.Header.Set("Authorization", answer.String())
	return true
}

// lower makes small letters of ASCII's large ones. Unlike strings.ToLower it leaves what is no UTF-8, and with it every position, as it is.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// find returns the first Digest challenge that can be answered, nil without one. Servers send a header for each scheme, or one that lists them.
func find(h http.Header) *digest.Challenge {
	const (
		scheme  = "digest "
		longest = 4096 // of a header: above what any server sends, and what a hostile one can make of it stays little work
	)
	for _, header := range h.Values("WWW-Authenticate") {
		for rest := header[:min(len(header), longest)]; ; {
			i := strings.Index(lower(rest), scheme)
			if i < 0 {
				break
			}
			rest = rest[i+len(scheme):]
			text := rest
			if next := strings.Index(lower(rest), ", "+scheme); next >= 0 {
				text = rest[:next]
			}
			if basic := strings.Index(lower(text), ", basic "); basic >= 0 {
				text = text[:basic]
			}
			challenge, err := digest.ParseChallenge(digest.Prefix + strings.TrimSpace(text))
			// auth-int hashes the body, which streams do not have beforehand.
			if err == nil && challenge.Nonce != "" && digest.CanDigest(challenge) && (len(challenge.QOP) == 0 || challenge.SupportsQOP("auth")) {
				return challenge
			}
		}
	}
	return nil
}
