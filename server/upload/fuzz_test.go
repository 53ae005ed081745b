package upload_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/server/upload"
)

// one serves a single connection per call without a network.
type oneListener struct{ conns chan net.Conn }

func (l *oneListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// FuzzUpload sends arbitrary requests to a server: each reply is JSON with a matching code, what is stored is a complete picture of
// the stated size within the directory, and no partial files remain.
func FuzzUpload(f *testing.F) {
	jpg, small := jpegOf(f, 1), pngOf(f, 1)
	form := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../x.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
	f.Add("cam", "image/jpeg", "1763769600.250000", "1", "key", jpg)
	f.Add("", "", "", "", "", small)
	f.Add("../..", "image/png", "", "", "", small)
	f.Add("a", "multipart/form-data; boundary=b", "", "", "k", slices.Concat([]byte(form), jpg, []byte("\r\n--b--\r\n")))
	f.Add("a", "multipart/form-data; boundary=b", "", "", "", slices.Concat([]byte(form), jpg[:100], []byte("\r\n--b")))
	f.Add("a", "multipart/x-mixed-replace; boundary=b", "", "", "", slices.Concat(
		fmt.Appendf(nil, "--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: 1.5\r\nIdempotency-Key: 1\r\n\r\n", len(jpg)), jpg,
		[]byte("\r\n--b\r\n\r\n"), small, []byte("\r\n--b--")))
	f.Add("a", "multipart/mixed; boundary=b", "-1", "18446744073709551615", "", []byte("--b\r\nContent-Length: 99999999999\r\n\r\n\xff\xd8\xff"))
	f.Add("a", "application/octet-stream", "99999999999999999999", "", "", jpg[:len(jpg)/2])

	dir := f.TempDir()
	listener := &oneListener{make(chan net.Conn)}
	s := receive(f, dir, func(c *upload.Config) {
		c.HTTP.Listen, c.HTTP.Listeners = nil, []net.Listener{listener}
		c.MaxBytes, c.MaxUpload = 1<<20, 64<<10
	})
	f.Cleanup(func() { close(listener.conns) })
	f.Fuzz(func(t *testing.T, device, kind, timestamp, sequence, key string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/upload", bytes.NewReader(body))
		for name, value := range map[string]string{"X-Device": device, "Content-Type": kind, "X-Timestamp": timestamp, "X-Sequence": sequence, "Idempotency-Key": key} {
			if value != "" && !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) {
				r.Header.Set(name, value)
			}
		}
		r.Header.Set("Connection", "close")
		server, client := net.Pipe()
		listener.conns <- server
		defer client.Close()
		go func() { _ = r.Write(client) }()
		reply, err := http.ReadResponse(bufio.NewReader(client), r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reply.Body)
		if err != nil {
			t.Fatal(err)
		}
		var a answer
		if err := json.Unmarshal(text, &a); err != nil {
			t.Fatalf("%s: %q", reply.Status, text)
		}
		if a.OK != (reply.StatusCode == 200) || reply.StatusCode >= 500 {
			t.Errorf("%s: %s", reply.Status, text)
		}
		if a.OK && !a.Duplicate && a.Duplicates == 0 { // an earlier picture of the same key may have been deleted
			kept, err := os.ReadFile(filepath.Join(dir, a.File))
			if err != nil || !filepath.IsLocal(a.File) || a.Pictures < 2 && len(kept) != a.Bytes {
				t.Errorf("%s: %d bytes (%v)", text, len(kept), err)
			}
			if !bytes.HasPrefix(kept, []byte("\xff\xd8")) && !bytes.HasPrefix(kept, []byte("\x89PNG")) {
				t.Errorf("kept %.10q", kept)
			}
		}
		if left, err := os.ReadDir(filepath.Join(dir, ".incoming")); err != nil || len(left) > 0 {
			t.Errorf("left: %v (%v)", left, err)
		}
	})
	if st := s.State(); st.Bytes > 1<<20 {
		f.Errorf("%+v", st)
	}
}
