package stream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server/stream"
)

// failingStill fails to take full-size pictures.
type failingStill struct {
	*ringFeed
	err error
}

func (f failingStill) Still(context.Context, []byte, *frame.Picture) ([]byte, error) {
	return nil, f.err
}

// The reply says why there is no picture.
func TestFailedSnapshotSaysWhy(t *testing.T) {
	r, err := ring.New(ring.Config{Slots: 4, SlotSize: 4096, Envelope: stream.Envelope()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("still picture: %w: no picture for 5s", frame.ErrGone), "still picture: source gone: no picture for 5s"},
		{fmt.Errorf("still picture: %w", context.DeadlineExceeded), "no picture arrived within 20s"},
	} {
		s, err := show(failingStill{&ringFeed{ring: r}, c.err}, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, body := get(t, request(t, "GET", s.URLs()[0]+"/snapshot?full=1", ""))
		if reply.StatusCode != 503 || strings.TrimSpace(body) != c.want || reply.Header.Get("Retry-After") == "" {
			t.Errorf("%v: %s: %s", c.err, reply.Status, body)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
