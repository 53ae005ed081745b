package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// intake collects a request's pictures.
type intake struct {
	server   *Server
	result   receipt
	typed    bool      // declared as a picture: its length is the picture's, not that of base64 text
	hold     bool      // the device may be named later: pictures are pending until release
	pending  []pending // in the order of arrival
	unclosed bool      // a multipart body lacked its closing boundary
}

// pending is a checked picture that is on disk but not named yet.
type pending struct {
	incoming *incoming
	label    label
	found    info
}

// keep stores a checked picture, or holds it.
func (t *intake) keep(in *incoming, l *label, found *info, data []byte) error {
	if t.hold {
		if err := in.seal(); err != nil {
			return err
		}
		t.pending = append(t.pending, pending{in, *l, *found})
		return nil
	}
	k, duplicate, err := in.commit(l, found.format)
	if err != nil {
		return err
	}
	if !duplicate && data != nil {
		t.server.show(l.device, data, found, &k)
	}
	t.result.add(k, duplicate)
	return nil
}

// maxNameField is one byte more than the longest name.
const maxNameField = maxDeviceName + 1

// name reads the device's name from a form field, unless the request gives it elsewhere.
func (t *intake) name(field io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(field, maxNameField))
	if err != nil || !t.hold || len(text) == 0 {
		return err
	}
	if err := checkDevice(string(text)); err != nil {
		return refusef(http.StatusBadRequest, "field device: %v", err)
	}
	t.result.Device = string(text)
	return nil
}

// release stores the pending pictures, under the device known by now.
func (t *intake) release() error {
	t.hold = false
	var failed error
	for i := range t.pending {
		p := &t.pending[i]
		p.label.device = t.result.Device
		if failed != nil {
			p.incoming.discard()
		} else if failed = t.keep(p.incoming, &p.label, &p.found, nil); failed == nil {
			t.server.showNewest(p.label.device)
		}
	}
	t.pending = nil
	return failed
}

// errNoPicture is decided by the first bytes.
var errNoPicture = fmt.Errorf("neither JPEG nor PNG: %w", frame.ErrBadPicture)

// Smaller pictures go from the read buffer straight to their file.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// textFactor is how much larger than its picture a text may be: base64 with every character escaped has 4, plus line breaks.
const textFactor = 5

// take reads one or several concatenated pictures to the end of src, checks and stores them. size is src's declared size; -1: unknown.
func (s *Server) take(src io.Reader, size int64, l *label, to *intake) error {
	if size > s.config.MaxUpload && (to.typed || size/textFactor > s.config.MaxUpload) {
		return s.tooLarge(size)
	}
	b := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(b)
	if k, ok := s.store.known(l.device, l.key); ok && !to.hold {
		s.store.counts.duplicates.Add(1)
		to.result.add(k, true)
		_, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{io.LimitReader(src, textFactor*s.config.MaxUpload)}, b[:])
		return err
	}
	n, whole, err := s.begin(b[:], src, size)
	if err != nil {
		return err
	}
	if lead := lineEnds(b[:n]); lead > 0 { // some small devices send one too many behind the headers
		n = copy(b[:], b[lead:n])
		size = max(size-int64(lead), -1)
	}
	if _, ok := formatOf(b[:n]); !ok {
		start, ok := findText(b[:n])
		if !ok {
			return noPicture(b[:n])
		}
		text := newText(io.MultiReader(bytes.NewReader(bytes.Clone(b[start:n])), src))
		src, size = text, -1
		if n, whole, err = s.begin(b[:], src, size); err != nil {
			return err
		}
		if _, ok := formatOf(b[:n]); !ok {
			return fmt.Errorf("the decoded base64 text is %w", noPicture(b[:n]))
		}
	}
	if size > s.config.MaxUpload {
		return s.tooLarge(size)
	}
	if !whole {
		return s.takeLarge(src, size, l, b[:n], to)
	}
	if int64(n) > s.config.MaxUpload {
		return s.tooLarge(int64(n))
	}
	return s.keepAll(nil, b[:n], l, to)
}

// lineEnds returns the length of the line ends before a picture.
func lineEnds(head []byte) int {
	picture := bytes.TrimLeft(head, "\r\n")
	if _, ok := formatOf(picture); !ok {
		return 0
	}
	return len(head) - len(picture)
}

// begin fills b; whole reports whether nothing follows.
func (s *Server) begin(b []byte, src io.Reader, size int64) (n int, whole bool, err error) {
	n, err = fill(b, src)
	whole = errors.Is(err, io.EOF)
	switch {
	case err != nil && !whole:
		return n, false, err
	case n == 0:
		return n, whole, errEmpty
	case whole && size >= 0 && int64(n) < size:
		return n, whole, refusef(http.StatusUnprocessableEntity, "the part has %d bytes but Content-Length: %d", n, size)
	}
	return n, whole, nil
}

func (s *Server) tooLarge(size int64) error {
	return refusef(http.StatusRequestEntityTooLarge, "a picture of %d bytes: at most %d", size, s.config.MaxUpload)
}

