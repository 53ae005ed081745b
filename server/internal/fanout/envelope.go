package fanout

import (
	"strconv"

	"github.com/maixstream/maixstream/internal/stamp"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// Boundary separates the parts of a stream.
const Boundary = "frame"

const (
	partHead  = "Content-Type: image/jpeg\r\n"
	delimiter = "\r\n--" + Boundary + "\r\n"
	advance   = partHead + "\r\n"
	tail      = delimiter + advance
	// The longest head: Content-Length of 10 digits, X-Sequence of 20.
	headSize = len(partHead) + len("Content-Length: \r\nX-Timestamp: \r\nX-Sequence: \r\n\r\n") + 10 + stamp.MaxLen + 20
)

// Envelope is what the ring must put around each JPEG, so that either form of the stream is one piece of a slot's memory:
//
//	[Content-Type ... Content-Length ... X-Timestamp ... X-Sequence][JPEG][\r\n--frame\r\n][Content-Type: image/jpeg]
//	 Plain sends from here ...........................................................to here
//	 Advance sends from here ........................................[JPEG ... to the end
func Envelope() ring.Envelope {
	return ring.Envelope{HeadSize: headSize, Head: appendHead, Tail: []byte(tail)}
}

func appendHead(dst []byte, m *ring.Meta) []byte {
	dst = append(dst, partHead+"Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(m.Size), 10)
	dst = append(dst, "\r\nX-Timestamp: "...)
	dst = stamp.Append(dst, m.Captured)
	dst = append(dst, "\r\nX-Sequence: "...)
	dst = strconv.AppendUint(dst, m.Sequence, 10)
	return append(dst, "\r\n\r\n"...)
}

// Form is which of the two forms of the stream a viewer gets.
type Form uint8

const (
	// Plain: each part has Content-Length, and the boundary goes out in the same write behind the picture.
	Plain Form = iota
	// Advance is for browsers, which paint a part only once they have the complete headers of the part after it: those go out in the
	// same write behind the picture. They stand before a picture whose size is not known yet, so they have no Content-Length.
	Advance
)

// String returns the form's name as /state shows it.
func (f Form) String() string {
	if f == Advance {
		return "browser"
	}
	return "plain"
}

// Preamble is what the body of a stream begins with: a boundary, and in the Advance form the first part's headers.
func (f Form) Preamble() string {
	if f == Advance {
		return tail[len("\r\n"):]
	}
	return delimiter[len("\r\n"):]
}

// piece returns what a viewer of this form is sent of a frame; nil when the frame's ring has another envelope.
func (f Form) piece(fr *ring.Frame) []byte {
	part := fr.Part()
	head := len(part) - len(fr.JPEG()) - len(tail)
	if head <= 0 {
		return nil
	}
	if f == Advance {
		return part[head:]
	}
	return part[:len(part)-len(advance)]
}
