package upload

import (
	"bufio"
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
)

const (
	maxBoundary = 200
	// lineAhead is how much of a body is looked at for its boundary.
	lineAhead = maxBoundary + 16
)

// newParts reads the parts of a multipart body. boundary is what the header says. Many programs write the boundary's dashes into the header, too, forget it
// there, or write it so that it cannot be read; the body's first line then tells.
func newParts(in *body, kind, boundary string) (*multipart.Reader, error) {
	if len(boundary) > maxBoundary {
		return nil, refusef(http.StatusBadRequest, "Content-Type %s: a boundary has at most %d characters", kind, maxBoundary)
	}
	buffered := bufio.NewReaderSize(in, 4096)
	line := firstLine(buffered)
	dashed, isBoundary := strings.CutPrefix(line, "--")
	switch {
	case boundary != "" && strings.HasPrefix(dashed, boundary): // as it should be
	case boundary != "" && strings.HasPrefix(boundary, "--") && strings.HasPrefix(line, boundary):
		boundary = boundary[2:]
	case boundary == "" && isBoundary && dashed != "" && len(dashed) <= maxBoundary:
		boundary = dashed
	case boundary == "":
		return nil, refusef(http.StatusBadRequest, "Content-Type %s: want a boundary of 1 to %d characters", kind, maxBoundary)
	}
	return multipart.NewReader(buffered, boundary), nil
}

// firstLine returns the first line that is not empty, without taking it; "" when none comes within lineAhead.
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
