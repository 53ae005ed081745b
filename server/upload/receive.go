package upload

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/server/internal/reply"
)

// refusal is an error whose cause is the sender.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return r.text }

func refusef(code int, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

var errEmpty = errors.New("there is no picture in it")

// receipt is what a sender is told.
type receipt struct {
	OK        bool   `json:"ok"`
	Device    string `json:"device,omitempty"`
	File      string `json:"file,omitempty"`      // of the newest picture: DEVICE/DAY/NAME
	Bytes     int64  `json:"bytes,omitempty"`     // of all pictures
	Duplicate bool   `json:"duplicate,omitempty"` // all of them were here already
	// Of requests with several pictures:
	Pictures   int `json:"pictures,omitempty"`   // with the duplicates
	Duplicates int `json:"duplicates,omitempty"` // that were here already
	Refused    int `json:"refused,omitempty"`    // parts of a stream that were no pictures

	Error string `json:"error,omitempty"`
}

func (r *receipt) add(k kept, duplicate bool) {
	r.File = k.File
	r.Bytes += k.Bytes
	r.Pictures++
	if duplicate {
		r.Duplicates++
	}
}

// upload takes a request's picture or pictures.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		w.Header().Set("Retry-After", "2")
		s.answer(w, r, receipt{}, refusef(http.StatusServiceUnavailable, "the server is ending"))
		return
	}
	defer s.running.Done()
	if n := s.uploads.Add(1); n > int64(s.config.MaxUploads) {
		s.uploads.Add(-1)
		w.Header().Set("Retry-After", "2")
		s.answer(w, r, receipt{}, refusef(http.StatusServiceUnavailable, "there are %d uploads already, which is all that is allowed", n-1))
		return
	}
	defer s.uploads.Add(-1)
	result, err := s.accept(w, r)
	if err == nil || isCut(err) || errors.Is(err, errSlow) {
		s.answer(w, r, result, err)
		return
	}
	// Many clients read the reply only when they have sent everything, and see a broken connection instead if nobody takes it.
	connection := http.NewResponseController(w)
	_ = connection.EnableFullDuplex()
	w.Header().Set("Connection", "close")
	s.answer(w, r, result, err)
	_ = connection.Flush()
	_ = connection.SetReadDeadline(time.Now().Add(lingerFor))
	_, _ = io.CopyN(io.Discard, r.Body, lingerBytes)
}

// How long, and how much, is taken of a body that is refused.
const (
	lingerFor   = 5 * time.Second
	lingerBytes = 256 << 20
)

func (s *Server) accept(w http.ResponseWriter, r *http.Request) (result receipt, err error) {
	if result.Device, err = deviceOf(r); err != nil {
		return result, refusef(http.StatusBadRequest, "%v", err)
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return result, refusef(http.StatusUnsupportedMediaType, "Content-Encoding %.40q: send pictures as they are", e)
	}
	l, err := labelOf(result.Device, textproto.MIMEHeader(r.Header), label{}, time.Now())
	if err != nil {
		return result, err
	}
	if r.ContentLength == 0 && r.Header.Get("Content-Length") == "" {
		return result, refusef(http.StatusLengthRequired, "there is no body: it needs Content-Length, or Transfer-Encoding: chunked")
	}
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.Header.Get("Content-Type") != "" {
		return result, refusef(http.StatusUnsupportedMediaType, "Content-Type %.80q: %v", r.Header.Get("Content-Type"), err)
	}
	in := newBody(w, r, s.config.HTTP.StallTimeout)
	switch kind {
	case "", "application/octet-stream", "application/x-www-form-urlencoded", // what programs send that say nothing
		"image/jpeg", "image/jpg", "image/pjpeg", "image/png":
		k, duplicate, err := s.take(in, r.ContentLength, &l)
		switch {
		case err == nil:
			result.File, result.Bytes, result.Duplicate = k.File, k.Bytes, duplicate
		case errors.Is(err, errNoPicture) && !strings.HasPrefix(kind, "image/"):
			err = refusef(http.StatusUnsupportedMediaType, "%v", err)
		}
		return result, err
	case "multipart/form-data", "multipart/mixed", "multipart/x-mixed-replace", "multipart/related":
		boundary := parameters["boundary"]
		if boundary == "" || len(boundary) > 200 {
			return result, refusef(http.StatusBadRequest, "Content-Type %s: want a boundary of 1 to 200 characters", kind)
		}
		err := s.parts(in, multipart.NewReader(in, boundary), &l, kind == "multipart/form-data", &result)
		if kind == "multipart/form-data" && err == nil && result.Pictures == 1 {
			result.Duplicate = result.Duplicates == 1
			result.Pictures, result.Duplicates = 0, 0
		}
		return result, err
	}
	return result, refusef(http.StatusUnsupportedMediaType,
		"Content-Type %.80q: want image/jpeg, image/png, multipart/form-data, multipart/mixed or multipart/x-mixed-replace", kind)
}

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

