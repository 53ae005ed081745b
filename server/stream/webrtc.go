package stream

import (
	"net/http"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/internal/fanout"
)

// WebRTC sends H.264 to viewers that connect by WHEP. *whep.Server implements it; this package does not import whep, so that a program can be built without it.
type WebRTC interface {
	Post(w http.ResponseWriter, r *http.Request, source *pipeline.Video, from string, admit func(end func()) (leave func(), ok bool),
		refuse func(w http.ResponseWriter, code int, text string))
	Session(w http.ResponseWriter, r *http.Request, id string, refuse func(w http.ResponseWriter, code int, text string))
	// Options replies with what Post accepts.
	Options(w http.ResponseWriter)
	Stats() []fanout.Stats
}

// whep answers a viewer's offer.
func (h *Handler) whep(w http.ResponseWriter, r *http.Request) {
	if h.config.WebRTC == nil {
		h.refuse(w, http.StatusNotImplemented, hinted("WebRTC is not available", h.config.Hints.WebRTC))
		return
	}
	if r.Method == http.MethodOptions {
		h.config.WebRTC.Options(w)
		return
	}
	source, ok := h.videoSource(w)
	if !ok {
		return
	}
	if source.Reordered() { // browsers would show them in the order in which they come
		h.refuse(w, http.StatusNotImplemented, "this source's H.264 has B-frames, which WebRTC does not carry: /video.mp4 and RTSP do")
		return
	}
	admit := func(end func()) (func(), bool) {
		leave, ok := h.config.Shell.Admit(w, r, end)
		if !ok {
			h.counts.refused.Add(1)
			return nil, false
		}
		h.counts.viewers.Add(1)
		return leave, true
	}
	h.config.WebRTC.Post(w, r, source, h.address(r), admit, h.refuse)
}

// whepSession ends a session, or adds candidates to it.
func (h *Handler) whepSession(w http.ResponseWriter, r *http.Request) {
	if h.config.WebRTC == nil {
		h.refuse(w, http.StatusNotFound, "WebRTC is not available")
		return
	}
	h.config.WebRTC.Session(w, r, r.PathValue("session"), h.refuse)
}
