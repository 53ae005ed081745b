//go:build linux && cgo

package sg2002

// The chip's libraries are opened by name at run time; none is linked. The program exports three functions of GCC to them (atomics.c) and
// hides all others: a library with a function of the same name would call ours.

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra -Werror -fvisibility=hidden -pthread -I${SRCDIR}/../../third_party/sg2002/include -I${SRCDIR}/../../third_party/sg2002
#cgo LDFLAGS: -ldl -pthread -rdynamic
*/
import "C"
