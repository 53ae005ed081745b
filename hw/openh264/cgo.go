//go:build linux && cgo

package openh264

/*
#cgo CFLAGS: -std=gnu11 -O3 -Wall -Wextra -Werror
#cgo LDFLAGS: -ldl
*/
import "C"
