package upload_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/upload"
)

// The settings of docs/receive.md in real nginx: pictures, endless streams and live views pass without buffering.
func TestBehindNginx(t *testing.T) {
	nginx := testenv.Program(t, "nginx", "/usr/sbin/nginx")
	text := string(read(t, "..", "..", "docs", "receive.md"))
	_, text, _ = strings.Cut(text, "```nginx\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("docs/receive.md has no settings for nginx")
	}
	dir, store := t.TempDir(), t.TempDir()
	s := receive(t, store, func(c *upload.Config) { c.HTTP.TrustedProxies = []string{"127.0.0.1"} })
	l, err := net.Listen("tcp", "127.86.0.2:0") // where nothing else takes the port
	if err != nil {                             // only Linux has it
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	front := l.Addr().String()
	l.Close()
	replaced := strings.NewReplacer("listen 80;", "listen "+front+";", "http://127.0.0.1:8080", s.URLs()[0]).Replace(text)
	if !strings.Contains(replaced, front) || !strings.Contains(replaced, s.URLs()[0]) {
		t.Fatalf("other addresses than expected in\n%s", text)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // its workers run as other users
		t.Fatal(err)
	}
	config := fmt.Sprintf("daemon off; pid %[1]s/pid; error_log stderr; events {}\nhttp { access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; "+
		"fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n%[2]s }\n", dir, replaced)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	testenv.Eventually(t, "nginx answers", func() bool {
		select {
		case <-ended:
			t.Fatal(complaints.String())
		default:
		}
		conn, err := net.Dial("tcp", front)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})

	url := "http://" + front
	send := func(h headers, body io.Reader) answer {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url+"/upload", body)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range h {
			r.Header.Set(k, v)
		}
		return do(t, r)
	}
	large := noisy(t, 2<<20) // above nginx's default limit of 1 MiB
	if a := send(headers{"Content-Type": "image/jpeg"}, bytes.NewReader(large)); !a.OK || a.Device != "127.0.0.1" || !bytes.Equal(read(t, store, a.File), large) {
		t.Errorf("%+v", a)
	}
	postedBefore := send(headers{"X-Device": "gate"}, bytes.NewReader(jpegOf(t, 0)))
	if !postedBefore.OK || postedBefore.Device != "gate" {
		t.Errorf("%+v", postedBefore)
	}
	live, err := http.Get(url + "/stream/gate")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Body.Close()
	pictures := multipart.NewReader(live.Body, "frame")
	if _, b := next(t, pictures); !bytes.Equal(b, jpegOf(t, 0)) {
		t.Errorf("live begins with %d bytes", len(b))
	}
	out, in := io.Pipe()
	w := multipart.NewWriter(in)
	done := make(chan answer, 1)
	go func() {
		done <- send(headers{"X-Device": "gate", "Content-Type": "multipart/x-mixed-replace; boundary=" + w.Boundary()}, out)
	}()
	for i := 1; i < 5; i++ {
		if err := part(w, jpegOf(t, i), true, nil); err != nil {
			t.Fatal(err)
		}
		if _, b := next(t, pictures); !bytes.Equal(b, jpegOf(t, i)) { // nothing is buffered
			t.Errorf("picture %d: %d bytes", i, len(b))
		}
	}
	_ = w.Close()
	_ = in.Close()
	if a := <-done; !a.OK || a.Pictures != 4 {
		t.Errorf("%+v", a)
	}
}
