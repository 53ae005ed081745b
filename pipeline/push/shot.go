package push

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw/picture"
)

// Picture is an encoded picture: what picture.Image's JPEG and PNG return.
type Picture interface {
	// Borrow returns the bytes, which must not change while they are sent; nil once released.
	Borrow() []byte
	// ContentType is image/jpeg or image/png.
	ContentType() string
}

var _ Picture = (*picture.Encoded)(nil)

// File is a picture file's bytes as a Picture.
type File []byte

// Borrow returns f.
func (f File) Borrow() []byte { return f }

// ContentType detects the type from the first bytes.
func (f File) ContentType() string {
	if bytes.HasPrefix(f, []byte{0xff, 0xd8}) { // the standard's signature has one more byte, but some cameras put stray ones first
		return "image/jpeg"
	}
	return http.DetectContentType(f)
}

// Shot is one picture to be sent and its metadata. Zero fields except Data are filled in when it is sent.
type Shot struct {
	Data        []byte // only read, and only until it was sent
	ContentType string
	Name        string    // a file name, for forms and for {name} in a URL
	Captured    time.Time // header X-Timestamp
	Sequence    uint64    // header X-Sequence; a spool assigns its own
	Key         string    // header Idempotency-Key
	Skipped     uint64    // pictures that the source skipped since the last one
	Release     func()    // releases Data; may be nil. A Pusher calls it once.

	spooled  bool   // on disk until it is delivered
	progress func() // see loan
}

// complete fills in zero fields.
func (s *Shot) complete(now time.Time) {
	if s.ContentType == "" {
		s.ContentType = File(s.Data).ContentType()
	}
	if s.Captured.IsZero() {
		s.Captured = now
	}
	if s.Key == "" {
		s.Key = newKey()
	}
	if s.Name == "" {
		s.Name = fmt.Sprintf("%s-%06d%s", s.Captured.UTC().Format("20060102-150405.000"), s.Sequence, extension(s.ContentType))
	}
	s.Name = path.Base(strings.ReplaceAll(s.Name, `\`, "/"))
}

func (s *Shot) release() {
	if s.Release != nil {
		s.Release()
		s.Release = nil
	}
}

// newKey returns a unique key: 128 random bits.
func newKey() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func extension(contentType string) string {
	switch contentType {
	case "image/jpeg":
		return ".jpg"
	case "image/png":
		return ".png"
	}
	return ".bin"
}
