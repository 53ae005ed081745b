// Command push-picture draws a picture, makes a JPEG of it, sends it to a server, and prints what the server says. On a PC and on a MaixCAM it is the same
// program. A server to try it with: maixstream receive.
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
	url := flag.String("url", "http://server:8080/upload", "where the picture goes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *url, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// drawPicture makes the picture: 640x480, black, with the outline of a red square.
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
