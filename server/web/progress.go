package web

import (
	"net/http"
	"time"
)

// progressWriter gives each piece of a reply its time, not the reply as a whole: a slow reader that is steady gets all of it, and one that reads
// nothing is cut off. It hides io.ReaderFrom, with which the whole would be one write.
type progressWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	begun   bool // headers were written
}

// progressChunk is what a client must take within the stall timeout, in bytes.
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
