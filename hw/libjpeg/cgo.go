//go:build cgo

package libjpeg

// The library comes from Debian's libjpeg62-turbo-dev or, for the board, from a static build of the same release; CGO_CFLAGS and
// CGO_LDFLAGS of the environment come before these and so can point elsewhere.

// #cgo CFLAGS: -std=gnu11 -O3 -Wall -Wextra -Werror
// #cgo LDFLAGS: -ljpeg
import "C"
