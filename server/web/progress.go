package web

import (
	"net/http"
	"time"
)

// progressWriter sets a deadline for each piece of a reply, not for the whole: a slow but steady reader gets all of it, and one that reads
// nothing is disconnected. It hides io.ReaderFrom, which would write the whole at once.
type progressWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	begun   bool // headers were written
}

// progressChunk is what a client must read within the stall timeout, in bytes.
const progressChunk = 8 << 10

// WriteHeader implements http.ResponseWriter.
func (w *progressWriter) WriteHeader(code int) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	w.begun = true
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *progressWriter) Write(b []byte) (n int, err error) {
	w.begun = true
	for {
		_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
		m, err := w.ResponseWriter.Write(b[:min(len(b), progressChunk)])
		n += m
		if b = b[m:]; err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// Unwrap is for http.ResponseController.
func (w *progressWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
