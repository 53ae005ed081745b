package testenv

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"testing"

	_ "image/jpeg" // Decode's formats
	_ "image/png"
)

// File writes a file below dir, creating folders, and returns its path.
func File(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Decode decodes a JPEG or PNG.
func Decode(t testing.TB, encoded []byte) image.Image {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// Middle returns the colour in the middle of a picture.
func Middle(img image.Image) [3]uint8 {
	r, g, b, _ := img.At((img.Bounds().Min.X+img.Bounds().Max.X)/2, (img.Bounds().Min.Y+img.Bounds().Max.Y)/2).RGBA()
	return [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
}

// Near reports whether two colours are equal up to JPEG's loss.
func Near(a, b [3]uint8) bool {
	for k := range a {
		if d := int(a[k]) - int(b[k]); d > 12 || d < -12 {
			return false
		}
	}
	return true
}
