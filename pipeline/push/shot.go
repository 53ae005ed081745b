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

// Picture is a picture as a file's bytes: what picture.Image's JPEG and PNG return.
type Picture interface {
	// Borrow returns the bytes, which must stay as they are while they are sent; nil when there are none any more.
	Borrow() []byte
	// ContentType is image/jpeg or image/png.
	ContentType() string
}

var _ Picture = (*picture.Encoded)(nil)

// File is the bytes of a picture file as a Picture.
type File []byte

// Borrow returns the bytes.
func (f File) Borrow() []byte { return f }

// ContentType tells the type by the first bytes.
func (f File) ContentType() string {
	if bytes.HasPrefix(f, []byte{0xff, 0xd8}) { // the standard's signature has one byte more, which a few cameras put after stray ones
		return "image/jpeg"
	}
	return http.DetectContentType(f)
}

// Shot is one picture to be sent, with what is said about it. Zero fields but Data are filled in when it is sent.
type Shot struct {
	Data        []byte // read only, and only until it was sent
	ContentType string
	Name        string    // a file name, for forms and for {name} in a URL
	Captured    time.Time // header X-Timestamp
	Sequence    uint64    // header X-Sequence; of a spool its own number
	Key         string    // header Idempotency-Key
	Skipped     uint64    // pictures that the source made since the last one and that were left out
	Release     func()    // gives Data back; nil: nobody waits for it. A Pusher calls it once.

	spooled bool // it is on disk, and stays there until it is delivered
}

// complete fills in what is not said.
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

// newKey makes a key that no other picture has: 128 random bits.
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
