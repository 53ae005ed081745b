package push_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline/push"
)

func TestPostSendsThePictureAsTheBody(t *testing.T) {
	c := newCollector()
	s := serve(t, c)
	img := picture.New(640, 480, picture.RGB)
	img.DrawRect(60, 60, 80, 80, picture.Red, 1)
	jpg, err := img.JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	want := jpg.Bytes()
	before := time.Now()
	reply, err := push.Post(context.Background(), s.URL+"/upload", jpg, push.WithDevice("cam 1"), push.WithHeader("X-Room", "cellar"))
	jpg.Release()
	if err != nil || reply.Status != "200 OK" || reply.StatusCode != 200 || !strings.HasPrefix(reply.Text, `{"ok":true`) || reply.Err() != nil {
		t.Fatalf("reply %+v, %v", reply, err)
	}
	got := c.all()[0]
	if !bytes.Equal(got.data, want) || got.contentType != "image/jpeg" || got.method != "POST" || got.path != "/upload" {
		t.Errorf("%s %s, %s of %d bytes, want %d", got.method, got.path, got.contentType, len(got.data), len(want))
	}
	if got.device != "cam 1" || got.header.Get("X-Room") != "cellar" || len(got.key) != 32 || got.header.Get("Content-Length") == "" {
		t.Errorf("headers: %v", got.header)
	}
	if at := stampOf(t, got.stamp); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("X-Timestamp %s is not about now", got.stamp)
	}
	if _, err := push.Post(context.Background(), s.URL, jpg); err == nil || !strings.Contains(err.Error(), "released") {
		t.Errorf("a released picture: %v", err)
	}
}

func stampOf(t *testing.T, text string) time.Time {
	t.Helper()
	d, err := time.ParseDuration(text + "s")
	if err != nil {
		t.Fatalf("X-Timestamp %q: %v", text, err)
	}
	return time.Unix(0, int64(d))
}

func TestPostAsFormPutAndPNG(t *testing.T) {
	c := newCollector()
	s := serve(t, c)
	png, err := picture.New(8, 8, picture.RGB).PNG()
	if err != nil {
		t.Fatal(err)
	}
	defer png.Release()
	ctx := context.Background()
	if reply, err := push.Post(ctx, s.URL, png, push.WithForm("upload"), push.WithName(`../a "b".png`)); err != nil || !reply.OK() {
		t.Fatal(reply, err)
	}
	if reply, err := push.Post(ctx, s.URL+"/dir/", png, push.WithMethod(http.MethodPut), push.WithName("x y.png")); err != nil || !reply.OK() {
		t.Fatal(reply, err)
	}
	if reply, err := push.Post(ctx, s.URL+"/{device}/{name}", png, push.WithDevice("a/b"), push.WithName("n.png")); err != nil || !reply.OK() {
		t.Fatal(reply, err)
	}
	all := c.all()
	if f := all[0]; f.field != "upload" || f.name != `a "b".png` || f.contentType != "image/png" || !bytes.Equal(f.data, png.Borrow()) {
		t.Errorf("form: field %q name %q type %q", f.field, f.name, f.contentType)
	}
	if f := all[1]; f.method != "PUT" || f.path != "/dir/x y.png" {
		t.Errorf("put: %s %s", f.method, f.path)
	}
	if f := all[2]; f.path != "/a/b/n.png" { // net/http shows %2F as /
		t.Errorf("placeholders: %s", f.path)
	}
}

func TestEveryModeDeliversInOrderOverOneConnection(t *testing.T) {
	shots := pictures(t, 20)
	for _, mode := range []push.Mode{push.Raw, push.Form, push.Multipart} {
		t.Run(string(mode), func(t *testing.T) {
			c := newCollector()
			s := serve(t, c)
			var outcomes results
			p := newPusher(t, push.Config{URL: s.URL + "/upload", As: mode, Field: "pic", Device: "cam", OnResult: outcomes.add, Header: http.Header{"X-More": {"1"}}})
			if err := p.Run(context.Background(), &list{shots: shots}); err != nil {
				t.Fatal(err)
			}
			all := c.all()
			if len(all) != len(shots) || len(c.conns) != 1 {
				t.Fatalf("%d pictures over %d connections", len(all), len(c.conns))
			}
			for i, one := range all {
				if !bytes.Equal(one.data, shots[i]) || one.contentType != "image/jpeg" || one.device != "cam" || one.header.Get("X-More") != "1" {
					t.Errorf("picture %d: %d bytes of %s, device %q", i, len(one.data), one.contentType, one.device)
				}
				if mode == push.Form && (one.field != "pic" || !strings.HasSuffix(one.name, ".jpg")) {
					t.Errorf("picture %d: field %q, name %q", i, one.field, one.name)
				}
			}
			wantResults, wantRequests := len(shots), len(shots)
			if mode == push.Multipart {
				wantResults, wantRequests = 1, 1
			}
			if got := outcomes.list(); len(got) != wantResults || got[0].Err != nil || got[0].Reply.StatusCode != 200 || got[0].Reply.Text == "" {
				t.Errorf("%d results, first %+v", len(got), got)
			}
			state := p.State()
			if c.requests != wantRequests || state.Delivered != 20 || state.Failures != 0 || state.Away || state.Status != "200 OK" {
				t.Errorf("%d requests, state %+v", c.requests, state)
			}
		})
	}
}
