package push_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/pipeline/push"
)

// background starts a program and ends it with the test.
func background(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(cmd.Path), stderr.String())
		}
	})
}

// startNginx runs nginx: WebDAV with a password below /dav/, and as a proxy for another server below /upload.
func startNginx(t *testing.T, upstream string) (base, root string) {
	t.Helper()
	nginx := testenv.Program(t, "nginx", "/usr/sbin/nginx")
	dir, port := t.TempDir(), testenv.FreePort(t, quiet)
	root = filepath.Join(dir, "root")
	if err := os.MkdirAll(filepath.Join(root, "dav"), 0o777); err != nil {
		t.Fatal(err)
	}
	user := ""
	if os.Getuid() == 0 { // otherwise its worker runs as nobody, who may not write here
		user = "user root;"
	}
	config := fmt.Sprintf(`%s
daemon off; master_process off; pid %[2]s/pid; error_log stderr warn;
events {}
http {
  access_log off; client_max_body_size 1m;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
  server {
    listen %[5]s:%[3]d; root %[2]s/root;
    location /dav/ { dav_methods PUT; create_full_put_path on; auth_basic dav; auth_basic_user_file %[2]s/users; }
    location /upload { proxy_pass %[4]s; proxy_http_version 1.1; proxy_request_buffering off; }
  }
}
`, user, dir, port, upstream, quiet)
	for name, text := range map[string]string{"nginx.conf": config, "users": "cam:{PLAIN}secret\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { // read by nginx
			t.Fatal(err)
		}
	}
	background(t, exec.Command(nginx, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr"))
	address := net.JoinHostPort(quiet, strconv.Itoa(port))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address, root
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestNginxAcceptsPicturesByPUT(t *testing.T) {
	base, root := startNginx(t, "http://127.0.0.1:1")
	shots := pictures(t, 5)
	var outcomes results
	p := newPusher(t, push.Config{URL: base + "/dav/{device}/", Method: "PUT", Device: "cam 1", AuthFile: writeFile(t, "cam:secret"), OnResult: outcomes.add})
	if err := p.Run(context.Background(), &list{shots: shots}); err != nil {
		t.Fatal(err)
	}
	for i, r := range outcomes.list() {
		if r.Err != nil || r.Reply.StatusCode != 201 {
			t.Fatalf("picture %d: %+v", i, r)
		}
		data, err := os.ReadFile(filepath.Join(root, "dav", "cam 1", r.Name))
		if err != nil || !bytes.Equal(data, shots[i]) {
			t.Errorf("%s: %d bytes, %v", r.Name, len(data), err)
		}
	}
	if len(outcomes.list()) != len(shots) {
		t.Errorf("%d results", len(outcomes.list()))
	}
	for want, config := range map[string]push.Config{
		"401": {URL: base + "/dav/x.jpg", Method: "PUT"},
		"404": {URL: base + "/dav/x.jpg", AuthFile: writeFile(t, "cam:secret")}, // POST to a missing file
	} {
		var outcomes results
		config.OnResult = outcomes.add
		if err := newPusher(t, config).Run(context.Background(), &list{shots: shots[:1]}); err != nil {
			t.Fatal(err)
		}
		if got := outcomes.list(); len(got) != 1 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), want) {
			t.Errorf("want %s: %+v", want, got)
		}
	}
	// Larger than nginx accepts: it replies and closes in the middle of the picture.
	var large results
	p = newPusher(t, push.Config{URL: base + "/dav/large.jpg", Method: "PUT", AuthFile: writeFile(t, "cam:secret"), Retry: -1, OnResult: large.add})
	if err := p.Run(context.Background(), &list{shots: [][]byte{bytes.Repeat(shots[0], 20000)}}); err != nil {
		t.Fatal(err)
	}
	if got := large.list(); len(got) != 1 || got[0].Err == nil {
		t.Errorf("too large: %+v", got)
	}
}

func TestAllModesThroughNginx(t *testing.T) {
	for _, mode := range []push.Mode{push.Raw, push.Form, push.Multipart} {
		c := newCollector()
		base, _ := startNginx(t, serve(t, c).URL)
		source, shots := newLive(), pictures(t, 3)
		p := newPusher(t, push.Config{URL: base + "/upload", As: mode})
		end := run(p, source)
		for i, shot := range shots {
			source.show(shot)
			all := c.wait(t, fmt.Sprint(mode, " picture ", i), atLeast(i+1)) // each before the next one exists
			if !bytes.Equal(all[i].data, shot) {
				t.Errorf("%s: picture %d differs", mode, i)
			}
		}
		_ = end()
	}
}

// pythonServer is a typical minimal server.
const pythonServer = `
import email, hashlib, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        name = ""
        if kind.startswith("multipart/form-data"):
            form = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            part, = form.get_payload()
            name = part.get_param("name", header="content-disposition") + "=" + part.get_filename()
            body, kind = part.get_payload(decode=True), part.get_content_type()
        text = f"{kind} {name} {hashlib.sha256(body).hexdigest()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
`

func TestPythonServerAcceptsPictures(t *testing.T) {
	cmd := exec.Command(testenv.Program(t, "python3"), "-c", pythonServer)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	background(t, cmd)
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	shot := jpeg(t, 1)
	sum := fmt.Sprintf("%x", sha256.Sum256(shot))
	for mode, want := range map[push.Mode]string{push.Raw: "image/jpeg  " + sum, push.Form: "image/jpeg photo=a b.jpg " + sum} {
		var outcomes results
		p := newPusher(t, push.Config{URL: "http://127.0.0.1:" + strings.TrimSpace(port) + "/upload", As: mode, Field: "photo", OnResult: outcomes.add})
		if err := p.Run(context.Background(), &named{names: []string{"a b.jpg", "a b.jpg"}, data: shot}); err != nil {
			t.Fatal(err)
		}
		p.Close() // that server handles one connection at a time
		for _, r := range outcomes.list() {
			if r.Err != nil || r.Reply.Text != want {
				t.Errorf("%s: %q, %v, want %q", mode, r.Reply.Text, r.Err, want)
			}
		}
		if len(outcomes.list()) != 2 {
			t.Errorf("%s: %d results", mode, len(outcomes.list()))
		}
	}
}
