// Package piecewise writes messages to connections that are unusable once a write has timed out, as with TLS, and for which one deadline for a whole message would
// therefore end slow but steady readers of a large key frame.
package piecewise

import "io"

// Size is how much of a message a reader must take between two deadlines, in bytes.
const Size = 8 << 10

// Write writes b to w in pieces of at most Size bytes. Before each, extend sets the deadline of that piece; its error ends the write. Write returns how many bytes
// were written, and keeps no reference to b.
func Write(w io.Writer, b []byte, extend func() error) (written int, err error) {
	for written < len(b) && err == nil {
		if err = extend(); err != nil {
			break
		}
		var n int
		n, err = w.Write(b[written:min(len(b), written+Size)])
		written += n
	}
	return written, err
}