// takeLarge continues with a picture that starts with b, through its file.
func (s *Server) takeLarge(src io.Reader, size int64, l *label, b []byte, to *intake) error {
	in, err := s.store.begin()
	if err != nil {
		return err
	}
	if err = s.spool(in, src, size, b); err != nil {
		in.discard()
		return err
	}
	s.checks <- struct{}{}
	defer func() { <-s.checks }()
	large := largeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*large) <= maxPooled {
			largeBuffers.Put(large)
		}
	}()
	if int64(cap(*large)) < in.size {
		*large = make([]byte, in.size)
	}
	data := (*large)[:in.size]
	if _, err := in.file.ReadAt(data, 0); err != nil {
		in.discard()
		return fmt.Errorf("read a picture back: %w", err)
	}
	return s.keepAll(in, data, l, to)
}

// maxPooled limits the memory kept for reuse while idle.
const maxPooled = 1 << 20

var largeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// spool writes b and the rest of src to the file.
func (s *Server) spool(in *incoming, src io.Reader, size int64, b []byte) error {
	if _, err := in.Write(b); err != nil {
		return err
	}
	rest := onlyReader{io.LimitReader(src, s.config.MaxUpload-in.size+1)}
	if _, err := io.CopyBuffer(onlyWriter{in}, rest, b); err != nil {
		return err
	}
	if in.size > s.config.MaxUpload {
		return refusef(http.StatusRequestEntityTooLarge, "the picture has more than %d bytes", s.config.MaxUpload)
	}
	if size >= 0 && in.size < size {
		return refusef(http.StatusUnprocessableEntity, "the part has %d bytes but Content-Length: %d", in.size, size)
	}
	return nil
}

// keepAll stores the pictures concatenated in data. in already has all of data; nil: nothing is on disk yet.
func (s *Server) keepAll(in *incoming, data []byte, l *label, to *intake) error {
	at := 0 // where found begins
	found, err := inspect(data, s.config.MaxPixels)
	if err != nil {
		if in != nil {
			in.discard()
			in = nil
		}
		var ok bool
		if found, at, ok = s.afterBad(data, 0); !ok {
			return err
		}
		s.refusePart(to)
	}
	for i := 0; ; i++ {
		next, start, more, bad := s.following(data, at+found.size, &found)
		own := *l
		if more {
			// The last one gets the key itself: if it is known, all are stored.
			own.key = l.key.numbered(i)
		}
		if i > 0 && own.numbered {
			own.sequence += uint64(i)
		}
		if err := s.keepOne(in, data[at:at+found.size], &own, &found, to); err != nil {
			return err
		}
		if bad {
			s.refusePart(to)
		}
		if !more {
			return nil
		}
		in, at, found = nil, start, next
	}
}

// refusePart counts a bad picture among good ones.
func (s *Server) refusePart(to *intake) {
	to.result.Refused++
	s.counts.refused.Add(1)
}

// keepOne stores a picture; in may be its file; nil: it has none yet.
func (s *Server) keepOne(in *incoming, data []byte, l *label, found *info, to *intake) (err error) {
	if in == nil {
		if in, err = s.store.begin(); err != nil {
			return err
		}
		_, err = in.Write(data)
	} else {
		err = in.truncate(found.size)
	}
	if err != nil {
		in.discard()
		return err
	}
	return to.keep(in, l, found, data)
}

// following looks for another picture after one that ends at end. Cameras and recorders send several in a row; phones append a smaller preview
// or a gain map, which belongs to the picture before it. bad reports that one starts there but is incomplete; next is then the one after it.
func (s *Server) following(data []byte, end int, before *info) (next info, start int, more, bad bool) {
	for end < len(data) && (data[end] == 0 || data[end] == '\r' || data[end] == '\n' || data[end] == 0xff && end+1 < len(data) && data[end+1] != soi) {
		end++ // padding, line ends, fill bytes before a marker
	}
	rest := data[end:]
	if _, ok := formatOf(rest); !ok || before.jpeg.Images > 1 {
		return info{}, 0, false, false
	}
	next, err := inspect(rest, s.config.MaxPixels)
	if err != nil {
		next, start, more = s.afterBad(rest, before.width*before.height)
		return next, end + start, more, true
	}
	if next.width*next.height < before.width*before.height {
		return info{}, 0, false, false
	}
	return next, len(data) - len(rest), true, false
}

// maxSearched limits the places after a bad picture at which another one is looked for.
const maxSearched = 64

// afterBad looks for a complete picture after the bad JPEG that data begins with. It has at least as many pixels as that one, and least: smaller ones are the bad
// one's thumbnail or preview.
func (s *Server) afterBad(data []byte, least int) (next info, start int, ok bool) {
	var bad jpegcheck.Parser
	if f, isPicture := formatOf(data); !isPicture || f != jpegFormat {
		return info{}, 0, false
	}
	if _, err := bad.Feed(data, true); err == nil { // refused for another reason, such as its size
		return info{}, 0, false
	}
	if least = max(least, bad.Info().Width*bad.Info().Height); least == 0 {
		return info{}, 0, false
	}
	start = bad.Skip()
	for range maxSearched {
		i := jpegcheck.Find(data[start:])
		if i < 0 {
			break
		}
		start += i
		if next, err := inspect(data[start:], s.config.MaxPixels); err == nil && next.width*next.height >= least {
			return next, start, true
		}
		start += 2
	}
	return info{}, 0, false
}

// soi is the second byte of a JPEG.
const soi = 0xd8

// onlyReader and onlyWriter make io.CopyBuffer use the buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// fill reads until b is full or src ends. Unlike io.ReadFull it keeps src's error: a cut connection is not the end.
func fill(b []byte, src io.Reader) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = src.Read(b[n:])
		n += m
	}
	return n, err
}
