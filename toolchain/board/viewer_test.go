//go:build board

package board_test

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"sync"
	"testing"
	"time"
)

// readFrames reads n pictures of a stream's body, decodes the first, and calls each (may be nil) for every picture.
func readFrames(body io.Reader, n int, each func()) (int, error) {
	parts := multipart.NewReader(body, "frame")
	for i := range n {
		part, err := parts.NextRawPart()
		if err != nil {
			return i, err
		}
		picture, err := io.ReadAll(part)
		if err != nil {
			return i, err
		}
		if !bytes.HasPrefix(picture, []byte{0xff, 0xd8}) || !bytes.HasSuffix(picture, []byte{0xff, 0xd9}) {
			return i, fmt.Errorf("frame %d is no whole JPEG (%d bytes)", i, len(picture))
		}
		if i == 0 {
			if _, err := jpeg.Decode(bytes.NewReader(picture)); err != nil {
				return i, err
			}
		}
		if each != nil {
			each()
		}
	}
	return n, nil
}

// seen is what a viewer has received so far.
type seen struct{ connections, frames, inThis int }

// viewer watches a stream and reconnects when it ends, like the page in a browser.
type viewer struct {
	mu   sync.Mutex
	now  seen
	stop context.CancelFunc
	done chan struct{}
}

func newViewer(url string) *viewer {
	ctx, stop := context.WithCancel(context.Background())
	v := &viewer{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(v.done)
		for ctx.Err() == nil {
			v.look(ctx, url)
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	}()
	return v
}

func (v *viewer) look(ctx context.Context, url string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return
	}
	v.mu.Lock()
	v.now.connections++
	v.now.inThis = 0
	v.mu.Unlock()
	_, _ = readFrames(reply.Body, 1<<30, func() {
		v.mu.Lock()
		v.now.frames++
		v.now.inThis++
		v.mu.Unlock()
	})
}

func (v *viewer) seen() seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

func (v *viewer) wait(t *testing.T, enough func(seen) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if enough(v.seen()) {
			return
		}
	}
	t.Fatalf("the viewer has %+v only", v.seen())
}

func (v *viewer) close() {
	v.stop()
	<-v.done
}
