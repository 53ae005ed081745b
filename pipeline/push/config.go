package push

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/maixstream/maixstream/internal/retryafter"
)

// Mode is how pictures are sent.
type Mode string

const (
	Raw       Mode = "raw"       // one request per picture, which is the body
	Form      Mode = "form"      // one request per picture, which is a file in a form
	Multipart Mode = "multipart" // one endless request; each picture is a part
)

// Config says where and how a Pusher sends its pictures. URL must be set.
type Config struct {
	// URL is http or https; {name} in it is replaced by each picture's file name, {device} by Device.
	URL    string
	As     Mode        // "": Raw
	Method string      // "": POST. PUT to a URL that ends in / appends the picture's name
	Field  string      // the form's file field; "": file
	Device string      // header X-Device; "": none
	Header http.Header // further headers; they override the Pusher's own
	// Timeout limits one attempt, from connecting to the end of the reply, while none of the picture goes out; in a stream, each picture. 0: 30 s.
	Timeout time.Duration
	// Retry is how long to retry a picture while the server is unreachable or busy; 0: forever, negative: never.
	Retry time.Duration
	// MaxWait caps a busy server's Retry-After. 0: 5 minutes.
	MaxWait time.Duration
	// CAFile has certificates (PEM) to trust in addition to the system's. AuthFile's first line is user:password (for Basic or Digest authentication, whichever
	// the server requests), TokenFile's a bearer token. HeaderFile has further headers, one NAME: VALUE per line; those of Header override them. The last three
	// are reread after a 401 or 403.
	CAFile, AuthFile, TokenFile, HeaderFile string
	// Spool is a directory in which pictures wait for the server, SpoolMax its size in bytes, at least MinSpool (0: 256 MiB); beyond that, or beyond MaxSpooled
	// pictures, the oldest are dropped. "": no spool; the newest picture wins. Not with Multipart, which confirms no picture before the request ends.
	Spool    string
	SpoolMax int64
	// Count ends Run after this many pictures; 0: never.
	Count int
	// OnResult is called with the outcome of each picture, one at a time: a reply, or an error that is final for this picture. With Multipart
	// it is called once per stream. It must not block. nil disables it.
	OnResult func(Result)
	Log      *zap.Logger // nil disables logging
}

// Result is the outcome of one picture.
type Result struct {
	Name  string // the picture's; "" for a stream
	Reply Reply  // zero if there was none
	Err   error  // nil: the server accepted it
	Took  time.Duration
	Bytes int // of the picture, or of the whole stream
}

const (
	defaultTimeout  = 30 * time.Second
	defaultSpoolMax = 256 << 20
)

func (c *Config) check() error {
	if c.As == "" {
		c.As = Raw
	}
	if c.Method == "" {
		c.Method = http.MethodPost
	}
	if c.Field == "" {
		c.Field = "file"
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxWait == 0 {
		c.MaxWait = retryafter.DefaultLimit
	}
	if c.SpoolMax == 0 {
		c.SpoolMax = defaultSpoolMax
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	switch {
	case c.As != Raw && c.As != Form && c.As != Multipart:
		return fmt.Errorf("push: as %q: must be raw, form or multipart", c.As)
	case c.Method != http.MethodPost && c.Method != http.MethodPut && c.Method != http.MethodPatch:
		return fmt.Errorf("push: method %q: must be POST, PUT or PATCH", c.Method)
	case c.Timeout < 0:
		return fmt.Errorf("push: timeout %v: must not be negative", c.Timeout)
	case c.MaxWait < 0:
		return fmt.Errorf("push: max wait %v: must not be negative", c.MaxWait)
	case c.Count < 0:
		return fmt.Errorf("push: count %d: must not be negative", c.Count)
	case c.Spool != "" && c.As == Multipart:
		return errors.New("push: a spool cannot be used with multipart, which confirms no picture before the request ends; use raw or form")
	}
	if !httpguts.ValidHeaderFieldValue(c.Device) {
		return fmt.Errorf("push: device %q: invalid characters for a header", c.Device)
	}
	for name, values := range c.Header {
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("push: header %q: %q has invalid characters", name, value)
			}
		}
	}
	return checkURL(c.URL)
}
