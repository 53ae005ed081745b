package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/maixstream/maixstream/internal/stamp"
)

// target is where pictures are sent and how requests are built.
type target struct {
	url    string // with {name} and {device} unexpanded
	method string
	field  string // the form's file field; "": the picture is the body
	device string
	header http.Header
	secret *secret
}

// Placeholders in a URL.
const (
	namePlace   = "{name}"
	devicePlace = "{device}"
)

// withoutPlaceholders makes a URL with placeholders parse.
var withoutPlaceholders = strings.NewReplacer(namePlace, "name", devicePlace, "device")

// checkURL returns an error for a URL nothing can be sent to.
func checkURL(text string) error {
	u, err := url.Parse(withoutPlaceholders.Replace(text))
	switch {
	case err != nil:
		return fmt.Errorf("push: the URL: %w", withoutURL(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("push: %s: the URL must begin with http:// or https://", redacted(u))
	case u.Hostname() == "":
		return fmt.Errorf("push: %s: no host in the URL", redacted(u))
	case u.Port() != "":
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return fmt.Errorf("push: %s: the port must be a number from 1 to 65535", redacted(u))
		}
	}
	return nil
}

// withoutURL removes the URL, which may contain a password, from an error.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// redacted returns a URL fit for logs: without the password and the query, which may contain tokens.
func redacted(u *url.URL) string {
	shown := *u
	if shown.RawQuery != "" {
		shown.RawQuery = "..."
	}
	return shown.Redacted()
}

// shown is the target's redacted URL.
func (t *target) shown() string {
	const name, device = "NAME-PLACE", "DEVICE-PLACE" // braces would be escaped
	u, err := url.Parse(strings.NewReplacer(namePlace, name, devicePlace, device).Replace(t.url))
	if err != nil {
		return "(a URL that cannot be read)"
	}
	return strings.NewReplacer(name, namePlace, device, devicePlace).Replace(redacted(u))
}

// address is the URL for a picture. A PUT to a directory gets the picture's name before any query, as with curl -T.
func (t *target) address(name string) string {
	text, _, _ := strings.Cut(t.url, "#")
	path, query, asked := strings.Cut(text, "?")
	if t.method == http.MethodPut && !strings.Contains(path, namePlace) {
		_, rest, _ := strings.Cut(path, "://")
		switch {
		case !strings.Contains(rest, "/"): // only a host
			path += "/" + namePlace
		case strings.HasSuffix(path, "/"):
			path += namePlace
		}
	}
	path = strings.NewReplacer(namePlace, url.PathEscape(name), devicePlace, url.PathEscape(t.device)).Replace(path)
	if !asked {
		return path
	}
	return path + "?" + strings.NewReplacer(namePlace, url.QueryEscape(name), devicePlace, url.QueryEscape(t.device)).Replace(query)
}

// request returns the request for one picture, and the loan of its memory, which the caller must end. It is sent to the target's address, or to at.
func (t *target) request(ctx context.Context, s *Shot, at *url.URL) (*http.Request, *loan, error) {
	l := newLoan(nil, s.Data, nil)
	contentType := s.ContentType
	if t.field != "" {
		var head, tail []byte
		head, tail, contentType = form(t.field, s)
		l = newLoan(head, s.Data, tail)
	}
	l.progress = s.progress
	body, _ := l.open()
	address := t.address(s.Name)
	if at != nil {
		address = at.String()
	}
	r, err := http.NewRequestWithContext(ctx, t.method, address, body)
	if err != nil {
		return nil, nil, fmt.Errorf("push: the URL: %w", withoutURL(err))
	}
	r.ContentLength = l.size
	r.GetBody = l.open
	r.Header.Set("Content-Type", contentType)
	describeShot(r.Header, s)
	t.describe(r)
	if t.field != "" { // includes the form's boundary
		r.Header.Set("Content-Type", contentType)
	}
	return r, l, nil
}

// describe sets the headers that are the same for every picture; the caller's override those already set.
func (t *target) describe(r *http.Request) {
	r.Header.Set("User-Agent", "maixstream")
	if t.device != "" {
		r.Header.Set("X-Device", t.device)
	}
	t.secret.authorize(r)
	for name, values := range t.header {
		setHeader(r, name, values)
	}
}

func setHeader(r *http.Request, name string, values []string) {
	if name = http.CanonicalHeaderKey(name); name != "Host" {
		r.Header[name] = values
	} else if len(values) > 0 {
		r.Host = values[0]
	}
}

func describeShot(h http.Header, s *Shot) {
	h.Set("Idempotency-Key", s.Key)
	h.Set("X-Timestamp", stamp.Format(s.Captured))
	if s.Sequence != 0 {
		h.Set("X-Sequence", strconv.FormatUint(s.Sequence, 10))
	}
}

// form returns a form's bytes before and after the picture.
func form(field string, s *Shot) (head, tail []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", multipart.FileContentDisposition(field, s.Name))
	h.Set("Content-Type", s.ContentType)
	_, _ = w.CreatePart(h) // into memory
	n := b.Len()
	_ = w.Close()
	return b.Bytes()[:n:n], b.Bytes()[n:], w.FormDataContentType()
}
