package upload_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/upload"
)

// The address seen by a trusted proxy determines the device and the upload limit; forwarded addresses from others are ignored.
func TestSendersBehindAProxy(t *testing.T) {
	trusting := func(c *upload.Config) {
		c.HTTP.TrustedProxies, c.MaxPerAddress = []string{"127.0.0.1"}, 1
	}
	for name, c := range map[string]struct {
		change func(*upload.Config)
		device string
	}{"trusted": {trusting, "192.0.2.9"}, "not trusted": {nil, "127.0.0.1"}} {
		s := receive(t, t.TempDir(), c.change)
		if a := post(t, s, "", bytes.NewReader(jpegOf(t, 1)), headers{"X-Forwarded-For": "192.0.2.9"}); !a.OK || a.Device != c.device {
			t.Errorf("%s: %+v", name, a)
		}
		stop(t, s)
	}

	s := receive(t, t.TempDir(), trusting)
	defer stop(t, s)
	out, in := io.Pipe()
	running := make(chan struct{})
	go func() {
		defer close(running)
		r, _ := http.NewRequest(http.MethodPost, s.URLs()[0]+"/upload?device=a", out)
		r.Header = http.Header{"X-Forwarded-For": {"2001:db8::1"}, "Content-Type": {"image/jpeg"}}
		if reply, err := http.DefaultClient.Do(r); err == nil {
			reply.Body.Close()
		}
	}()
	testenv.Eventually(t, "an upload runs", func() bool { return s.State().Uploads == 1 })
	time.Sleep(1200 * time.Millisecond) // from now on an idle upload makes room
	if a := post(t, s, "?device=c", bytes.NewReader(jpegOf(t, 3)), headers{"X-Forwarded-For": "2001:db8:0:1::1"}); !a.OK {
		t.Errorf("another network: %+v", a)
	}
	select {
	case <-running:
		t.Error("an upload of another network was evicted")
	default:
	}
	if a := post(t, s, "?device=b", bytes.NewReader(jpegOf(t, 2)), headers{"X-Forwarded-For": "2001:db8::ffff"}); !a.OK {
		t.Errorf("the same network: %+v", a)
	}
	testenv.Eventually(t, "the idle upload of the same network has made room", func() bool { return s.State().Uploads == 0 })
	in.Close()
	<-running
}
