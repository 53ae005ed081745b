//go:build !nethttpomithttp2

package web

// protocols are what TLS offers. With HTTP/2 all requests of a browser share a connection, of which it allows six over HTTP/1.1.
var protocols = []string{"h2", "http/1.1"}
