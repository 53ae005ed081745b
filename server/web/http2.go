//go:build !nethttpomithttp2

package web

// protocols are what TLS offers. With HTTP/2 all requests of a browser share a connection; over HTTP/1.1 it opens at most six.
var protocols = []string{"h2", "http/1.1"}
