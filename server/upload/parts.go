package upload

import (
	"bufio"
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

// labelOf parses a picture's headers; base has the request's.
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
	maxRefusedInARow = 10 // parts of a stream: a camera may fail for a moment
)

// parts reads the pictures of a form or a stream, each as soon as it is complete. Those of a form whose device is not known yet (in.hold) are stored at the
// form's end: a field may name it.
func (s *Server) parts(in *body, kind, boundary string, whole *label, form bool, to *intake) error {
	refused, idle := 0, idleFirst
	if form {
		idle = in.stall
	}
	in.next(idle)
	buffered := bufio.NewReaderSize(in, 4096)
	parts, err := newParts(buffered, kind, boundary)
	switch {
	case errors.Is(err, errNotMultipart):
		in.part()
		err = s.take(buffered, -1, whole, to)
	case err == nil:
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
	if kept := to.release(); kept != nil { // even if the rest of the form is bad: complete pictures are stored
		return kept
	}
	switch {
	case err != nil || to.result.Pictures > 0:
		return err
	case to.unclosed:
		return refusef(http.StatusBadRequest, "the multipart body ends without its closing boundary and without a complete picture")
	case to.result.Refused > 0:
		return refusef(http.StatusUnprocessableEntity, "none of %d parts was a picture", to.result.Refused)
	}
	return errEmpty
}

// part reads one part completely. refused counts a stream's consecutive parts without a picture.
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
			s.config.Log.Debug("refused a part of a stream", zap.String("device", whole.device), zap.Error(err))
		default:
			return err
		}
		// A part that was complete by its length is fully read, and its boundary may arrive much later.
		if complete {
			if !form {
				idle = idleStream
			}
			in.next(idle)
		}
	}
	// The rest of the part: a form field, or data after the picture.
	left, err := io.Copy(io.Discard, io.LimitReader(src, s.config.MaxUpload+1))
	if err == nil && left > s.config.MaxUpload {
		return s.tooLarge(left)
	}
	return err
}

// partReader reads a part. A body without its closing boundary ends its last part: the picture's bytes show whether it is complete.
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

// isCut reports whether the sender is gone, or ended in the middle.
func isCut(err error) bool { return errors.Is(err, errCut) || errors.Is(err, io.ErrUnexpectedEOF) }

// multipartError describes what is wrong with a multipart body: the error that ended the body, if any, whatever the parser made of it.
func (b *body) multipartError(err error) error {
	var refused *refusal
	switch {
	case errors.Is(b.err, errHeaders), errors.Is(err, multipart.ErrMessageTooLarge):
		return refusef(http.StatusRequestHeaderFieldsTooLarge, "a part's headers are larger than %d bytes", maxPartHeaders)
	case b.err != nil:
		return b.err
	case isCut(err), errors.As(err, &refused), isOurs(err):
		return err
	}
	return refusef(http.StatusBadRequest, "multipart: %v", err)
}

// isOurs reports whether an error is not the multipart parser's.
func isOurs(err error) bool {
	for _, ours := range []error{frame.ErrBadPicture, frame.ErrTooLarge, errFull, errDevices, errLarge, errTrouble, errEmpty, errDisk} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}

// errField is a form field that is not a picture and does not claim to be one.
var errField = errors.New("not a picture")

// partPicture reads the picture of a part; complete reports whether the part had a length and was read to its end.
func (s *Server) partPicture(src io.Reader, part *multipart.Part, whole *label, form bool, n int, to *intake) (complete bool, err error) {
	l, err := labelOf(whole.device, part.Header, *whole, time.Now())
	if err != nil {
		return false, err
	}
	if !form {
		// The request's headers do not apply to each part.
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
