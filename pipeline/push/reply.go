package push

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/retryafter"
)

// maxText is how much of a reply is kept, maxDrain how much more is read so that the connection can be reused, in bytes.
const (
	maxText  = 64 << 10
	maxDrain = 256 << 10
)

// Reply is the server's reply to a picture.
type Reply struct {
	Status     string // such as "200 OK"
	StatusCode int
	Text       string // the body, at most the first 64 KiB
	Header     http.Header
	URL        string // that replied, which differs from the one requested after a redirect; without password and query

	from *url.URL // URL, unredacted
}

// OK reports whether the server accepted the picture.
func (r *Reply) OK() bool { return r.StatusCode >= 200 && r.StatusCode < 300 }

// Err returns nil if the server accepted the picture, otherwise a *StatusError.
func (r *Reply) Err() error {
	if r.OK() {
		return nil
	}
	return &StatusError{*r}
}

// StatusError is a reply with any status but 2xx.
type StatusError struct{ Reply Reply }

// Error returns the status and text of the reply and, where that is not obvious, what it means.
func (e *StatusError) Error() string {
	r := &e.Reply
	text := r.URL + ": " + r.Status
	if line := OneLine(r.Text, 200); line != "" {
		text += ": " + line
	}
	if asked := OneLine(r.Header.Get("Retry-After"), 64); asked != "" && retryafter.Wait(r.Header, time.Now(), math.MaxInt64) > 0 {
		text += " (Retry-After: " + asked + ")"
	}
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound:
		return fmt.Sprintf("%s: a redirect to %s that turns the request into a GET without the picture, which was not resent: "+
			"give that URL, or let the server answer 307 or 308", text, location(r))
	case http.StatusUnauthorized:
		return text + ": the server requires a user and password or a token, or rejected those given"
	case http.StatusRequestEntityTooLarge:
		return text + ": the picture is larger than the server accepts"
	}
	if r.StatusCode >= 300 && r.StatusCode < 400 {
		return fmt.Sprintf("%s: a redirect to %s that cannot be followed", text, location(r))
	}
	return text
}

func location(r *Reply) string {
	if to := r.Header.Get("Location"); to != "" {
		return OneLine(to, 200)
	}
	return "nowhere"
}

// readReply reads and closes the reply's body.
func readReply(resp *http.Response) (Reply, error) {
	defer resp.Body.Close()
	reply := Reply{Status: resp.Status, StatusCode: resp.StatusCode, Header: resp.Header, URL: redacted(resp.Request.URL), from: resp.Request.URL}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxText))
	reply.Text = string(text)
	if err != nil {
		return reply, fmt.Errorf("push: %s: %s, but reading the reply failed: %w", reply.URL, reply.Status, err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	return reply, nil
}

// retryable reports whether the server may accept the same picture later.
func (r *Reply) retryable() bool {
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return r.StatusCode >= 500
}

// concernsPicture reports whether another picture may be accepted: the server rejects this one, not its sender or the path.
func (r *Reply) concernsPicture() bool {
	switch r.StatusCode {
	case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusConflict, http.StatusLengthRequired, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// wait is how long the server asks to wait (Retry-After), at most limit; 0: it does not.
func (r *Reply) wait(limit time.Duration) time.Duration {
	return retryafter.Wait(r.Header, time.Now(), limit)
}

// OneLine makes untrusted text fit for one line on a terminal: at most limit characters, without control characters.
func OneLine(text string, limit int) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(text) {
		if n > 0 {
			b.WriteByte(' ')
			n++
		}
		for _, c := range word {
			if n >= limit {
				return b.String() + "…"
			}
			if c < ' ' || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == 0xfffd {
				c = '?'
			}
			b.WriteRune(c)
			n++
		}
	}
	return b.String()
}
