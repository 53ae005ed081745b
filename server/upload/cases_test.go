package upload_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// multiPicture is an APP2 segment that declares two pictures in the file (CIPA DC-007).
var multiPicture = func() []byte {
	index := binary.BigEndian.AppendUint16([]byte("MPF\x00MM\x00*\x00\x00\x00\x08"), 1)
	index = append(index, 0xb0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0)
	return append([]byte{0xff, 0xe2, 0, byte(len(index) + 2)}, index...)
}()

// Pictures that browsers show are stored as sent, whatever the upload method, and live viewers get a form that every reader understands.
func TestBrowserReadablePicturesAreAccepted(t *testing.T) {
	s, dir := receiveIn(t)
	for i, c := range casetest.Shown(t) {
		device := "d" + string(rune('a'+i))
		for way, send := range map[string]func() answer{
			"raw": func() answer {
				return post(t, s, "?device="+device, bytes.NewReader(c.Data), headers{"Content-Type": "image/jpeg"})
			},
			"bare": func() answer { return post(t, s, "?device="+device, bytes.NewReader(c.Data), nil) },
			"form": func() answer {
				return post(t, s, "?device="+device, bytes.NewReader(form("--b--", file(c.Data))), headers{"Content-Type": "multipart/form-data; boundary=b"})
			},
			"stream": func() answer {
				return post(t, s, "?device="+device, bytes.NewReader(form("--b--", file(c.Data))), headers{"Content-Type": "multipart/x-mixed-replace; boundary=--b"})
			},
			"text": func() answer {
				return post(t, s, "?device="+device, strings.NewReader("data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(c.Data)), nil)
			},
		} {
			a := send()
			if !a.OK {
				t.Errorf("%s, %s: %d %s", c.Name, way, a.code, a.Error)
				continue
			}
			kept := read(t, dir, a.File)
			info, err := jpegcheck.Parse(c.Data)
			if err != nil || !bytes.Equal(kept, c.Data[:info.Size]) {
				t.Errorf("%s, %s: %d bytes stored of %d (%v)", c.Name, way, len(kept), len(c.Data), err)
			}
		}
		reply, err := http.Get(s.URLs()[0] + "/stream/" + device)
		if err != nil {
			t.Fatal(err)
		}
		_, parameters, _ := mime.ParseMediaType(reply.Header.Get("Content-Type"))
		part, err := multipart.NewReader(reply.Body, parameters["boundary"]).NextPart()
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		shown, err := io.ReadAll(io.LimitReader(part, 1<<20))
		info, bad := jpegcheck.Parse(shown)
		if err != nil || bad != nil || !info.Whole() || info.Width != c.Width || info.Height != c.Height {
			t.Errorf("%s: a viewer gets %+v (%v, %v)", c.Name, info, err, bad)
		}
		reply.Body.Close()
	}
	// Of unknown type and length, one picture is one, and three are three.
	one := casetest.Read(t, "base.jpg")
	for count, body := range map[int][]byte{0: one, 3: bytes.Repeat(one, 3)} { // a single picture is not counted
		unsized := struct{ io.Reader }{bytes.NewReader(body)}
		a := post(t, s, "?device=chunked", unsized, headers{"Content-Type": "application/octet-stream"})
		if !a.OK || a.Pictures != count || a.Bytes != len(body) {
			t.Errorf("%d bytes, chunked: %+v", len(body), a)
		}
	}
	// A recorder's file: pictures without end markers.
	twelve := bytes.Repeat(casetest.Read(t, "noeoi.jpg"), 12)
	if a := post(t, s, "?device=twelve", bytes.NewReader(twelve), nil); !a.OK || a.Pictures != 12 {
		t.Errorf("12 pictures without their end: %+v", a)
	}
}

// Other formats are named in the error, for every upload method.
func TestNonPicturesAreNamed(t *testing.T) {
	s, _ := receiveIn(t)
	for name, data := range map[string]string{
		"GIF": "GIF89a\x01\x00\x01\x00", "WebP": "RIFF\x24\x00\x00\x00WEBPVP8 ", "HEIC": "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "AVIF": "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00",
		"H.264": "\x00\x00\x00\x01\x67\x64\x00\x1f", "gzip": "\x1f\x8b\x08\x00", "PDF": "%PDF-1.7", "HTML": "<!DOCTYPE html>", "MP4": "\x00\x00\x00\x18ftypisom\x00\x00\x00\x00",
	} {
		raw := post(t, s, "?device=a", strings.NewReader(data), nil)
		typed := post(t, s, "?device=a", strings.NewReader(data), headers{"Content-Type": "image/jpeg"})
		inForm := post(t, s, "?device=a", bytes.NewReader(form("--b--", file([]byte(data)))), headers{"Content-Type": "multipart/form-data; boundary=b"})
		text := post(t, s, "?device=a", strings.NewReader("data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString([]byte(data))), nil)
		if raw.code != 415 || typed.code != 422 || inForm.code != 422 || text.code != 415 {
			t.Errorf("%s: %d, %d, %d, %d", name, raw.code, typed.code, inForm.code, text.code)
		}
		for _, a := range []answer{raw, typed, inForm, text} {
			if !strings.Contains(a.Error, "this is "+name) || !strings.Contains(a.Error, "neither JPEG nor PNG") {
				t.Errorf("%s: %q", name, a.Error)
			}
		}
	}
}

// A PNG too wide to be decoded is stored: that needs no decoding.
func TestWidePNGIsStored(t *testing.T) {
	s, dir := receiveIn(t)
	wide := pngOfSize(t, 12000, 80)
	if a := post(t, s, "?device=a", bytes.NewReader(wide), nil); !a.OK || !slices.Equal(read(t, dir, a.File), wide) {
		t.Errorf("%+v", a)
	}
}
