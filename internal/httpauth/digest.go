// Package httpauth answers servers' challenges for Digest authentication (RFC 7616).
package httpauth

import (
	"net/http"
	"strings"
	"sync"

	"github.com/icholy/digest"
)

// Digest answers one server's challenges. The zero value has none. Its methods are safe for concurrent use.
type Digest struct {
	mu        sync.Mutex
	challenge *digest.Challenge // nil: none yet
	count     int               // requests that used it
}

// Learn reads the challenge in a 401 reply's header. It reports whether the challenge is new, so that the request is worth resending.
// The same nonce again means that the user or password is wrong.
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

// Authorize sets the request's Authorization header for the newest challenge. It returns false and sets nothing if there is none.
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
	if err != nil { // find returns only challenges that can be answered
		return false
	}
	r.Header.Set("Authorization", answer.String())
	return true
}

// lower converts ASCII letters to lower case. Unlike strings.ToLower it keeps invalid UTF-8, and with it all positions.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// find returns the first Digest challenge that can be answered, or nil. Servers send one header per scheme, or one that lists several.
func find(h http.Header) *digest.Challenge {
	const (
		scheme  = "digest "
		longest = 4096 // longest header parsed: no server sends more, and it bounds the work
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
			// auth-int hashes the body, which is not known in advance for streams.
			if err == nil && challenge.Nonce != "" && digest.CanDigest(challenge) && (len(challenge.QOP) == 0 || challenge.SupportsQOP("auth")) {
				return challenge
			}
		}
	}
	return nil
}
