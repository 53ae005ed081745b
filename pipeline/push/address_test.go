package push

import (
	"net/http"
	"testing"
)

func TestPictureAddress(t *testing.T) {
	const name = "a b&c+d.jpg"
	for url, want := range map[string]string{
		"http://h/dav/":                    "http://h/dav/a%20b&c+d.jpg",
		"http://h/dav/?key=1":              "http://h/dav/a%20b&c+d.jpg?key=1",
		"http://h/dav/?path=/x/":           "http://h/dav/a%20b&c+d.jpg?path=/x/",
		"http://h/dav/?":                   "http://h/dav/a%20b&c+d.jpg?",
		"http://h/dav/#top":                "http://h/dav/a%20b&c+d.jpg",
		"http://h":                         "http://h/a%20b&c+d.jpg",
		"http://h?key=1":                   "http://h/a%20b&c+d.jpg?key=1",
		"http://[::1]:80/?key=1":           "http://[::1]:80/a%20b&c+d.jpg?key=1",
		"http://h/file":                    "http://h/file",
		"http://h/file?dir=/":              "http://h/file?dir=/",
		"http://h/{device}/?d={device}":    "http://h/my%20cam/a%20b&c+d.jpg?d=my+cam",
		"http://h/{name}/":                 "http://h/a%20b&c+d.jpg/",
		"http://h/{name}?n={name}":         "http://h/a%20b&c+d.jpg?n=a+b%26c%2Bd.jpg",
		"http://user:pw@h/dav/?token=a/b/": "http://user:pw@h/dav/a%20b&c+d.jpg?token=a/b/",
	} {
		put := &target{url: url, method: http.MethodPut, device: "my cam"}
		if got := put.address(name); got != want {
			t.Errorf("PUT %s: %s, want %s", url, got, want)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPatch} {
		for _, url := range []string{"http://h/dav/", "http://h/dav/?key=1", "http://h?key=1"} {
			if got := (&target{url: url, method: method}).address(name); got != url {
				t.Errorf("%s %s: %s", method, url, got)
			}
		}
	}
}
