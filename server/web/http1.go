//go:build nethttpomithttp2

package web

// protocols are what TLS offers: programs for boards omit HTTP/2 for its size.
var protocols = []string{"http/1.1"}
