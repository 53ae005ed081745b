package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlines counts how often the deadline was set.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// A large reply gets a deadline per piece, so that a slow but steady reader gets all of it.
func TestDeadlineIsPerChunk(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w := &progressWriter{ResponseWriter: d, control: http.NewResponseController(d), stall: time.Minute}
	const size = 1 << 20
	if n, err := w.Write(make([]byte, size)); n != size || err != nil || d.Body.Len() != size {
		t.Fatalf("%d bytes written, %d there: %v", n, d.Body.Len(), err)
	}
	if len(d.set) != size/progressChunk {
		t.Errorf("%d deadlines for %d pieces", len(d.set), size/progressChunk)
	}
	for _, at := range d.set {
		if left := time.Until(at); left < 30*time.Second || left > time.Minute {
			t.Errorf("a deadline in %v", left)
		}
	}
}
