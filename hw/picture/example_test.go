package picture_test

import (
	"fmt"

	"github.com/maixstream/maixstream/hw/picture"
)

func Example() {
	img := picture.New(640, 480, picture.RGB)
	img.DrawRect(60, 60, 80, 80, picture.Red, 1) // thickness -1 fills
	jpg, err := img.JPEG(80)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer jpg.Release()
	fmt.Println(jpg.ContentType(), jpg.Width(), jpg.Height(), img.At(60, 60), img.At(61, 61))
	// Output: image/jpeg 640 480 {255 0 0 255} {0 0 0 255}
}
