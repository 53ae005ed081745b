package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/server/upload"
	"github.com/maixstream/maixstream/server/web"
)

// receive starts a server on a free loopback port.
func receive(t testing.TB, dir string, change func(*upload.Config)) *upload.Server {
	t.Helper()
	c := upload.Config{HTTP: web.Config{Listen: []string{"127.0.0.1:0"}}, Dir: dir}
	if change != nil {
		change(&c)
	}
	s, err := upload.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *upload.Server) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func address(s *upload.Server) string {
	_, host, _ := strings.Cut(s.URLs()[0], "://")
	return host
}

func picture(w, h, i int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	c := color.RGBA{uint8(i * 40), uint8(255 - i*25), uint8(i * 90), 255}
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func encodeJPEG(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// jpegOf returns a real JPEG of one colour, which depends on i.
func jpegOf(t testing.TB, i int) []byte { return encodeJPEG(t, picture(64, 48, i), 80) }

func pngOf(t testing.TB, i int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture(64, 48, i)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// noisy returns a JPEG larger than the given number of bytes.
func noisy(t testing.TB, size int) []byte {
	t.Helper()
	for side := 64; ; side += side / 2 {
		img := image.NewGray(image.Rect(0, 0, side, side))
		random := rand.NewChaCha8([32]byte{byte(side)})
		_, _ = random.Read(img.Pix)
		if b := encodeJPEG(t, img, 95); len(b) > size {
			return b
		}
	}
}

// answer is the reply to an upload.
type answer struct {
	OK         bool   `json:"ok"`
	Device     string `json:"device"`
	File       string `json:"file"`
	Bytes      int    `json:"bytes"`
	Duplicate  bool   `json:"duplicate"`
	Pictures   int    `json:"pictures"`
	Duplicates int    `json:"duplicates"`
	Refused    int    `json:"refused"`
	Error      string `json:"error"`

	code   int
	header http.Header
}

type headers map[string]string

// post sends a body to the server and parses the reply.
func post(t testing.TB, s *upload.Server, query string, body io.Reader, h headers) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URLs()[0]+"/upload"+query, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		r.Header.Set(k, v)
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) (a answer) {
	t.Helper()
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&a); err != nil {
		t.Fatalf("%s %s: %s, and not JSON: %v", r.Method, r.URL, reply.Status, err)
	}
	a.code, a.header = reply.StatusCode, reply.Header
	if a.OK != (a.code == http.StatusOK) || a.OK != (a.Error == "") {
		t.Errorf("%s %s: %s says %+v", r.Method, r.URL, reply.Status, a)
	}
	return a
}

// postOK is post for uploads that must be accepted.
func postOK(t testing.TB, s *upload.Server, query string, body []byte, h headers) answer {
	t.Helper()
	a := post(t, s, query, bytes.NewReader(body), h)
	if !a.OK {
		t.Fatalf("%d: %s", a.code, a.Error)
	}
	return a
}

func get(t testing.TB, s *upload.Server, path string) (*http.Response, []byte) {
	t.Helper()
	reply, err := http.Get(s.URLs()[0] + path)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, b
}

// files lists the files below dir except the server's own.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".lock" || d.Name() == ".keys" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		list = append(list, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func read(t testing.TB, name ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(name...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
