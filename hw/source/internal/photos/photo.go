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

// maxPixels is the largest photograph that is decoded: three bytes a pixel of memory while that goes on.
const maxPixels = 64_000_000

// maxBytes is the largest file that is read.
const maxBytes = 64 << 20

// photo is one photograph, scaled so that it covers a frame with a margin to pan in.
type photo struct {
	index         int
	size          uint64 // of the frames
	planes        *frame.Frame
	travelX, room int // how far the frame can move to the right and down, in pixels
}

func (p *photo) bytes() int { return len(p.planes.Planes[0]) * 3 / 2 }

// read decodes the file and scales it for frames of the given size.
func read(path string, index int, size uint64) (*photo, error) {
	img, turned, err := decode(path)
	if err != nil {
		return nil, err
	}
	w, h := unpack(size)
	p := &photo{index: index, size: size}
	marginX, marginY := max(16, w/8), max(16, h/8)
	bigW, bigH := w+marginX, h+marginY
	if sideways(turned) {
		bigW, bigH = bigH, bigW
	}
	// Cover: the scale of the tighter side holds for both, the longer side is cropped in the middle.
	b := img.Bounds()
	crop := b
	if cw := b.Dy() * bigW / bigH; cw < b.Dx() {
		crop.Min.X += (b.Dx() - max(1, cw)) / 2
		crop.Max.X = crop.Min.X + max(1, cw)
	} else if ch := b.Dx() * bigH / bigW; ch < b.Dy() {
		crop.Min.Y += (b.Dy() - max(1, ch)) / 2
		crop.Max.Y = crop.Min.Y + max(1, ch)
	}
	img, crop = shrink(img, crop, min(crop.Dx()/bigW, crop.Dy()/bigH))
	scaled := image.NewRGBA(image.Rect(0, 0, bigW, bigH))
	draw.BiLinear.Scale(scaled, scaled.Rect, img, crop, draw.Src, nil)
	if p.planes, err = toYUV420(upright(scaled, turned)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.travelX, p.room = marginX, marginY
	return p, nil
}

// decode returns the picture as it is stored, and its orientation.
func decode(path string) (img image.Image, turned int, err error) {
	data, err := readFile(path)
	if err != nil {
		return nil, 0, err
	}
	if bytes.HasPrefix(data, []byte("\xff\xd8")) {
		img, err = libjpeg.Decode(data, libjpeg.Limits{MaxPixels: maxPixels, MaxBytes: maxBytes})
	} else {
		img, err = decodePNG(data)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return img, orientation(bytes.NewReader(data)), nil
}

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

// shrink makes each sample of a large YCbCr picture the mean of k times k, before the exact scaling, whose cost grows with the pixels that go in.
func shrink(img image.Image, crop image.Rectangle, k int) (image.Image, image.Rectangle) {
	from, ok := img.(*image.YCbCr)
	if !ok || k < 2 || from.Rect.Min != (image.Point{}) {
		return img, crop
	}
	to := image.NewYCbCr(image.Rect(0, 0, from.Rect.Dx()/k, from.Rect.Dy()/k), from.SubsampleRatio)
	width := from.Rect.Dx()
	shrinkPlane(to.Y, to.YStride, from.Y, from.YStride, width, k)
	width = image.NewYCbCr(image.Rect(0, 0, width, 1), from.SubsampleRatio).CStride // as wide as chroma is, without padding
	shrinkPlane(to.Cb, to.CStride, from.Cb, from.CStride, width, k)
	shrinkPlane(to.Cr, to.CStride, from.Cr, from.CStride, width, k)
	small := image.Rect(crop.Min.X/k, crop.Min.Y/k, max(crop.Max.X/k, crop.Min.X/k+1), max(crop.Max.Y/k, crop.Min.Y/k+1)).Intersect(to.Rect)
	return to, small
}

// shrinkPlane fills a plane whose samples stand for kxk of another; at the right and lower edge, where chroma is rounded up, the last ones count again.
func shrinkPlane(to []byte, toStride int, from []byte, fromStride, width, k int) {
	rows := len(from) / fromStride
	for y := range len(to) / toStride {
		for x := range toStride {
			x0, sum := min(x*k, width-k), 0
			for dy := range k {
				for _, v := range from[min(y*k+dy, rows-1)*fromStride+x0:][:k] {
					sum += int(v)
				}
			}
			to[y*toStride+x] = byte(sum / (k * k))
		}
	}
}

// toYUV420 converts, each chroma sample the mean of its four pixels.
func toYUV420(img *image.RGBA) (*frame.Frame, error) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	f := &frame.Frame{Format: frame.YUV420, Width: w, Height: h}
	cw, ch := (w+1)/2, (h+1)/2
	f.Strides = [3]int{w, cw, cw}
	f.Planes = [3][]byte{make([]byte, w*h), make([]byte, cw*ch), make([]byte, cw*ch)}
	for y := 0; y < h; y += 2 {
		for x := 0; x < w; x += 2 {
			var r, g, b, n int
			for dy := 0; dy < 2 && y+dy < h; dy++ {
				for dx := 0; dx < 2 && x+dx < w; dx++ {
					px := img.Pix[(y+dy)*img.Stride+4*(x+dx):][:3:3]
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

// pan copies the window of the given step into f: it moves by a pixel each way and is thrown back at the edges, so that each step differs from
// the one before. Chroma follows in half steps.
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

// bounce goes 0, 1, … limit, limit-1, … 0, 1 and so on.
func bounce(step, limit int) int {
	if step %= 2 * limit; step <= limit {
		return step
	}
	return 2*limit - step
}
