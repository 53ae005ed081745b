//go:build linux && cgo

package sg2002

// The chip's libraries are opened by name at run time; nothing of them is linked.

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra -Werror -pthread -I${SRCDIR}/../../third_party/sg2002/include -I${SRCDIR}/../../third_party/sg2002
#cgo LDFLAGS: -ldl -pthread -rdynamic
*/
import "C"
