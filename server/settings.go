package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
)

// maxSettings is more than any change needs, in bytes.
const maxSettings = 16 << 10

// settings shows the pipeline's settings, or changes some.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPatch {
		writeJSON(w, http.StatusOK, s.config.Feed.State().Settings)
		return
	}
	// A form on a foreign page can send anything but this type without asking first (a preflight, which CORS answers).
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" && t != "application/merge-patch+json" {
		problem(w, http.StatusUnsupportedMediaType, "", "send the change as Content-Type: application/json")
		return
	}
	change, err := readChange(http.MaxBytesReader(w, r.Body, maxSettings))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			problem(w, http.StatusRequestEntityTooLarge, "", fmt.Sprintf("a change has at most %d bytes", maxSettings))
			return
		}
		problem(w, http.StatusBadRequest, "", "change: "+err.Error())
		return
	}
	settings, err := s.config.Feed.Change(r.Context(), change)
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
		writeJSON(w, http.StatusOK, settings)
	}
}

// readChange reads exactly one JSON object with known fields.
func readChange(r io.Reader) (c pipeline.Change, err error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		if errors.Is(err, io.EOF) {
			return c, errors.New("the body is empty; want a JSON object like {\"quality\": 70}")
		}
		return c, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("more than one JSON value")
	}
	return c, nil
}

func problem(w http.ResponseWriter, code int, setting, text string) {
	writeJSON(w, code, struct {
		Error   string `json:"error"`
		Setting string `json:"setting,omitempty"`
	}{text, setting})
}
