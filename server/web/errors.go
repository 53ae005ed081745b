package web

import (
	"errors"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// recovered logs a handler's panic and ends its request.
func (s *Server) recovered(w *progressWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) { // deliberately aborted reply
		panic(cause)
	}
	s.panics.Add(1)
	s.config.Log.Error("handling a request panicked", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.String("address", r.RemoteAddr),
		zap.Any("cause", cause), zap.ByteString("stack", debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler) // the partial reply must not look complete
	}
	w.Header().Set("Connection", "close")
	s.Refuse(w, http.StatusInternalServerError, "internal error; the server's log has the cause")
}

// errorLog parses net/http's error log, which is lines of text.
type errorLog struct {
	log *zap.Logger

	mu         sync.Mutex
	lastLogged time.Time // when a failed accept was last logged
	since      int       // failed accepts since
}

// acceptLogInterval is how often failed accepts are logged: net/http retries up to 200 times per second.
const acceptLogInterval = time.Minute

func newErrorLog(l *zap.Logger) *log.Logger { return log.New(&errorLog{log: l}, "", 0) }

// Write handles one line.
func (e *errorLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(strings.TrimPrefix(string(line), "http: "))
	switch {
	case strings.HasPrefix(text, "Accept error: "):
		e.accept(strings.TrimPrefix(text, "Accept error: "))
	case strings.HasPrefix(text, "panic serving"): // outside of recovered
		e.log.Error("serving a connection panicked", zap.String("cause", text))
	case strings.HasPrefix(text, "TLS handshake error"), strings.HasPrefix(text, "URL query contains semicolon"),
		strings.HasPrefix(text, "superfluous response.WriteHeader"):
		e.log.Debug(text)
	default:
		e.log.Info(text)
	}
	return len(line), nil
}

func (e *errorLog) accept(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.since++; time.Since(e.lastLogged) < acceptLogInterval {
		return
	}
	text, _, _ = strings.Cut(text, "; retrying")
	e.log.Warn("accepting a connection failed; retrying", zap.String("error", text), zap.Int("times", e.since))
	e.lastLogged, e.since = time.Now(), 0
}

// quoted quotes untrusted text for a message, truncated.
func quoted(text string) string { return strconv.Quote(text[:min(len(text), 80)]) }
