package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/picture"
)

// drawn makes the picture as the standard library draws it.
func drawn() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, 640, 480))
	draw.Draw(img, img.Bounds(), image.Black, image.Point{}, draw.Src)
	red := image.NewUniform(color.NRGBA{255, 0, 0, 255})
	for _, side := range []image.Rectangle{
		image.Rect(60, 60, 140, 61), image.Rect(60, 139, 140, 140), image.Rect(60, 60, 61, 140), image.Rect(139, 60, 140, 140),
	} {
		draw.Draw(img, side, red, image.Point{}, draw.Src)
	}
	return img
}

func TestThePictureIsWhatImageDrawDraws(t *testing.T) {
	got, want := drawPicture(), drawn()
	if got.Bounds() != want.Bounds() {
		t.Fatalf("%v, want %v", got.Bounds(), want.Bounds())
	}
	for y := range 480 {
		for x := range 640 {
			if got.At(x, y) != want.At(x, y) {
				t.Fatalf("pixel %d,%d is %v, want %v", x, y, got.At(x, y), want.At(x, y))
			}
		}
	}
}

func TestTheServerGetsThatPicture(t *testing.T) {
	var posted []byte
	var contentType, method string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posted, _ = io.ReadAll(r.Body)
		contentType, method = r.Header.Get("Content-Type"), r.Method
		fmt.Fprint(w, `{"ok":true}`)
	}))
	defer server.Close()
	var out bytes.Buffer
	if err := run(context.Background(), server.URL+"/upload", &out); err != nil {
		t.Fatal(err)
	}
	if out.String() != "200 OK\n{\"ok\":true}\n" || contentType != "image/jpeg" || method != "POST" {
		t.Errorf("printed %q; the server got a %s of %s", out.String(), method, contentType)
	}
	// The JPEG is the one that image/draw's picture gives, byte for byte ...
	same, err := picture.FromImage(drawn())
	if err != nil {
		t.Fatal(err)
	}
	want, err := same.JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Release()
	if !bytes.Equal(posted, want.Borrow()) {
		t.Errorf("posted %d bytes, image/draw's picture gives %d other ones", len(posted), want.Len())
	}
	// ... and shows that picture to a decoder of somebody else's: black, and red where the lines are, as far as subsampled colour goes.
	decoded, err := jpeg.Decode(bytes.NewReader(posted))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []image.Point{{60, 60}, {100, 60}, {139, 139}, {60, 100}, {0, 0}, {100, 100}, {639, 479}} {
		r, g, b, _ := decoded.At(at.X, at.Y).RGBA()
		red := drawn().NRGBAAt(at.X, at.Y).R == 255
		if isRed := r>>8 > 90 && r > g+0x2000 && r > b+0x2000; isRed != red || (!red && r>>8 > 40) {
			t.Errorf("pixel %v is %d,%d,%d", at, r>>8, g>>8, b>>8)
		}
	}
}

func TestWhatGoesWrongIsSaid(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var out bytes.Buffer
	err := run(context.Background(), server.URL+"/elsewhere", &out)
	if err == nil || !strings.Contains(err.Error(), "404") || !strings.HasPrefix(out.String(), "404 Not Found\n") {
		t.Errorf("%v; printed %q", err, out.String())
	}
	server.Close()
	if err := run(context.Background(), server.URL, &out); err == nil || !strings.Contains(err.Error(), "connect") {
		t.Errorf("nobody there: %v", err)
	}
}
