package upload_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/upload"
)

// A token bound to a device sends and deletes only that device's pictures, whatever the request says.
func TestDeviceTokens(t *testing.T) {
	const garden, gate, free = "garden-0123456789", "gate-0123456789ab", "any-0123456789abc"
	tokens := testenv.File(t, t.TempDir(), "tokens", garden+" garden\n"+gate+"\tgate\n"+free+"\n"+"look-0123456789ab garden view\n")
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.HTTP.TokenFile = tokens })
	defer stop(t, s)
	bearer := func(token string, more ...string) headers {
		h := headers{"Authorization": "Bearer " + token, "Content-Type": "image/jpeg"}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("device", "gate")
	part, _ := w.CreateFormFile("file", "a.jpg")
	_, _ = part.Write(jpegOf(t, 9))
	_ = w.Close()
	var file string
	for name, c := range map[string]struct {
		query   string
		body    []byte
		headers headers
		code    int
		device  string
	}{
		"no name":               {"", jpegOf(t, 1), bearer(garden), 200, "garden"},
		"its own name":          {"?device=garden", jpegOf(t, 2), bearer(garden), 200, "garden"},
		"another's name":        {"?device=gate", jpegOf(t, 3), bearer(garden), 403, ""},
		"another's in a header": {"", jpegOf(t, 4), bearer(garden, "X-Device", "gate"), 403, ""},
		"another's in a form":   {"", form.Bytes(), bearer(garden, "Content-Type", w.FormDataContentType()), 200, "garden"},
		"bound to another":      {"", jpegOf(t, 5), bearer(gate), 200, "gate"},
		"bound to none":         {"?device=shed", jpegOf(t, 6), bearer(free), 200, "shed"},
		"may only look":         {"", jpegOf(t, 7), bearer("look-0123456789ab"), 403, ""},
	} {
		a := post(t, s, c.query, bytes.NewReader(c.body), c.headers)
		if a.code != c.code || a.Device != c.device && c.code == 200 {
			t.Errorf("%s: %+v", name, a)
		}
		if a.Device == "gate" && a.OK {
			file = a.File
		}
	}
	remove := func(token string) int {
		r, err := http.NewRequest(http.MethodDelete, s.URLs()[0]+"/files/"+file, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode
	}
	if code := remove(garden); code != 403 {
		t.Errorf("another device's picture was deleted: %d", code)
	}
	if code := remove(gate); code/100 != 2 {
		t.Errorf("its own picture: %d", code)
	}
}
