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

// recovered ends a request whose handler has panicked: with a line in the log, and without the program.
func (s *Server) recovered(w *progressWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) { // the way to break a reply off
		panic(cause)
	}
	s.panics.Add(1)
	s.config.Log.Error("handling a request panicked", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.String("address", r.RemoteAddr),
		zap.Any("cause", cause), zap.ByteString("stack", debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler) // what there is must not look complete
	}
	w.Header().Set("Connection", "close")
	s.Refuse(w, http.StatusInternalServerError, "internal error; the server's log has the cause")
}

// errorLog takes what net/http has to say, which it says in lines of text.
type errorLog struct {
	log *zap.Logger

	mu    sync.Mutex
	told  time.Time // when a failed accept was logged last
	since int       // how many there were after that
}

// acceptsTold is how often failed accepts are logged: net/http tries again up to 200 times a second.
const acceptsTold = time.Minute

func newErrorLog(l *zap.Logger) *log.Logger { return log.New(&errorLog{log: l}, "", 0) }

// Write takes one line.
func (e *errorLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(strings.TrimPrefix(string(line), "http: "))
	switch {
	case strings.HasPrefix(text, "Accept error: "):
		e.accept(strings.TrimPrefix(text, "Accept error: "))
	case strings.HasPrefix(text, "panic serving"): // of what runs outside of recovered
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
	if e.since++; time.Since(e.told) < acceptsTold {
		return
	}
	text, _, _ = strings.Cut(text, "; retrying")
	e.log.Warn("a connection could not be accepted; the server keeps trying", zap.String("error", text), zap.Int("times", e.since))
	e.told, e.since = time.Now(), 0
}

// quoted is a text of a stranger for a message, short.
func quoted(text string) string { return strconv.Quote(text[:min(len(text), 80)]) }
