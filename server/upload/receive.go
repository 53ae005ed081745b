package upload

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/server/internal/reply"
	"github.com/maixstream/maixstream/server/web"
)

// refusal is an error caused by the sender.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return r.text }

func refusef(code int, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

var errEmpty = errors.New("no picture in the body")

// receipt is the reply to a sender.
type receipt struct {
	OK        bool   `json:"ok"`
	Device    string `json:"device,omitempty"`
	File      string `json:"file,omitempty"`      // of the newest picture: DEVICE/DAY/NAME
	Bytes     int64  `json:"bytes,omitempty"`     // of all pictures
	Duplicate bool   `json:"duplicate,omitempty"` // all of them were stored before
	// For requests with several pictures:
	Pictures   int `json:"pictures,omitempty"`   // including duplicates
	Duplicates int `json:"duplicates,omitempty"` // stored before
	Refused    int `json:"refused,omitempty"`    // parts of a stream that were not pictures

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

// single drops the counts from the reply for one picture.
func (r *receipt) single() {
	if r.Pictures == 1 && r.Refused == 0 {
		r.Duplicate = r.Duplicates == 1
		r.Pictures, r.Duplicates = 0, 0
	}
}

// upload receives a request's pictures.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		w.Header().Set("Retry-After", "2")
		s.answer(w, r, receipt{}, refusef(http.StatusServiceUnavailable, "the server is shutting down"))
		return
	}
	defer s.running.Done()
	result, err := s.accept(w, r)
	if err == nil || isCut(err) || errors.Is(err, errSlow) || errors.Is(err, errEvicted) {
		s.answer(w, r, result, err)
		return
	}
	// Many clients read the reply only after sending everything, and otherwise see a broken connection.
	connection := http.NewResponseController(w)
	_ = connection.EnableFullDuplex()
	w.Header().Set("Connection", "close")
	s.answer(w, r, result, err)
	_ = connection.Flush()
	_ = connection.SetReadDeadline(time.Now().Add(lingerFor))
	_, _ = io.CopyN(io.Discard, r.Body, lingerBytes)
}

// How long, and how much, of a refused body is read.
const (
	lingerFor   = 5 * time.Second
	lingerBytes = 256 << 20
)

// pictureTypes are the types of pictures as such. Of any other type but multipart, the first bytes decide: many programs do not know what they send,
// and text may be a picture in base64.
var pictureTypes = []string{
	"image/jpeg", "image/jpg", "image/pjpeg", "image/x-jpeg", "image/png", "image/x-png", "image/apng",
	"image/mjpeg", "video/mjpeg", "video/x-motion-jpeg", "video/x-mjpeg",
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request) (receipt, error) {
	in := intake{server: s}
	var named bool
	var err error
	from := s.web.Client(r)
	if in.result.Device, named, err = deviceOf(r, from); err != nil {
		return in.result, refusef(http.StatusBadRequest, "%v", err)
	}
	if bound := web.Device(r); bound != "" {
		if named && in.result.Device != bound {
			return in.result, refusef(http.StatusForbidden, "this token is for pictures of the device %q, not of %q", bound, in.result.Device)
		}
		in.result.Device, named = bound, true
	}
	if strings.Count(r.PathValue("name"), "/") > 1 {
		return in.result, refusef(http.StatusNotFound, "send pictures to /upload, /upload/NAME or /upload/DEVICE/NAME")
	}
	place, err := s.slots.enter(senderOf(from), in.result.Device, http.NewResponseController(w))
	if err != nil {
		w.Header().Set("Retry-After", "2")
		return in.result, err
	}
	defer place.free()
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return in.result, refusef(http.StatusUnsupportedMediaType, "Content-Encoding %.40q: send pictures unencoded", e)
	}
	l, err := labelOf(in.result.Device, textproto.MIMEHeader(r.Header), label{}, time.Now())
	if err != nil {
		return in.result, err
	}
	if r.ContentLength == 0 && r.Header.Get("Content-Length") == "" {
		return in.result, refusef(http.StatusLengthRequired, "no body: Content-Length or Transfer-Encoding: chunked is required")
	}
	header := r.Header.Get("Content-Type")
	kind, parameters, _ := mime.ParseMediaType(header) // a type with bad parameters is a type
	body := newBody(w, r, s.config.HTTP.StallTimeout, place)
	if strings.HasPrefix(kind, "multipart/") {
		form := kind == "multipart/form-data"
		in.hold = form && !named
		err := s.parts(body, kind, parameters["boundary"], &l, form, &in)
		if form {
			in.result.single()
		}
		return in.result, err
	}
	in.typed = slices.Contains(pictureTypes, kind)
	err = s.take(body, r.ContentLength, &l, &in)
	if errors.Is(err, errNoPicture) && !in.typed {
		if header != "" {
			err = fmt.Errorf("Content-Type %.80q: %w", header, err)
		}
		err = refusef(http.StatusUnsupportedMediaType, "%v", err)
	}
	in.result.single()
	return in.result, err
}

// senderOf is the sender that an upload's slot counts for; "": an address that many senders may share, such as an untrusted proxy on this machine.
func senderOf(from netip.Addr) string {
	if !from.IsValid() || from.IsLoopback() {
		return ""
	}
	return web.Sender(from)
}

// answer replies to an upload.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, result receipt, err error) {
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
	case errors.Is(err, errTrouble): // logged already
		w.Header().Set("Retry-After", "5")
		s.counts.failed.Add(1)
	case code == http.StatusInternalServerError:
		s.counts.failed.Add(1)
		log = s.config.Log.Error
	case isCut(err):
		s.counts.cut.Add(1)
	default:
		s.counts.refused.Add(1)
	}
	log("upload refused", zap.String("address", r.RemoteAddr), zap.String("device", result.Device), zap.Int("code", code), zap.Error(err))
	if code == http.StatusRequestTimeout || errors.Is(err, errEvicted) {
		w.Header().Set("Connection", "close")
	}
	reply.JSON(w, code, result)
}

// codeOf returns the status: 5xx if the sender should retry, 4xx if not.
func (s *Server) codeOf(err error) int {
	var wrong *refusal
	switch {
	case errors.As(err, &wrong):
		return wrong.code
	case errors.Is(err, errFull):
		return http.StatusInsufficientStorage
	case errors.Is(err, errTrouble):
		return http.StatusServiceUnavailable
	case errors.Is(err, errDevices):
		return http.StatusForbidden
	case errors.Is(err, errLarge), errors.Is(err, frame.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, frame.ErrBadPicture):
		return http.StatusUnprocessableEntity
	case errors.Is(err, errSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, errEvicted):
		return http.StatusServiceUnavailable
	case errors.Is(err, errEmpty), isCut(err):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}
