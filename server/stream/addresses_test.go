package stream_test

import (
	"net/http"
	"strings"
	"testing"
)

// Addresses in use in OctoPrint, OpenCV's tutorials, Home Assistant and the like: mjpg-streamer compares only the beginning of an action.
func TestAddressesOfOtherStreamers(t *testing.T) {
	s, feed := serve(t, nil)
	feed.publish(t, picture(t, 1))
	get := func(path string) (int, string, string) {
		reply, err := http.Get(s.URLs()[0] + path)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		start := make([]byte, 200)
		n, _ := reply.Body.Read(start)
		return reply.StatusCode, reply.Header.Get("Content-Type"), string(start[:n])
	}
	for _, path := range []string{
		"/stream", "/stream/", "/stream.mjpeg", "/stream.mjpg", "/video", "/video.mjpg", "/mjpeg", "/mjpg/video.mjpg", "/cam.mjpg", "/?action=stream", "/?action=stream?dummy=param.mjpg",
		"/?action=stream_0", "/?action=stream&n=1", "/?action=stream;t=1", "/?t=1;action=stream", "/?action=streaming", "/?action=stream%3Fdummy=param.mjpg", "/webcam/?action=stream",
		"/webcam?action=stream_1",
	} {
		if code, kind, _ := get(path); code != 200 || !strings.HasPrefix(kind, "multipart/x-mixed-replace") {
			t.Errorf("%s: %d %s", path, code, kind)
		}
	}
	for _, path := range []string{
		"/snapshot?max_age=1h", "/snapshot/?max_age=1h", "/snapshot.jpg?max_age=1h", "/image.jpg?max_age=1h", "/jpg?max_age=1h", "/shot.jpg?max_age=1h", "/?action=snapshot&max_age=1h",
		"/?action=snapshot_0&n=1&max_age=1h", "/webcam/?action=snapshot&max_age=1h",
	} {
		if code, kind, _ := get(path); code != 200 || kind != "image/jpeg" {
			t.Errorf("%s: %d %s", path, code, kind)
		}
	}
	for path, want := range map[string]int{"/?action=command": 400, "/?action=": 200, "/webcam/": 404, "/streams": 404, "/videos.mjpg": 404} {
		if code, _, text := get(path); code != want || code == 404 && !strings.Contains(text, "/") {
			t.Errorf("%s: %d %q, want %d", path, code, text, want)
		}
	}
}
