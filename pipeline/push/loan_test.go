package push

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// sendLent sends one picture as a Pusher does and returns how many of its bytes net/http copied.
func sendLent(t *testing.T, s *httptest.Server, ca, field string, data []byte) int64 {
	t.Helper()
	transport, err := newTransport(ca, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	target := &target{url: s.URL, method: http.MethodPost, field: field, header: http.Header{}, secret: new(secret)}
	shot := &Shot{Data: data, ContentType: "image/jpeg", Name: "a.jpg", Key: "k"}
	var copied int64
	for range 2 { // over a new connection, then a kept one
		r, l, err := target.request(context.Background(), shot, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := newClient(transport).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := readReply(resp)
		if err != nil || !reply.OK() {
			t.Fatal(reply, err)
		}
		l.end()
		copied += l.copied
	}
	return copied
}

func TestPictureIsSentWithoutCopying(t *testing.T) {
	data := bytes.Repeat([]byte("picture"), 300_000)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := io.Reader(r.Body)
		if f, _, err := r.FormFile("f"); err == nil {
			in = f
		}
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, data) {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	plain := httptest.NewServer(h)
	defer plain.Close()
	for _, field := range []string{"", "f"} {
		if n := sendLent(t, plain, "", field, data); n != 0 {
			t.Errorf("field %q: %d bytes were copied", field, n)
		}
	}
	secure := httptest.NewTLSServer(h)
	defer secure.Close()
	ca := filepath.Join(t.TempDir(), "ca")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := sendLent(t, secure, ca, "", data); n < 2*int64(len(data)) { // for comparison: TLS copies
		t.Errorf("over TLS %d bytes were copied", n)
	}
}

// Compares with net/http's own path for the same bytes: go test -bench Post -benchmem ./pipeline/push
func BenchmarkPost(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer s.Close()
	data := File(bytes.Repeat([]byte("picture"), 300_000))
	b.Run("push", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if reply, err := Post(context.Background(), s.URL, data); err != nil || !reply.OK() {
				b.Fatal(err)
			}
		}
	})
	b.Run("net-http", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			resp, err := http.Post(s.URL, "image/jpeg", bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	CloseIdle()
	http.DefaultClient.CloseIdleConnections()
}
