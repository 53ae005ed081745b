package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/internal/reply"
)

// maxSettings is larger than any change, in bytes.
const maxSettings = 16 << 10

// settings shows the pipeline's settings or changes some.
func (h *Handler) settings(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPatch {
		h.replySettings(w, h.config.Feed.State().Settings)
		return
	}
	var change struct {
		Change
		Size *string `json:"size"` // width and height combined
		Keep *bool   `json:"keep"` // across restarts
	}
	if !readJSON(w, r, &change, `{"quality": 70}`) {
		return
	}
	if change.Size != nil {
		var width, height int
		switch n, err := fmt.Sscanf(*change.Size, "%dx%d", &width, &height); {
		case change.Width != nil || change.Height != nil:
			problem(w, http.StatusBadRequest, "size", "size and width or height: use only one of them")
			return
		case err != nil || n != 2 || fmt.Sprintf("%dx%d", width, height) != *change.Size:
			problem(w, http.StatusBadRequest, "size", fmt.Sprintf("size %q: want WIDTHxHEIGHT, such as 1280x720", *change.Size))
			return
		}
		change.Width, change.Height = &width, &height
	}
	if change.Keep != nil && h.config.Keep == nil {
		problem(w, http.StatusNotImplemented, "keep", hinted("settings are not kept across restarts", h.config.Hints.Keep))
		return
	}
	settings, err := h.config.Feed.Change(r.Context(), pipeline.Change(change.Change))
	var refused *pipeline.SettingError
	switch {
	case errors.As(err, &refused):
		problem(w, http.StatusUnprocessableEntity, refused.Name, refused.Error())
	case errors.Is(err, frame.ErrUnsupported):
		problem(w, http.StatusNotImplemented, "", err.Error())
	case errors.Is(err, pipeline.ErrNoSignal):
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, "", err.Error())
	case err != nil:
		problem(w, http.StatusInternalServerError, "", err.Error())
	default:
		if err := h.keep(settings, change.Keep); err != nil {
			problem(w, http.StatusInternalServerError, "keep", "changed, but not kept over restarts: "+err.Error())
			return
		}
		h.replySettings(w, settings)
	}
}

// keep persists settings across restarts if on requests it or, if on is nil, if settings are already kept.
func (h *Handler) keep(settings pipeline.Settings, on *bool) error {
	keeper := h.config.Keep
	switch {
	case keeper == nil:
		return nil
	case on != nil:
		return keeper.Keep(settings, *on)
	case keeper.Kept():
		return keeper.Keep(settings, true)
	}
	return nil
}

// kept reports whether settings are kept across restarts; nil: not supported.
func (h *Handler) kept() *bool {
	if h.config.Keep == nil {
		return nil
	}
	kept := h.config.Keep.Kept()
	return &kept
}

func (h *Handler) replySettings(w http.ResponseWriter, settings pipeline.Settings) {
	reply.IndentedJSON(w, http.StatusOK, struct {
		Settings
		Keep *bool `json:"keep,omitempty"`
	}{Settings(settings), h.kept()})
}

// recording shows the server's own recording, or starts or stops it.
func (h *Handler) recording(w http.ResponseWriter, r *http.Request) {
	recorder := h.config.Recording
	if recorder == nil {
		problem(w, http.StatusNotImplemented, "", hinted("the server has no directory to record into", h.config.Hints.Recording))
		return
	}
	if r.Method == http.MethodPatch {
		var change struct {
			On *bool `json:"on"`
		}
		if !readJSON(w, r, &change, `{"on": true}`) {
			return
		}
		if change.On != nil {
			if err := recorder.Set(*change.On); err != nil {
				problem(w, http.StatusInternalServerError, "on", err.Error())
				return
			}
		}
	}
	reply.IndentedJSON(w, http.StatusOK, recorder.State())
}

// readJSON decodes exactly one JSON object with known fields into change, or replies with the error and returns false.
func readJSON(w http.ResponseWriter, r *http.Request, change any, example string) bool {
	// A form on a foreign page can send any content type but this one without a preflight (CORS).
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" && t != "application/merge-patch+json" {
		problem(w, http.StatusUnsupportedMediaType, "", "send the change as Content-Type: application/json")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSettings))
	d.DisallowUnknownFields()
	err := d.Decode(change)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return true
		}
		err = errors.New("more than one JSON value")
	}
	var large *http.MaxBytesError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		field := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:] // without the path of an embedded struct
		problem(w, http.StatusBadRequest, field, fmt.Sprintf("change: %s cannot be %s: want a value like GET shows", field, wrong.Value))
	case errors.As(err, &wrong):
		problem(w, http.StatusBadRequest, "", "change: got "+wrong.Value+", want a JSON object like "+example)
	case errors.As(err, &large):
		problem(w, http.StatusRequestEntityTooLarge, "", fmt.Sprintf("change too large: at most %d bytes are accepted", maxSettings))
	case errors.Is(err, io.EOF):
		problem(w, http.StatusBadRequest, "", "change: empty body, want a JSON object like "+example)
	default:
		text := err.Error()
		if name, unknown := strings.CutPrefix(text, "json: unknown field "); unknown {
			text = "there is no " + name + "; GET shows what can be changed"
		}
		problem(w, http.StatusBadRequest, "", "change: "+text)
	}
	return false
}

func problem(w http.ResponseWriter, code int, setting, text string) {
	reply.IndentedJSON(w, code, struct {
		Error   string `json:"error"`
		Setting string `json:"setting,omitempty"`
	}{text, setting})
}
