package stream_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/whep"
)

// serveGuarded serves the test card, also over WebRTC, with that configuration.
func serveGuarded(t *testing.T, change func(*config)) *testServer {
	t.Helper()
	server, err := whep.New(whep.Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s, _ := showVideo(t, func(c *config) {
		c.Stream.WebRTC = server
		change(c)
	}, nil)
	return s
}

// A session that ends takes all that it watches with it: over WebRTC, the film and the followed state, too. Another client's stay.
func TestWHEPAndFilmEndWithTheSession(t *testing.T) {
	s := serveGuarded(t, func(c *config) { c.AuthFile = users(t, "anna") })
	base := s.URLs()[0]
	reply, _ := login(t, s, right)
	cookie := reply.Cookies()[0]
	bySession := func(r *http.Request) { r.AddCookie(cookie) }
	byPassword := func(r *http.Request) { r.SetBasicAuth("anna", "right") }
	open := func(path string, prepare func(*http.Request)) <-chan struct{} {
		t.Helper()
		r := request(t, "GET", base+path, "", "Accept", "text/event-stream")
		prepare(r)
		reply, err := http.DefaultClient.Do(r)
		if err != nil || reply.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v", path, reply, err)
		}
		t.Cleanup(func() { reply.Body.Close() })
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, reply.Body)
		}()
		return ended
	}
	watch := func(prepare func(*http.Request)) *watcher {
		t.Helper()
		w := newWatcher(t)
		w.prepare = prepare
		if code, _ := w.post(t, base+"/whep"); code != http.StatusCreated {
			t.Fatal(code)
		}
		return w
	}
	film, state := open("/video.mp4", bySession), open("/state", bySession)
	kept := open("/video.mp4", byPassword)
	own, other := watch(bySession), watch(byPassword)
	testenv.Eventually(t, "four viewers", func() bool {
		return s.State().Server.Viewers == 4 && own.units.Load() > 3 && other.units.Load() > 3
	})
	r := request(t, "POST", base+"/logout", "")
	bySession(r)
	get(t, r)
	<-film
	<-state
	testenv.Eventually(t, "two viewers", func() bool { return s.State().Server.Viewers == 2 && s.Stats().Viewers == 2 })
	had := other.units.Load()
	testenv.Eventually(t, "the other client's pictures", func() bool { return other.units.Load() > had+5 })
	select {
	case <-kept:
		t.Error("the other client's film has ended")
	default:
	}
}

// A viewer that loses its place to another client gets no more pictures over WebRTC either, and is listed by the address that the proxy tells.
func TestWHEPViewersMakeRoom(t *testing.T) {
	s := serveGuarded(t, func(c *config) { c.MaxClients, c.TrustedProxies = 2, []string{"127.0.0.1"} })
	watch := func(from string) (*watcher, int) {
		t.Helper()
		w := newWatcher(t)
		w.prepare = func(r *http.Request) { r.Header.Set("X-Forwarded-For", from) }
		code, _ := w.post(t, s.URLs()[0]+"/whep")
		return w, code
	}
	for range 2 {
		if w, code := watch("192.0.2.1"); code != http.StatusCreated {
			t.Fatal(code)
		} else {
			testenv.Eventually(t, "pictures", func() bool { return w.units.Load() > 3 })
		}
	}
	if _, code := watch("192.0.2.1"); code != http.StatusServiceUnavailable {
		t.Errorf("a third viewer of the same client: %d", code)
	}
	if w, code := watch("192.0.2.2"); code != http.StatusCreated {
		t.Errorf("another client: %d", code)
	} else {
		testenv.Eventually(t, "the other client's pictures", func() bool { return w.units.Load() > 3 })
	}
	testenv.Eventually(t, "two viewers, one of each client", func() bool {
		list := s.State().Server.List
		return len(list) == 2 && list[0].Address != list[1].Address && (list[0].Address == "192.0.2.2" || list[1].Address == "192.0.2.2")
	})
}
