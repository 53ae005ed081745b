//go:build !cgo

package photos_test

const withLibjpeg = false // image/jpeg supports fewer samplings, and does not scale
