package push_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline/push"
)

// upload is a stand-in for a server.
func upload() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, " ", r.URL.Path, " ", r.Header.Get("Content-Type"))
	}))
}

// Draw a picture, send it, print the server's reply.
func ExamplePost() {
	server := upload()
	defer server.Close()

	img := picture.New(640, 480, picture.RGB)
	img.DrawRect(60, 60, 80, 80, picture.Red, 1)
	jpg, err := img.JPEG(80)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer jpg.Release()
	reply, err := push.Post(context.Background(), server.URL+"/upload", jpg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reply.Status, reply.Text)
	// Output: 200 OK POST /upload image/jpeg
}

// drawings is a custom source.
type drawings struct{ made int }

func (d *drawings) Next(_ context.Context, s *push.Shot) error {
	d.made++
	img := picture.New(320, 240, picture.RGB)
	img.DrawText(10, 10, fmt.Sprint(d.made), picture.White, 24)
	jpg, err := img.JPEG(80)
	if err != nil {
		return err
	}
	*s = push.Shot{Data: jpg.Borrow(), ContentType: jpg.ContentType(), Name: fmt.Sprintf("%d.jpg", d.made), Release: jpg.Release}
	return nil
}

// Send a sequence of pictures, each on disk until it is delivered.
func ExamplePusher() {
	server := upload()
	defer server.Close()
	spool, err := os.MkdirTemp("", "spool-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(spool)

	pusher, err := push.New(push.Config{
		URL: server.URL + "/{name}", Method: http.MethodPut, Spool: spool, Count: 2,
		OnResult: func(r push.Result) { fmt.Println(r.Name, r.Reply.Status, r.Reply.Text, r.Err) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pusher.Close()
	if err := pusher.Run(context.Background(), &drawings{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1.jpg 200 OK PUT /1.jpg image/jpeg <nil>
	// 2.jpg 200 OK PUT /2.jpg image/jpeg <nil>
}
