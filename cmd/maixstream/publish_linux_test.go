//go:build linux && cgo && !nopublish

package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/internal/testenv"
)

// rtmpInbox is a server that accepts every stream.
type rtmpInbox struct {
	address string
	mu      sync.Mutex
	streams []string // what was published where
	frames  int
	widths  []int // of the newest stream, each new one
}

func newRTMPInbox(t *testing.T) *rtmpInbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in := &rtmpInbox{address: l.Addr().String()}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				_ = in.take(conn) // that of a program that ends
			})
		}
	})
	t.Cleanup(func() { // after the program
		l.Close()
		done.Wait()
	})
	return in
}

func (in *rtmpInbox) take(conn net.Conn) error {
	c := &gortmplib.ServerConn{RW: conn}
	if err := c.Initialize(); err != nil {
		return err
	}
	if err := c.AcceptConn(); err != nil {
		return err
	}
	r := &gortmplib.Reader{Conn: c}
	if err := r.Initialize(); err != nil {
		return err
	}
	in.mu.Lock()
	in.streams = append(in.streams, c.URL.RequestURI())
	in.mu.Unlock()
	sized := func(sps []byte) {
		var parsed h264.SPS
		if parsed.Unmarshal(sps) == nil {
			if w := parsed.Width(); len(in.widths) == 0 || in.widths[len(in.widths)-1] != w {
				in.widths = append(in.widths, w)
			}
		}
	}
	r.OnDataH264(r.Tracks()[0], func(_, _ time.Duration, au [][]byte) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.frames++
		if h264.NALUType(au[0][0]&31) == h264.NALUTypeSPS {
			sized(au[0])
			in.frames--
		}
	})
	for {
		if err := r.Read(); err != nil {
			return err
		}
	}
}

func (in *rtmpInbox) got() (streams []string, frames int, widths []int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.streams), in.frames, slices.Clone(in.widths)
}

func TestServePublishes(t *testing.T) {
	needOpenH264(t)
	in := newRTMPInbox(t)
	dir := t.TempDir()
	file := func(name, text string) string { return testenv.File(t, dir, name, text) }
	// Nothing listens on the second address.
	second := file("second", "rtsp://cam:secret-word@"+testenv.FreeAddress(t)+"/garden\n")
	base := "source: testcard\nsize: 160x120\nlisten: 127.0.0.1:0\nannounce: false\nreport: 0s\n"
	config := file("config.yaml", base+"publish: ['rtmp://"+in.address+"/live/first-secret', 'file:"+second+"']\n")
	p := program(t, nil, "serve", "--config", config)
	url := p.url()
	until(t, "frames arrive", func() bool { _, frames, _ := in.got(); return frames >= 20 })

	request, err := http.NewRequest(http.MethodPatch, url+"/api/settings", strings.NewReader(`{"size": "320x240"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	done, err := http.DefaultClient.Do(request)
	if err != nil || done.StatusCode != http.StatusOK {
		t.Fatal(done, err)
	}
	done.Body.Close()
	until(t, "frames of the new size", func() bool { _, _, widths := in.got(); return slices.Equal(widths, []int{160, 320}) })
	if streams, _, _ := in.got(); !slices.Equal(streams, []string{"/live/first-secret"}) {
		t.Errorf("streams: %v", streams)
	}
	until(t, "the second one is tried again", func() bool {
		_, s := state(t, url, "", "")
		return len(s.Publish) == 2 && s.Publish[1].Failures >= 2 && s.Publish[1].RetryIn > 0
	})
	_, s := state(t, url, "", "")
	if one := s.Publish[0]; one.URL != "rtmp://"+in.address+"/live/..." || !one.Connected || one.Frames < 20 || one.Connections != 1 || one.Failures != 0 {
		t.Errorf("%+v", one)
	}
	if two := s.Publish[1]; two.Connected || !strings.Contains(two.Error, "connection refused") || !strings.HasPrefix(two.URL, "rtsp://cam:xxxxx@") {
		t.Errorf("%+v", two)
	}
	text := ""
	for _, path := range []string{"/state", "/metrics"} {
		reply, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		text += string(all)
	}
	for _, line := range []string{
		`maixstream_publish_connected{target="1",url="rtmp://` + in.address + `/live/..."} 1`, `maixstream_publish_connections_total{target="1"`,
		`maixstream_publish_connected{target="2"`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}

	from := len(p.text.String())
	file("config.yaml", base+"publish: ['rtmp://"+in.address+"/live/other-secret', 'file:"+second+"']\n")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.said(`"setting": "publish"`, from)
	p.said("reloaded", from)
	_ = p.Process.Signal(syscall.SIGTERM)
	if code := p.code(); code != exitDone {
		t.Errorf("ended with code %d", code)
	}
	if text += p.text.String(); strings.Contains(text, "secret") {
		t.Errorf("a secret is shown:\n%s", text)
	}
}

func TestKeyOnTheCommandLineLogsAWarning(t *testing.T) {
	needOpenH264(t)
	in := newRTMPInbox(t)
	p := program(t, nil, "serve", "--source", "testcard", "--listen", "127.0.0.1:0", "--announce=false", "--report", "0",
		"--publish", "rtmp://"+in.address+"/live/a-secret")
	p.said("URL visible in the process list", 0)
	until(t, "frames arrive", func() bool { _, frames, _ := in.got(); return frames > 0 })
	_ = p.Process.Signal(syscall.SIGTERM)
	if code, text := p.code(), p.text.String(); code != exitDone || strings.Contains(text, "secret") {
		t.Errorf("code %d, and no secret in\n%s", code, text)
	}
}

func TestWrongPublishAddresses(t *testing.T) {
	empty := testenv.File(t, t.TempDir(), "empty", "")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--publish", "http://host/app/SECRET"}, "--publish: http is not supported: an address begins with rtmp://, rtmps://, rtsp:// or rtsps://"},
		{[]string{"--publish", "host/app/SECRET"}, "--publish: not an address: want rtmp://HOST/APP/KEY"},
		{[]string{"--publish", "rtmp://host/app"}, "--publish: no stream key: want rtmp://HOST/APP/KEY"},
		{[]string{"--publish", "rtsp://host"}, "--publish: no path: want rtsp://HOST/PATH"},
		{[]string{"--publish", "file:" + empty}, "--publish: address file " + empty + ": nothing in it"},
		{[]string{"--publish", "file:" + filepath.Join(t.TempDir(), "missing")}, "no such file"},
		{[]string{"--publish", "rtmp://host/app/SECRET", "--h264", "off"}, "remove --h264 off"},
		{[]string{"--publish", "rtmp://host/app/SECRET", "--publish-ca-file", empty}, "no certificate in it"},
	} {
		code, out, problems := verbRun(t, nil, append([]string{"serve", "--source", "testcard", "--listen", "127.0.0.1:0", "--announce=false"}, c.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(problems, c.says) || strings.Contains(problems, "SECRET") {
			t.Errorf("%q: code %d, %q %q, want %q, and no secret", c.args, code, out, problems, c.says)
		}
	}
}
