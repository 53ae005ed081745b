//go:build cgo

package pixiv

// #cgo CFLAGS: -std=gnu11 -O3 -Wall -Wextra -Werror
// #cgo LDFLAGS: -ljpeg -Wl,--wrap=jpeg_std_error
import "C"