// parts takes the pictures of a form or of a stream, each as soon as it is complete.
func (s *Server) parts(in *body, parts *multipart.Reader, whole *label, form bool, result *receipt) error {
	refused, idle := 0, idleStream
	if form {
		idle = in.stall
	}
	for n := 0; ; n++ {
		if form && (n > maxFormFields || result.Pictures > maxFormPictures) {
			return refusef(http.StatusRequestEntityTooLarge, "a form has at most %d fields and %d pictures", maxFormFields, maxFormPictures)
		}
		in.next(idle)
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			if result.Pictures == 0 && result.Refused == 0 {
				return errEmpty
			}
			if result.Pictures == 0 {
				return refusef(http.StatusUnprocessableEntity, "none of %d parts was a picture", result.Refused)
			}
			return nil
		}
		if err != nil {
			return in.multipartError(err)
		}
		in.part()
		k, duplicate, complete, err := s.part(part, whole, form, n)
		switch {
		case errors.Is(err, errField):
		case err == nil:
			refused = 0
			result.add(k, duplicate)
		case !form && refused < maxRefusedInARow && (s.codeOf(err) == http.StatusUnprocessableEntity || s.codeOf(err) == http.StatusBadRequest) && !isCut(err):
			refused++
			result.Refused++
			s.counts.refused.Add(1)
			s.config.Log.Debug("a part of a stream was refused", zap.String("device", whole.device), zap.Error(err))
		default:
			return err
		}
		// What is left of the part: a form's field, or what followed the picture. Of one that was complete by its length there is nothing, and
		// the boundary that says so may come much later.
		if complete {
			in.next(idle)
		}
		if left, err := io.Copy(io.Discard, io.LimitReader(part, s.config.MaxUpload+1)); err != nil {
			return in.multipartError(err)
		} else if left > s.config.MaxUpload {
			return s.tooLarge(left)
		}
	}
}

// isCut says that the sender is gone, or ended in the middle.
func isCut(err error) bool { return errors.Is(err, errCut) || errors.Is(err, io.ErrUnexpectedEOF) }

// multipartError names what is wrong with a multipart body: what ended the body, if something did, whatever the parser made of it.
func (b *body) multipartError(err error) error {
	switch {
	case errors.Is(b.err, errHeaders), errors.Is(err, multipart.ErrMessageTooLarge):
		return refusef(http.StatusRequestHeaderFieldsTooLarge, "a part's headers have more than %d bytes", maxPartHeaders)
	case b.err != nil:
		return b.err
	case isCut(err):
		return err
	}
	return refusef(http.StatusBadRequest, "multipart: %v", err)
}

// errField is a form's field that is no picture and does not claim to be one.
var errField = errors.New("not a picture")

