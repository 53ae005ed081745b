package stream_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

// systemd passes an open socket: descriptor 3, for the process LISTEN_PID.
func TestSocketFromSystemd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=activated")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reply, body := get(t, request(t, "GET", "http://"+l.Addr().String()+"/healthz", ""))
	if reply.StatusCode != 200 || body != "ok\n" {
		t.Errorf("%d %q", reply.StatusCode, body)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// activatedRole serves on systemd's sockets until standard input ends.
func activatedRole() {
	r, err := ring.New(ring.Config{SlotSize: 1 << 16, Envelope: stream.Envelope()})
	if err != nil {
		panic(err)
	}
	s, err := show(&ringFeed{ring: r}, func(c *config) { c.Listen, c.SocketActivation = nil, true })
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(context.Background()); err != nil {
		panic(err)
	}
}
