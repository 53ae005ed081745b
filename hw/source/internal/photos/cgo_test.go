//go:build cgo

package photos_test

const withLibjpeg = true
