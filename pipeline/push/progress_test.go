package push

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowServer takes 64 KiB of each request at a time.
type slowServer struct{ pause time.Duration }

// RoundTrip implements http.RoundTripper.
func (s slowServer) RoundTrip(r *http.Request) (*http.Response, error) {
	for b := make([]byte, 64<<10); ; {
		select {
		case <-time.After(s.pause):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		if _, err := r.Body.Read(b); err == io.EOF {
			return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// An attempt may take longer than the timeout while the picture goes out.
func TestTimeoutIsPerProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for pause, want := range map[time.Duration]string{5 * time.Second: "", 11 * time.Second: "no reply within 10s"} {
			p, err := New(Config{URL: "http://server/", Timeout: 10 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			p.client = &http.Client{Transport: slowServer{pause}}
			shot := &Shot{Data: make([]byte, 1<<20)}
			shot.complete(time.Now())
			began := time.Now()
			reply, err := p.attempt(t.Context(), shot)
			took := time.Since(began)
			if want == "" && (err != nil || !reply.OK() || took < time.Minute) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || took != p.config.Timeout) {
				t.Errorf("%v: %+v, %v after %v", pause, reply, err, took)
			}
			p.Close()
		}
	})
}

// A large picture is written in pieces, each of which is progress; a small one and its form at once.
func TestLoanIsWrittenInPieces(t *testing.T) {
	for size, want := range map[int]int{100: 1, 112 << 10: 1, pieceBytes: 3, 1 << 20: 6} {
		data := bytes.Repeat([]byte("picture."), size/8)
		l := newLoan([]byte("head"), data, []byte("tail"))
		progress := 0
		l.progress = func() { progress++ }
		body, err := l.open()
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		n, err := body.(io.WriterTo).WriteTo(&got)
		if err != nil || n != l.size || got.String() != "head"+string(data)+"tail" {
			t.Errorf("%d bytes: %d written, %v", size, n, err)
		}
		if progress != want {
			t.Errorf("%d bytes: progress %d times, want %d", size, progress, want)
		}
		l.end()
	}
}
