package photos

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/draw"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
)

// maxPixels limits the photographs that are decoded.
const maxPixels = 64_000_000

// maxBytes limits the files that are read.
const maxBytes = 64 << 20

// photo is a photograph, scaled to cover a frame plus a margin for panning.
type photo struct {
	path          string
	version       version
	size          uint64 // of the frames
	planes        *frame.Frame
	travelX, room int // how far the frame can move to the right and down, in pixels
}

func (p *photo) bytes() int { return len(p.planes.Planes[0]) * 3 / 2 }

// read decodes the file and scales it for frames of the given size.
func read(path string, size uint64, background color.Color) (*photo, error) {
	w, h := unpack(size)
	marginX, marginY := max(16, w/8), max(16, h/8)
	bigW, bigH := w+marginX, h+marginY
	img, turned, err := decode(path, bigW, bigH)
	if err != nil {
		return nil, err
	}
	p := &photo{path: path, size: size}
	if sideways(turned) {
		bigW, bigH = bigH, bigW
	}
	scaled := image.NewRGBA(image.Rect(0, 0, bigW, bigH))
	draw.Draw(scaled, scaled.Rect, image.NewUniform(background), image.Point{}, draw.Src)
	draw.BiLinear.Scale(scaled, scaled.Rect, img, covering(img.Bounds(), bigW, bigH), draw.Over, nil)
	if p.planes, err = toYUV420(scaled, turned); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.travelX, p.room = marginX, marginY
	return p, nil
}

// covering returns the part of a picture that covers width x height: both sides are scaled by the tighter side's factor, the longer one is cropped centrally.
func covering(b image.Rectangle, width, height int) image.Rectangle {
	crop := b
	if cw := b.Dy() * width / height; cw < b.Dx() {
		crop.Min.X += (b.Dx() - max(1, cw)) / 2
		crop.Max.X = crop.Min.X + max(1, cw)
	} else if ch := b.Dx() * height / width; ch < b.Dy() {
		crop.Min.Y += (b.Dy() - max(1, ch)) / 2
		crop.Max.Y = crop.Min.Y + max(1, ch)
	}
	return crop
}

// decode returns the stored picture, scaled down as far as it still covers width x height when upright, and its orientation.
func decode(path string, width, height int) (img image.Image, turned int, err error) {
	data, err := readFile(path)
	if err != nil {
		return nil, 0, err
	}
	limits := libjpeg.Limits{MaxPixels: maxPixels, MaxBytes: maxBytes}
	if !bytes.HasPrefix(data, []byte("\xff\xd8")) {
		img, err = decodePNG(data)
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return img, 1, err
	}
	info, err := limits.Check(data)
	if err == nil {
		if turned = info.Orientation; sideways(turned) {
			width, height = height, width
		}
		// The tighter side's scale covers; the other side may be cropped.
		least := covering(image.Rect(0, 0, info.Width, info.Height), width, height).Size()
		scale := min(1, max(float64(width)/float64(least.X), float64(height)/float64(least.Y)))
		img, err = libjpeg.DecodeScaled(data, limits, max(1, int(scale*float64(info.Width))), max(1, int(scale*float64(info.Height))))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return img, turned, nil
}

// sideways reports whether the stored picture's width and height are swapped.
func sideways(orientation int) bool { return orientation >= 5 }

// readFile is os.ReadFile with a limit.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("%s: more than %d MiB", path, maxBytes>>20)
	}
	return data, err
}

func decodePNG(data []byte) (image.Image, error) {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: neither JPEG nor PNG: %w", frame.ErrBadPicture, err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("png: %dx%d pixels: %w to decode (at most %d Mpixel)", c.Width, c.Height, frame.ErrTooLarge, maxPixels/1_000_000)
	}
	return png.Decode(bytes.NewReader(data))
}

// toYUV420 converts a picture and rotates it upright; each chroma sample is the mean of its four pixels.
func toYUV420(img *image.RGBA, orientation int) (*frame.Frame, error) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if sideways(orientation) {
		w, h = h, w
	}
	f := &frame.Frame{Format: frame.YUV420, Width: w, Height: h}
	cw, ch := (w+1)/2, (h+1)/2
	f.Strides = [3]int{w, cw, cw}
	f.Planes = [3][]byte{make([]byte, w*h), make([]byte, cw*ch), make([]byte, cw*ch)}
	for y := 0; y < h; y += 2 {
		for x := 0; x < w; x += 2 {
			var r, g, b, n int
			for dy := 0; dy < 2 && y+dy < h; dy++ {
				for dx := 0; dx < 2 && x+dx < w; dx++ {
					px := img.Pix[stored(img, x+dx, y+dy, w, h, orientation):][:3:3]
					luma, _, _ := color.RGBToYCbCr(px[0], px[1], px[2])
					f.Planes[0][(y+dy)*w+x+dx] = luma
					r, g, b, n = r+int(px[0]), g+int(px[1]), b+int(px[2]), n+1
				}
			}
			_, cb, cr := color.RGBToYCbCr(uint8(r/n), uint8(g/n), uint8(b/n))
			f.Planes[1][y/2*cw+x/2], f.Planes[2][y/2*cw+x/2] = cb, cr
		}
	}
	return f, f.Check()
}

// stored returns the index in img's pixels of the pixel at x, y in the upright picture of w x h (TIFF 6.0, Orientation).
func stored(img *image.RGBA, x, y, w, h, orientation int) int {
	switch orientation {
	case 2:
		x = w - 1 - x
	case 3:
		x, y = w-1-x, h-1-y
	case 4:
		y = h - 1 - y
	case 5:
		x, y = y, x
	case 6:
		x, y = y, w-1-x
	case 7:
		x, y = h-1-y, w-1-x
	case 8:
		x, y = h-1-y, x
	}
	return y*img.Stride + 4*x
}

// pan copies the window of the given step into f: it moves by a pixel in each direction and bounces at the edges, so that each step differs from
// the previous one. Chroma follows in half steps.
func (p *photo) pan(f *frame.Frame, step int) {
	x, y := bounce(step, p.travelX), bounce(step, p.room)
	for i := range 3 {
		px, py := x, y
		if i > 0 {
			px, py = x/2, y/2
		}
		rowBytes, rows := f.Format.PlaneSize(i, f.Width, f.Height)
		from := p.planes.Planes[i][py*p.planes.Strides[i]+px:]
		for row := range rows {
			copy(f.Planes[i][row*f.Strides[i]:][:rowBytes], from[row*p.planes.Strides[i]:])
		}
	}
}

// bounce returns 0, 1, … limit, limit-1, … 0, 1 and so on.
func bounce(step, limit int) int {
	if step %= 2 * limit; step <= limit {
		return step
	}
	return 2*limit - step
}
