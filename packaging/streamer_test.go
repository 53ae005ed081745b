//go:build dist

package packaging_test

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// soon bounds waits for things that happen immediately on a quick machine.
const soon = 60 * time.Second

// streamer is a running maixstream serve.
type streamer struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	testenv.Output
}

// start runs a command that is, or becomes, a streamer.
func start(t *testing.T, cmd *exec.Cmd) *streamer {
	t.Helper()
	s := &streamer{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s, s
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // its exit code is checked elsewhere
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("%v:\n%s", cmd.Args, s.String())
		}
	})
	return s
}

func (s *streamer) until(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(soon); !done(); time.Sleep(50 * time.Millisecond) {
		select {
		case <-s.ended:
			s.t.Fatalf("it ended (%v) before: %s", s.cmd.ProcessState, what)
		default:
		}
		if time.Now().After(end) {
			s.t.Fatalf("not within %v: %s", soon, what)
		}
	}
}

var urlLine = regexp.MustCompile(`(?m)^http://\S+$`)

func (s *streamer) url() (url string) {
	s.t.Helper()
	s.until("the address is printed", func() bool {
		url = urlLine.FindString(s.String())
		return url != ""
	})
	return url
}

// frames reads n pictures of the stream, decodes each and returns the last one's size.
func (s *streamer) frames(n int) (width, height int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", s.url()+"/stream", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reply.Body.Close()
	_, parameters, err := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	if err != nil {
		s.t.Fatal(err)
	}
	parts := multipart.NewReader(reply.Body, parameters["boundary"])
	for i := range n {
		part, err := parts.NextPart()
		if err != nil {
			s.t.Fatalf("picture %d: %v", i, err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			s.t.Fatalf("picture %d: %v", i, err)
		}
		picture, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			s.t.Fatalf("picture %d: %v", i, err)
		}
		width, height = picture.Bounds().Dx(), picture.Bounds().Dy()
	}
	return width, height
}

// stop ends it as a service manager does and expects code 0 within the promised time plus a margin.
func (s *streamer) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			s.t.Errorf("SIGTERM: ended with code %d", code)
		}
	case <-time.After(soon):
		s.t.Error("SIGTERM: it does not end")
	}
}

// manager is the service manager's side of sd_notify.
func manager(t *testing.T, path string) (ready func(message string)) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(message string) {
		t.Helper()
		buffer := make([]byte, 4096)
		for end := time.Now().Add(soon); ; {
			_ = conn.SetReadDeadline(end)
			n, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("the service manager was not told %s: %v", message, err)
			}
			if bytes.Contains(buffer[:n], []byte(message)) {
				return
			}
		}
	}
}

var serveArguments = []string{"serve", "--source", "testcard", "--listen", "127.0.0.1:0", "--announce=false"}

// The arm64 program runs in an emulator, with all that it needs: a glibc.
func TestARM64PackageStreams(t *testing.T) {
	root := t.TempDir()
	command(t, "dpkg-deb", "-x", dist(t, "maixstream_*_arm64.deb"), root)
	program := filepath.Join(root, "usr/bin/maixstream")
	s := start(t, exec.Command("qemu-aarch64", append([]string{"-L", "/usr/aarch64-linux-gnu", program}, serveArguments...)...))
	if w, h := s.frames(10); w != 640 || h != 480 {
		t.Errorf("%dx%d", w, h)
	}
	s.stop()
}

// The amd64 archive's program runs from where it was unpacked.
func TestArchiveStreams(t *testing.T) {
	folder := unpacked(t, "*-linux-amd64.tar.gz")
	s := start(t, exec.Command(filepath.Join(folder, "maixstream"),
		append(serveArguments, "--config", filepath.Join(folder, "maixstream.yaml"), "--size", "320x240")...))
	if w, h := s.frames(30); w != 320 || h != 240 {
		t.Errorf("%dx%d", w, h)
	}
	s.stop()
	for _, file := range []string{"NOTICES", "sbom.cdx.json", "maixstream.1", "systemd/maixstream.service", "docs/service.md"} {
		command(t, "test", "-s", fmt.Sprintf("%s/%s", folder, file))
	}
}
