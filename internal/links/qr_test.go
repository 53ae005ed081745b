package links_test

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/links"
	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// A third-party program reads the QR code.
func TestCodeIsReadBack(t *testing.T) {
	reader := testenv.Program(t, "zbarimg")
	const address = "http://192.168.100.123:8000/"
	var drawn strings.Builder
	if err := links.WriteQR(&drawn, address); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(drawn.String(), ""), "\n"), "\n")
	const scale = 8
	width := 0
	for _, line := range lines {
		width = max(width, len([]rune(line)))
	}
	img := image.NewGray(image.Rect(0, 0, (width+8)*scale, (2*len(lines)+8)*scale))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	module := func(x, y int) {
		for dy := range scale {
			for dx := range scale {
				img.SetGray((x+4)*scale+dx, (y+4)*scale+dy, color.Gray{})
			}
		}
	}
	for row, line := range lines {
		for x, r := range []rune(line) {
			if r == '█' || r == '▀' {
				module(x, 2*row)
			}
			if r == '█' || r == '▄' {
				module(x, 2*row+1)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "code.png")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, img); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(reader, "-q", "--raw", path).Output()
	if err != nil || strings.TrimSpace(string(out)) != address {
		t.Errorf("read %q, %v from\n%s", out, err, drawn.String())
	}
}
