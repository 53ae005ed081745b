package upload

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

// maxTextHead is how far into a body its base64 may begin: after data:image/jpeg;base64, a field's name, or JSON's {"image":".
const maxTextHead = 512

// textStarts mark where base64 begins: after a data URL's marker, or with the first bytes of a JPEG or a PNG in base64, plain, URL-encoded or
// with JSON's escapes.
var textStarts = []struct {
	text  string
	after bool
}{
	{";base64,", true},
	{";base64%2c", true},
	{"%3bbase64,", true},
	{"%3bbase64%2c", true},
	{"/9j/", false},
	{"_9j_", false},
	{"%2f9j%2f", false},
	{`\/9j\/`, false},
	{"ivborw0kggo", false},
}

// findText returns where the base64 of a picture begins in a body that starts with head. Small devices send pictures as text, in a data URL, in an
// urlencoded form or in JSON.
func findText(head []byte) (start int, ok bool) {
	head = head[:min(len(head), maxTextHead)]
	lower := bytes.Clone(head) // bytes.ToLower would change the length of invalid UTF-8
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	start = -1
	for _, s := range textStarts {
		i := bytes.Index(lower, []byte(s.text))
		if i < 0 {
			continue
		}
		if s.after {
			i += len(s.text)
		}
		if start < 0 || i < start || s.after {
			start = i
		}
		if s.after {
			break
		}
	}
	if start < 0 {
		return 0, false
	}
	for _, c := range bytes.TrimPrefix(head[:start], []byte("\xef\xbb\xbf")) {
		if c >= 0x7f || c < ' ' && !strings.ContainsRune("\t\r\n", rune(c)) {
			return 0, false
		}
	}
	return start, true
}

// newText returns a reader of the bytes decoded from the base64 in src, up to the first byte that is not base64. It accepts both alphabets, line
// breaks, form and JSON escapes, and missing padding.
func newText(src io.Reader) io.Reader {
	f := &textFilter{src: src}
	return &textReader{base64.NewDecoder(base64.RawStdEncoding, f), f}
}

// textReader ends where the text ends, even within a group of four characters: the picture's bytes show whether it is complete.
type textReader struct {
	decoder io.Reader
	filter  *textFilter
}

// Read implements io.Reader.
func (t *textReader) Read(p []byte) (int, error) {
	n, err := t.decoder.Read(p)
	if err != nil && (t.filter.ended || errors.Is(t.filter.err, io.EOF)) {
		err = io.EOF
	}
	return n, err
}

// textFilter passes only base64 characters, in the standard alphabet.
type textFilter struct {
	src    io.Reader
	escape []byte // a pending escape: %, %2 or \
	ended  bool
	err    error
}

// Read implements io.Reader.
func (f *textFilter) Read(p []byte) (int, error) {
	for {
		if f.ended {
			return 0, io.EOF
		}
		if f.err != nil {
			return 0, f.err
		}
		var n int
		n, f.err = f.src.Read(p)
		kept := 0
		for _, c := range p[:n] {
			c, ok := f.take(c)
			if f.ended {
				break
			}
			if ok {
				p[kept] = c
				kept++
			}
		}
		if kept > 0 {
			return kept, nil
		}
	}
}

// take processes one character; ok is false if it yields none.
func (f *textFilter) take(c byte) (byte, bool) {
	if len(f.escape) > 0 {
		f.escape = append(f.escape, c)
		switch {
		case f.escape[0] == '\\' && c != '/': // a line break in JSON; no others occur
			f.ended = c != 'n' && c != 'r' && c != 't'
			f.escape = f.escape[:0]
			return 0, false
		case f.escape[0] == '%' && len(f.escape) < 3:
			return 0, false
		case f.escape[0] == '%':
			high, low := unhex(f.escape[1]), unhex(f.escape[2])
			f.escape = f.escape[:0]
			if f.ended = high > 15 || low > 15; f.ended {
				return 0, false
			}
			c = high<<4 | low
		default:
			f.escape = f.escape[:0]
		}
	} else if c == '%' || c == '\\' {
		f.escape = append(f.escape, c)
		return 0, false
	}
	switch {
	case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/':
		return c, true
	case c == '-':
		return '+', true
	case c == '_':
		return '/', true
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		return 0, false
	}
	f.ended = true // padding, or data after the text
	return 0, false
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
