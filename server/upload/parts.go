package upload

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
)

// labelOf reads what a picture's headers say; base has what those of the whole request say.
func labelOf(device string, h textproto.MIMEHeader, base label, now time.Time) (label, error) {
	l := base
	l.device = device
	if t := h.Get("X-Timestamp"); t != "" || l.time.IsZero() {
		var err error
		if l.time, err = timeOf(t, now); err != nil {
			return l, refusef(http.StatusBadRequest, "%v", err)
		}
	}
	if text := h.Get("X-Sequence"); text != "" {
		var err error
		if l.sequence, l.numbered, err = sequenceOf(text); err != nil {
			return l, refusef(http.StatusBadRequest, "%v", err)
		}
	}
	if k := h.Get("Idempotency-Key"); k != "" {
		l.key = keyOf(k)
	}
	return l, nil
}

const (
	maxFormPictures  = 64
	maxFormFields    = 256
	maxRefusedInARow = 10 // parts of a stream: a camera may have a bad moment
)

// parts takes the pictures of a form or of a stream, each as soon as it is complete. Those of a form whose device is not known yet (in.hold) are kept at the
// form's end: a field may name it.
func (s *Server) parts(in *body, kind, boundary string, whole *label, form bool, to *intake) error {
	refused, idle := 0, idleFirst
	if form {
		idle = in.stall
	}
	in.next(idle)
	parts, err := newParts(in, kind, boundary)
	if err == nil {
		for n := 0; ; n++ {
			if form && (n > maxFormFields || to.result.Pictures+len(to.pending) > maxFormPictures) {
				err = refusef(http.StatusRequestEntityTooLarge, "a form has at most %d fields and %d pictures", maxFormFields, maxFormPictures)
				break
			}
			if !form && to.result.Pictures > 0 {
				idle = idleStream
			}
			in.next(idle)
			var part *multipart.Part
			if part, err = parts.NextPart(); err != nil {
				break
			}
			in.part()
			if err = s.part(in, part, whole, form, n, idle, &refused, to); err != nil {
				break
			}
		}
	}
	if errors.Is(err, io.EOF) || in.ended && in.err == nil && errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	} else if err != nil {
		err = in.multipartError(err)
	}
	if kept := to.release(); kept != nil { // also of a form of which the rest is bad: what came whole is kept
		return kept
	}
	switch {
	case err != nil || to.result.Pictures > 0:
		return err
	case to.unclosed:
		return refusef(http.StatusBadRequest, "the multipart body ends without its closing boundary, and without a picture that is whole")
	case to.result.Refused > 0:
		return refusef(http.StatusUnprocessableEntity, "none of %d parts was a picture", to.result.Refused)
	}
	return errEmpty
}

// part takes one part, all of it. refused counts those of a stream that were no pictures in a row.
func (s *Server) part(in *body, part *multipart.Part, whole *label, form bool, n int, idle time.Duration, refused *int, to *intake) error {
	src := &partReader{part, in, to}
	if form && part.FileName() == "" && strings.EqualFold(part.FormName(), "device") {
		if err := to.name(src); err != nil {
			return err
		}
	} else {
		complete, err := s.partPicture(src, part, whole, form, n, to)
		switch {
		case errors.Is(err, errField):
		case err == nil:
			*refused = 0
		case !form && *refused < maxRefusedInARow && (s.codeOf(err) == http.StatusUnprocessableEntity || s.codeOf(err) == http.StatusBadRequest) && !isCut(err):
			*refused++
			to.result.Refused++
			s.counts.refused.Add(1)
			s.config.Log.Debug("a part of a stream was refused", zap.String("device", whole.device), zap.Error(err))
		default:
			return err
		}
		// Of a part that was complete by its length nothing is left, and the boundary that says so may come much later.
		if complete {
			if !form {
				idle = idleStream
			}
			in.next(idle)
		}
	}
	// What is left of the part: a form's field, or what followed the picture.
	left, err := io.Copy(io.Discard, io.LimitReader(src, s.config.MaxUpload+1))
	if err == nil && left > s.config.MaxUpload {
		return s.tooLarge(left)
	}
	return err
}

// partReader reads a part. The end of a body that lacks its closing boundary is the end of its last part: whether the picture is whole, its bytes tell.
type partReader struct {
	part *multipart.Part
	in   *body
	to   *intake
}

// Read implements io.Reader.
func (p *partReader) Read(b []byte) (int, error) {
	n, err := p.part.Read(b)
	if errors.Is(err, io.ErrUnexpectedEOF) && p.in.ended && p.in.err == nil {
		p.to.unclosed = true
		err = io.EOF
	}
	return n, err
}

// isCut says that the sender is gone, or ended in the middle.
func isCut(err error) bool { return errors.Is(err, errCut) || errors.Is(err, io.ErrUnexpectedEOF) }

// multipartError names what is wrong with a multipart body: what ended the body, if something did, whatever the parser made of it.
func (b *body) multipartError(err error) error {
	var told *refusal
	switch {
	case errors.Is(b.err, errHeaders), errors.Is(err, multipart.ErrMessageTooLarge):
		return refusef(http.StatusRequestHeaderFieldsTooLarge, "a part's headers have more than %d bytes", maxPartHeaders)
	case b.err != nil:
		return b.err
	case isCut(err), errors.As(err, &told), isOurs(err):
		return err
	}
	return refusef(http.StatusBadRequest, "multipart: %v", err)
}

// isOurs says that an error is not the multipart parser's.
func isOurs(err error) bool {
	for _, ours := range []error{frame.ErrBadPicture, frame.ErrTooLarge, errFull, errDevices, errLarge, errTrouble, errEmpty, errDisk} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}

// errField is a form's field that is no picture and does not claim to be one.
var errField = errors.New("not a picture")

// partPicture takes the picture of a part; complete says that the part had a length, and has been read to it.
func (s *Server) partPicture(src io.Reader, part *multipart.Part, whole *label, form bool, n int, to *intake) (complete bool, err error) {
	l, err := labelOf(whole.device, part.Header, *whole, time.Now())
	if err != nil {
		return false, err
	}
	if !form {
		// What the request's headers say is not true of each part.
		own := part.Header
		if own.Get("X-Timestamp") == "" {
			l.time = time.Now()
		}
		if own.Get("X-Sequence") == "" {
			l.numbered = false
		}
		if own.Get("Idempotency-Key") == "" {
			l.key = key{}
		}
	} else if n > 0 && l.key == whole.key {
		l.key = l.key.numbered(n) // one key, several pictures
	}
	kind := part.Header.Get("Content-Type")
	file := part.FileName() != "" || strings.HasPrefix(kind, "image/")
	size := int64(-1)
	var limited *io.LimitedReader
	if text := part.Header.Get("Content-Length"); text != "" {
		length, err := strconv.ParseInt(text, 10, 64)
		if err != nil || length < 0 {
			return false, refusef(http.StatusBadRequest, "a part's Content-Length %.40q: want a number of bytes", text)
		}
		limited = &io.LimitedReader{R: src, N: length}
		size, src = length, limited
	}
	err = s.take(src, size, &l, to)
	switch {
	case form && !file && (errors.Is(err, errEmpty) || errors.Is(err, errNoPicture)):
		err = errField
	case errors.Is(err, errEmpty):
		err = fmt.Errorf("%w: %w", err, frame.ErrBadPicture)
	}
	return limited != nil && limited.N <= 0, err
}