// part takes the picture of a part; complete says that the part had a length, and has been read to it.
func (s *Server) part(part *multipart.Part, whole *label, form bool, n int) (k kept, duplicate, complete bool, err error) {
	l, err := labelOf(whole.device, part.Header, *whole, time.Now())
	if err != nil {
		return k, false, false, err
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
	} else if n > 0 && whole.key != (key{}) && l.key == whole.key {
		l.key = keyOf(string(whole.key[:]) + "#" + strconv.Itoa(n)) // one key, several pictures
	}
	kind := part.Header.Get("Content-Type")
	file := part.FileName() != "" || strings.HasPrefix(kind, "image/")
	size, src := int64(-1), io.Reader(part)
	var limited *io.LimitedReader
	if text := part.Header.Get("Content-Length"); text != "" {
		length, err := strconv.ParseInt(text, 10, 64)
		if err != nil || length < 0 {
			return k, false, false, refusef(http.StatusBadRequest, "a part's Content-Length %.40q: want a number of bytes", text)
		}
		limited = &io.LimitedReader{R: part, N: length}
		size, src = length, limited
	}
	k, duplicate, err = s.take(src, size, &l)
	switch {
	case form && !file && (errors.Is(err, errEmpty) || errors.Is(err, errNoPicture)):
		err = errField
	case errors.Is(err, errEmpty):
		err = fmt.Errorf("%w: %w", err, frame.ErrBadPicture)
	}
	return k, duplicate, limited != nil && limited.N <= 0, err
}

// errNoPicture is by the first bytes.
var errNoPicture = fmt.Errorf("neither JPEG nor PNG: %w", frame.ErrBadPicture)

// small pictures never leave the buffer that they are read into but for their file.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// take reads a picture to the end of src, checks and keeps it. size is what src is said to have; -1: nobody said.
func (s *Server) take(src io.Reader, size int64, l *label) (k kept, duplicate bool, err error) {
	if size > s.config.MaxUpload {
		return k, false, s.tooLarge(size)
	}
	b := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(b)
	if k, ok := s.store.known(l.device, l.key); ok {
		s.store.counts.duplicates.Add(1)
		_, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{io.LimitReader(src, s.config.MaxUpload)}, b[:])
		return k, true, err
	}
	n, err := fill(b[:], src)
	whole := errors.Is(err, io.EOF)
	switch {
	case err != nil && !whole:
		return k, false, err
	case n == 0:
		return k, false, errEmpty
	case whole && size >= 0 && int64(n) < size:
		return k, false, refusef(http.StatusUnprocessableEntity, "the part has %d bytes, and Content-Length: %d", n, size)
	}
	if _, ok := sniff(b[:n]); !ok {
		return k, false, errNoPicture
	}
	if !whole {
		return s.takeLarge(src, size, l, b[:])
	}
	if int64(n) > s.config.MaxUpload {
		return k, false, s.tooLarge(int64(n))
	}
	found, err := inspect(b[:n], s.config.MaxPixels)
	if err != nil {
		return k, false, err
	}
	in, err := s.store.begin()
	if err != nil {
		return k, false, err
	}
	if _, err := in.Write(b[:found.size]); err != nil {
		in.discard()
		return k, false, err
	}
	return s.commit(in, l, &found, b[:found.size])
}

func (s *Server) tooLarge(size int64) error {
	return refusef(http.StatusRequestEntityTooLarge, "a picture of %d bytes: at most %d", size, s.config.MaxUpload)
}

