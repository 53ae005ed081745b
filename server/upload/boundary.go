package upload

import (
	"bufio"
	"bytes"
	"errors"
	"mime/multipart"
	"net/http"
	"strings"
)

const (
	maxBoundary = 200
	// lineAhead is how much of a body is searched for its boundary.
	lineAhead = maxBoundary + 16
)

// errNotMultipart says that a body is a picture, although its type is multipart.
var errNotMultipart = errors.New("the body is a picture")

// newParts reads the parts of a multipart body. boundary is the header's. Many programs include the boundary's dashes there, omit the boundary
// or write another one; the body's first line is then used. Some only claim to send a form: for a picture as such the error is errNotMultipart, and buffered has it.
func newParts(buffered *bufio.Reader, kind, boundary string) (*multipart.Reader, error) {
	if len(boundary) > maxBoundary {
		return nil, refusef(http.StatusBadRequest, "Content-Type %s: a boundary has at most %d characters", kind, maxBoundary)
	}
	if isPicture(buffered) {
		return nil, errNotMultipart
	}
	line := firstLine(buffered)
	dashed, isBoundary := strings.CutPrefix(line, "--")
	switch {
	case boundary != "" && strings.HasPrefix(dashed, boundary): // correct
	case boundary != "" && strings.HasPrefix(boundary, "--") && strings.HasPrefix(line, boundary):
		boundary = boundary[2:]
	case isBoundary && dashed != "" && len(dashed) <= maxBoundary && (boundary == "" || !strings.Contains(dashed, " ")):
		boundary = dashed
	case boundary == "":
		return nil, refusef(http.StatusBadRequest, "Content-Type %s: want a boundary of 1 to %d characters", kind, maxBoundary)
	}
	return multipart.NewReader(buffered, boundary), nil
}

// isPicture reports whether a picture begins here. It waits for no more bytes than it needs.
func isPicture(r *bufio.Reader) bool {
	for n := 1; n <= len(pngSignature); n++ {
		head, err := r.Peek(n)
		if err != nil || head[0] != 0xff && head[0] != pngSignature[0] {
			return false
		}
		if _, ok := formatOf(head); ok {
			return true
		}
	}
	return false
}

// firstLine returns the first non-empty line without consuming it; "" if there is none within lineAhead.
func firstLine(r *bufio.Reader) string {
	for ahead := 1; ahead <= lineAhead; {
		head, err := r.Peek(ahead)
		text := bytes.TrimLeft(head, "\r\n")
		if i := bytes.IndexByte(text, '\n'); i >= 0 || err != nil {
			if i >= 0 {
				text = text[:i]
			}
			return string(bytes.TrimRight(text, " \t\r"))
		}
		ahead = max(ahead+1, min(r.Buffered(), lineAhead))
	}
	return ""
}
