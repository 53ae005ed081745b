package server_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/server"
)

// Show a camera in a browser. Without Source it is a MaixCAM's camera, or the test card elsewhere.
func ExampleJPEGStreamer() {
	ctx := context.Background()
	cam, err := hw.OpenCamera(hw.CameraConfig{Source: "testcard", Width: 320, Height: 240})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cam.Close()
	stream := server.NewJPEGStreamer(server.StreamerConfig{Host: "127.0.0.1", Port: -1}) // -1: a free port; 0: 8000
	stream.SetHTML(`<img src="/stream" alt="the camera">`)
	if err := stream.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Stop()

	for range 3 {
		img, err := cam.Read(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		jpg, err := img.JPEG(80)
		if err == nil {
			err = stream.Write(jpg)
			jpg.Release()
		}
		img.Release()
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	reply, err := http.Get(fmt.Sprintf("http://%s:%d/snapshot?max_age=1m", stream.Host(), stream.Port()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reply.Body.Close()
	fmt.Println(reply.StatusCode, reply.Header.Get("Content-Type"))
	// Output: 200 image/jpeg
}
