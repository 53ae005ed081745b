//go:build nethttpomithttp2

package web

// protocols are what TLS offers: a program for boards leaves HTTP/2 out for its size.
var protocols = []string{"http/1.1"}
