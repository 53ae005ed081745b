package source

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// endWithin is how soon after a single picture its reply ends; a stream's sender may take longer to continue.
const endWithin = time.Second

// endsAfterPicture reads the beginning of a reply of unknown length and reports whether it is a single JPEG, or presumed if that does not tell: a picture need
// not be complete within the time. The reply can then be read from its beginning.
func endsAfterPicture(reply *http.Response, presumed bool) bool {
	p := &peeking{body: reply.Body, presumed: presumed}
	single := p.single()
	reply.Body = &peeked{io.MultiReader(bytes.NewReader(p.head), p), p.body}
	return single
}

// peeking reads a body one piece ahead, so that waiting for the next piece can be given up. As a Reader it continues where that left off.
type peeking struct {
	body     io.ReadCloser
	presumed bool         // what single returns if the body does not tell
	head     []byte       // read so far
	ahead    chan arrival // capacity 1; nil: no read is in progress
	rest     arrival      // what was read ahead and is not in head
}

// arrival is the result of a read.
type arrival struct {
	data []byte
	err  error
}

// more reads another piece into head; it returns false if none arrives in time. err is the body's.
func (p *peeking) more(within time.Duration) (ok bool, err error) {
	p.ahead = make(chan arrival, 1)
	go func() {
		piece := make([]byte, 32<<10)
		n, err := p.body.Read(piece)
		p.ahead <- arrival{piece[:n], err}
	}()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case a := <-p.ahead:
		p.ahead = nil
		p.head = append(p.head, a.data...)
		p.rest.err = a.err
		return true, a.err
	case <-late.C:
		return false, nil
	}
}

// single reads until it is clear whether the body is one JPEG.
func (p *peeking) single() bool {
	var parser jpegcheck.Parser
	size, within := 0, stalled // size: of the picture, once it is complete
	for {
		ok, err := p.more(within)
		if !ok || len(p.head) > maxPolled {
			return p.presumed
		}
		ended := err != nil
		if size == 0 {
			if len(p.head) >= 2 && !bytes.HasPrefix(p.head, []byte(soi)) {
				return p.presumed && !bytes.HasPrefix(p.head, []byte("--")) // a boundary
			}
			done, bad := parser.Feed(p.head, ended)
			if bad != nil {
				return p.presumed
			}
			if done {
				size, within = parser.Info().Size, endWithin
				if p.presumed { // the next one of a slow stream
					within = 3 * endWithin
				}
			}
		}
		if size > 0 && parser.Info().Images <= 1 && p.continues(size, parser.Info()) {
			return false
		}
		if ended {
			return size > 0 || p.presumed
		}
	}
}

// continues reports whether another picture follows the first, which ends at size. If a single picture is presumed, the other must be whole and no smaller: phones
// append previews.
func (p *peeking) continues(size int, first jpegcheck.Info) bool {
	i := bytes.Index(p.head[size:], []byte(soi))
	if i < 0 || !p.presumed {
		return i >= 0
	}
	next, err := jpegcheck.Parse(p.head[size+i:])
	return err == nil && next.Whole() && next.Width*next.Height >= first.Width*first.Height
}

// soi is a JPEG's first marker.
const soi = "\xff\xd8"

// Read implements io.Reader.
func (p *peeking) Read(b []byte) (int, error) {
	if p.ahead != nil {
		p.rest, p.ahead = <-p.ahead, nil
	}
	if len(p.rest.data) > 0 {
		n := copy(b, p.rest.data)
		p.rest.data = p.rest.data[n:]
		return n, nil
	}
	if p.rest.err != nil {
		return 0, p.rest.err
	}
	return p.body.Read(b)
}
