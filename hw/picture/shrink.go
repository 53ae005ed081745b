package picture

import (
	"fmt"
	"image"

	"golang.org/x/image/draw"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
)

// Shrink makes a JPEG within limits smaller: width pixels wide, upright as its Exif orientation says, its proportions kept, encoded with quality 1..100. One that
// is not wider is copied as it is. libjpeg-turbo decodes only an eighth, a quarter or a half each way where that is enough, so a small picture of a large one
// costs little time and memory. Errors are Decode's. It keeps nothing of jpg; the result should be released.
func Shrink(jpg []byte, limits Limits, width, quality int) (*Encoded, error) {
	info, err := limits.Check(jpg)
	if err != nil {
		return nil, fmt.Errorf("picture: shrink: %w", err)
	}
	uprightWidth, uprightHeight := info.Width, info.Height
	sideways := info.Orientation >= 5
	if sideways {
		uprightWidth, uprightHeight = uprightHeight, uprightWidth
	}
	if width < 1 {
		return nil, fmt.Errorf("picture: shrink to a width of %d: %w", width, frame.ErrSize)
	}
	if width >= uprightWidth {
		same := newEncoded("image/jpeg", info.Width, info.Height, info.Size)
		copy(same.data, jpg[:info.Size])
		return same, nil
	}
	w, h := width, max(1, (uprightHeight*width+uprightWidth/2)/uprightWidth)
	if sideways {
		w, h = h, w
	}
	img, err := libjpeg.DecodeScaled(jpg, limits, w, h)
	if err != nil {
		return nil, fmt.Errorf("picture: shrink: %w", err)
	}
	small, err := scaled(img, w, h)
	if err != nil {
		return nil, fmt.Errorf("picture: shrink: %w", err)
	}
	return small.Upright(info.Orientation).JPEG(quality)
}

// scaled makes a picture of w x h pixels of an image that nobody else uses.
func scaled(img image.Image, w, h int) (*Image, error) {
	if img.Bounds().Size() == (image.Point{X: w, Y: h}) {
		f, err := libjpeg.FrameOf(img)
		if err != nil {
			return nil, err
		}
		return &Image{f: f}, nil
	}
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	scaler := draw.Interpolator(draw.ApproxBiLinear) // four neighbours, and no memory besides
	if img.Bounds().Dx() > 2*w+16 {                  // without libjpeg-turbo nothing was scaled yet, and four would be too few
		scaler = draw.BiLinear
	}
	scaler.Scale(to, to.Rect, img, img.Bounds(), draw.Src, nil)
	return adopt(to)
}