// takeLarge goes on with a picture of which b is the beginning: by way of its file.
func (s *Server) takeLarge(src io.Reader, size int64, l *label, b []byte) (k kept, duplicate bool, err error) {
	in, err := s.store.begin()
	if err != nil {
		return k, false, err
	}
	if err = s.spool(in, src, size, b); err != nil {
		in.discard()
		return k, false, err
	}
	s.checks <- struct{}{}
	defer func() { <-s.checks }()
	large := largeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*large) <= maxPooled {
			largeBuffers.Put(large)
		}
	}()
	if int64(cap(*large)) < in.size {
		*large = make([]byte, in.size)
	}
	data := (*large)[:in.size]
	if _, err := in.file.ReadAt(data, 0); err != nil {
		in.discard()
		return k, false, fmt.Errorf("read a picture back: %w", err)
	}
	found, err := inspect(data, s.config.MaxPixels)
	if err == nil {
		err = in.truncate(found.size)
	}
	if err != nil {
		in.discard()
		return k, false, err
	}
	return s.commit(in, l, &found, data[:found.size])
}

// maxPooled bounds what is held for later when nothing is to do.
const maxPooled = 1 << 20

var largeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// spool writes b and the rest of src to the file.
func (s *Server) spool(in *incoming, src io.Reader, size int64, b []byte) error {
	if _, err := in.Write(b); err != nil {
		return err
	}
	rest := onlyReader{io.LimitReader(src, s.config.MaxUpload-in.size+1)}
	if _, err := io.CopyBuffer(onlyWriter{in}, rest, b); err != nil {
		return err
	}
	if in.size > s.config.MaxUpload {
		return refusef(http.StatusRequestEntityTooLarge, "the picture has more than %d bytes", s.config.MaxUpload)
	}
	if size >= 0 && in.size < size {
		return refusef(http.StatusUnprocessableEntity, "the part has %d bytes, and Content-Length: %d", in.size, size)
	}
	return nil
}

// commit keeps a checked picture and shows it to those who watch.
func (s *Server) commit(in *incoming, l *label, found *info, data []byte) (kept, bool, error) {
	k, duplicate, err := in.commit(l, found.format)
	if err == nil && !duplicate {
		s.show(l.device, data, found, &k)
	}
	return k, duplicate, err
}

// onlyReader and onlyWriter keep io.CopyBuffer from other ways than the buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// fill reads until b is full or src ends. Unlike io.ReadFull it leaves the error as src has it: a cut connection is no end.
func fill(b []byte, src io.Reader) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = src.Read(b[n:])
		n += m
	}
	return n, err
}

// answer replies to an upload.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, result receipt, err error) {
	// The body took its time; the reply has time of its own.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.HTTP.StallTimeout))
	if err == nil {
		result.OK = true
		reply.JSON(w, http.StatusOK, result)
		return
	}
	code := s.codeOf(err)
	result.Error = strings.TrimSuffix(strings.TrimSuffix(err.Error(), ": "+frame.ErrBadPicture.Error()), ": "+frame.ErrTooLarge.Error())
	log := s.config.Log.Debug
	switch {
	case code == http.StatusInsufficientStorage:
		s.counts.full.Add(1)
		w.Header().Set("Retry-After", "60")
		log = s.config.Log.Error
	case code == http.StatusInternalServerError:
		log = s.config.Log.Error
	case isCut(err):
		s.counts.cut.Add(1)
	default:
		s.counts.refused.Add(1)
	}
	log("upload refused", zap.String("address", r.RemoteAddr), zap.String("device", result.Device), zap.Int("code", code), zap.Error(err))
	if code == http.StatusRequestTimeout {
		w.Header().Set("Connection", "close")
	}
	reply.JSON(w, code, result)
}

// codeOf returns the status that tells a sender what to do: 5xx to try again, 4xx not to.
func (s *Server) codeOf(err error) int {
	var wrong *refusal
	switch {
	case errors.As(err, &wrong):
		return wrong.code
	case errors.Is(err, errFull):
		return http.StatusInsufficientStorage
	case errors.Is(err, errDevices):
		return http.StatusForbidden
	case errors.Is(err, errLarge), errors.Is(err, frame.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, frame.ErrBadPicture):
		return http.StatusUnprocessableEntity
	case errors.Is(err, errSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, errEmpty), isCut(err):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}
