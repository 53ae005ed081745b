//go:build !cgo

package photos_test

const withLibjpeg = false // image/jpeg knows fewer samplings, and does not scale
