// Command serve-camera streams a camera to browsers: the page is at http://DEVICE:8000, the stream at /stream. On a MaixCAM it uses the board's camera
// and hardware encoder, on a PC a test card. SIGINT or SIGTERM ends it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/server"
)

const page = `<!DOCTYPE html>
<html><body>
<h1>JPEG Stream</h1>
<img src="/stream" alt="the camera">
</body></html>`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	cam, err := hw.OpenCamera(hw.CameraConfig{Width: 320, Height: 240})
	if err != nil {
		return err
	}
	defer cam.Close()
	stream := server.NewJPEGStreamer(server.StreamerConfig{})
	stream.SetHTML(page)
	if err := stream.Start(); err != nil {
		return err
	}
	defer stream.Stop()
	fmt.Printf("http://%s:%d\n", stream.Host(), stream.Port())

	last := time.Now()
	for ctx.Err() == nil {
		img, err := cam.Read(ctx)
		if err != nil {
			return err
		}
		jpg, err := img.JPEG(80)
		if err == nil {
			err = stream.Write(jpg)
			jpg.Release()
		}
		img.Release()
		if err != nil {
			return err
		}
		took := time.Since(last)
		last = time.Now()
		fmt.Printf("time: %.2f ms, fps: %.1f\n", took.Seconds()*1000, 1/took.Seconds())
	}
	return nil
}
