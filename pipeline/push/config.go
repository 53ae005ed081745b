package push

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"
)

// Mode is how pictures travel.
type Mode string

const (
	Raw       Mode = "raw"       // a request each, the picture is its body
	Form      Mode = "form"      // a request each, the picture is a file in a form
	Multipart Mode = "multipart" // one request that does not end, the pictures are its parts
)

// Config says where a Pusher's pictures go, and how. URL must be set.
type Config struct {
	// URL is http or https; {name} in it is replaced by each picture's file name, {device} by Device.
	URL    string
	As     Mode        // "": Raw
	Method string      // "": POST. PUT to a URL that ends in / appends the picture's name
	Field  string      // of a form; "": file
	Device string      // header X-Device; "": none
	Header http.Header // more headers; they win over the Pusher's own
	// Timeout bounds one attempt, from connecting to the end of the reply; of a stream, each picture. 0: 30 s.
	Timeout time.Duration
	// Retry is how long to go on trying while the server is away or busy, per picture; 0: for ever, below 0: not at all.
	Retry time.Duration
	// MaxWait bounds the Retry-After of a server that is busy: it is asked again after that at the latest. 0: 5 minutes.
	MaxWait time.Duration
	// CAFile has certificates (PEM) to trust beside the system's. AuthFile's first line is user:password (for Basic or Digest authentication, whichever the
	// server asks for), TokenFile's a bearer token. HeaderFile has more headers, NAME: VALUE, one per line; those of Header win. The last three are read
	// again after a 401 or 403.
	CAFile, AuthFile, TokenFile, HeaderFile string
	// Spool is a folder in which pictures wait for the server, SpoolMax its size in bytes, at least MinSpool (0: 256 MiB);
	// above it, or above MaxSpooled pictures, the oldest are dropped. "": none, the newest wins. Not with Multipart, where nothing is known to have arrived before the end.
	Spool    string
	SpoolMax int64
	// Count ends Run after so many pictures; 0: never.
	Count int
	// OnResult is told what became of each picture, one after the other: a reply, or an error that is final for this picture. Of a Multipart stream
	// it is told once a stream. It must not block. nil: no report.
	OnResult func(Result)
	Log      *zap.Logger // nil: nothing
}

// Result is what became of one picture.
type Result struct {
	Name  string // the picture's; of a stream ""
	Reply Reply  // zero when there was none
	Err   error  // nil: the server took it
	Took  time.Duration
	Bytes int // of the picture, or of all of a stream's
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
		c.MaxWait = defaultMaxWait
	}
	if c.SpoolMax == 0 {
		c.SpoolMax = defaultSpoolMax
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	switch {
	case c.As != Raw && c.As != Form && c.As != Multipart:
		return fmt.Errorf("push: as %q: raw, form or multipart", c.As)
	case c.Method != http.MethodPost && c.Method != http.MethodPut && c.Method != http.MethodPatch:
		return fmt.Errorf("push: method %q: POST, PUT or PATCH", c.Method)
	case c.Timeout < 0:
		return fmt.Errorf("push: timeout %v: must not be negative", c.Timeout)
	case c.MaxWait < 0:
		return fmt.Errorf("push: the longest wait %v: must not be negative", c.MaxWait)
	case c.Count < 0:
		return fmt.Errorf("push: count %d: must not be negative", c.Count)
	case c.Spool != "" && c.As == Multipart:
		return errors.New("push: a spool with multipart: in one endless request no picture is known to have arrived: send raw or form")
	}
	if !httpguts.ValidHeaderFieldValue(c.Device) {
		return fmt.Errorf("push: device %q: it has characters that a header cannot have", c.Device)
	}
	for name, values := range c.Header {
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("push: header %q: %q has characters that a header cannot have", name, value)
			}
		}
	}
	return checkURL(c.URL)
}
