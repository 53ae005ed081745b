// Command push-picture draws a picture, encodes it as JPEG, posts it to a server and prints the reply. The same program runs on a PC and on a MaixCAM.
// To test it, run a server: maixstream receive.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline/push"
)

func main() {
	url := flag.String("url", "http://server:8080/upload", "server to post the picture to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *url, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// drawPicture returns the picture: 640x480, black, with the outline of a red square.
func drawPicture() *picture.Image {
	img := picture.New(640, 480, picture.RGB)
	img.DrawRect(60, 60, 80, 80, picture.Red, 1) // a thickness of -1 fills
	return img
}

func run(ctx context.Context, url string, out io.Writer) error {
	jpg, err := drawPicture().JPEG(80)
	if err != nil {
		return err
	}
	defer jpg.Release()
	reply, err := push.Post(ctx, url, jpg)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, reply.Status)
	fmt.Fprintln(out, reply.Text)
	return reply.Err()
}
