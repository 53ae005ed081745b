//go:build !poison

package picture

import "sync"

// pool keeps buffers for encoded pictures; the garbage collector frees unused ones.
var pool sync.Pool

// takeMemory returns at least size bytes.
func takeMemory(size int) []byte {
	if b, ok := pool.Get().(*[]byte); ok {
		if len(*b) >= size {
			return *b
		}
	}
	return make([]byte, size)
}

func giveMemory(b []byte) { pool.Put(&b) }
