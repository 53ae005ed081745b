package whep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/maixstream/maixstream/pipeline"
)

const (
	offerType = "application/sdp"
	patchType = "application/trickle-ice-sdpfrag"
	// maxOffer is larger than any browser's offer, in bytes.
	maxOffer = 64 << 10
	// maxCandidates limits the candidates in an offer, and those added to a session later; a machine has a few addresses.
	maxCandidates = 64
)

// checkOffer rejects an offer that is not SDP, or that lists more candidates than any machine has.
func checkOffer(offer string) error {
	switch {
	case !strings.HasPrefix(offer, "v=0"):
		return fmt.Errorf("%w: not SDP", ErrOffer)
	case !strings.Contains(strings.ToUpper(offer), " H264/90000"):
		return fmt.Errorf("%w: it does not accept H.264 video", ErrOffer)
	case strings.Count(offer, "a=candidate") > maxCandidates:
		return fmt.Errorf("%w: more than %d candidates", ErrOffer, maxCandidates)
	}
	return nil
}

// refuser writes an error reply.
type refuser = func(w http.ResponseWriter, code int, text string)

// visit is a viewer's place, which may be taken away before it has a session.
type visit struct {
	server *Server
	mu     sync.Mutex
	id     string
	over   bool
}

// end ends the session now, or as soon as it exists.
func (v *visit) end() {
	v.mu.Lock()
	v.over = true
	id := v.id
	v.mu.Unlock()
	if id != "" {
		v.server.End(id)
	}
}

// begin notes the session's ID.
func (v *visit) begin(id string) {
	v.mu.Lock()
	v.id = id
	over := v.over
	v.mu.Unlock()
	if over {
		v.server.End(id)
	}
}

// Post answers the offer (POST /whep) of a viewer at an address, with or without port. admit reserves a place for the viewer, or writes the refusal; it may
// call end later, from any goroutine, to take the place away.
func (s *Server) Post(w http.ResponseWriter, r *http.Request, source *pipeline.Video, from string, admit func(end func()) (leave func(), ok bool), refuse refuser) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != offerType {
		w.Header().Set("Accept-Post", offerType)
		refuse(w, http.StatusUnsupportedMediaType, "send the offer as Content-Type: "+offerType)
		return
	}
	offer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("offer too large: at most %d bytes are accepted", maxOffer))
		return
	}
	place := &visit{server: s}
	leave, ok := admit(place.end)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), connectTimeout)
	defer cancel()
	id, answer, err := s.Offer(ctx, source, from, string(offer), leave)
	if err != nil {
		leave()
		switch {
		case errors.Is(err, ErrFull):
			w.Header().Set("Retry-After", "5")
			refuse(w, http.StatusServiceUnavailable, err.Error())
		case errors.Is(err, ErrOffer):
			refuse(w, http.StatusBadRequest, err.Error())
		default:
			refuse(w, http.StatusServiceUnavailable, err.Error())
		}
		return
	}
	place.begin(id)
	h := w.Header()
	h.Set("Content-Type", offerType)
	h.Set("Location", strings.TrimSuffix(requestPath(r), "/")+"/"+id)
	h.Set("ETag", `"`+id+`"`)
	h.Set("Accept-Patch", patchType)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

// requestPath is the path as the viewer requested it, including the prefix that the handler is mounted at.
func requestPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}

// Options replies with what POST accepts, for viewers that ask first.
func (*Server) Options(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Accept-Post", offerType)
	h.Set("Allow", "OPTIONS, POST")
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "OPTIONS, POST, PATCH, DELETE")
	}
	w.WriteHeader(http.StatusNoContent)
}

// Session serves a session's URL: DELETE ends it, PATCH adds candidates that the viewer found after its offer.
func (s *Server) Session(w http.ResponseWriter, r *http.Request, id string, refuse refuser) {
	viewer := s.find(id)
	if viewer == nil {
		refuse(w, http.StatusNotFound, "no such session, or it has ended")
		return
	}
	if r.Method == http.MethodDelete {
		viewer.end()
		w.WriteHeader(http.StatusOK)
		return
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != patchType {
		w.Header().Set("Accept-Patch", patchType)
		refuse(w, http.StatusUnsupportedMediaType, "send candidates as Content-Type: "+patchType)
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && match != "*" && match != `"`+id+`"` {
		refuse(w, http.StatusPreconditionFailed, "If-Match: this is another session's ETag")
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("candidates too large: at most %d bytes are accepted", maxOffer))
		return
	}
	candidates, err := parseFragment(string(text))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if viewer.candidates.Add(int64(len(candidates))) > maxCandidates {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("candidates: more than %d for one session", maxCandidates))
		return
	}
	for _, c := range candidates {
		if err := viewer.trickle(c); err != nil {
			refuse(w, http.StatusBadRequest, "candidate: "+err.Error())
			return
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(connectTimeout))
	w.WriteHeader(http.StatusNoContent)
}

// parseFragment parses the candidates in an SDP fragment (RFC 8840).
func parseFragment(text string) (candidates []webrtc.ICECandidateInit, err error) {
	var mid *string
	var fragment *string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		switch {
		case line == "" || strings.HasPrefix(line, "m="):
		case !strings.HasPrefix(line, "a="):
			return nil, fmt.Errorf("candidates: line %.40q: not valid in an SDP fragment", line)
		case name == "mid":
			mid = &value
		case name == "ice-ufrag":
			fragment = &value
		case name == "candidate":
			if len(candidates) == maxCandidates {
				return nil, fmt.Errorf("candidates: more than %d", maxCandidates)
			}
			candidates = append(candidates, webrtc.ICECandidateInit{Candidate: "candidate:" + value, SDPMid: mid, UsernameFragment: fragment})
		}
	}
	return candidates, nil
}
