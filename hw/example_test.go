package hw_test

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/picture"
)

// One picture of a camera, drawn on and encoded.
func ExampleOpenCamera() {
	cam, err := hw.OpenCamera(hw.CameraConfig{Source: "testcard", Width: 320, Height: 240})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cam.Close()
	img, err := cam.Read(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer img.Release()
	img.DrawRect(60, 60, 80, 80, picture.Red, 2)
	jpg, err := img.JPEG(80)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer jpg.Release()
	shown, err := jpeg.DecodeConfig(bytes.NewReader(jpg.Borrow())) // read where it lies, before Release
	fmt.Println(shown.Width, shown.Height, err)
	// Output: 320 240 <nil>
}
