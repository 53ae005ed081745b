//go:build recipes

package recipes_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// published returns the status of the servers that the board publishes to, from its /state.
func published() (list []struct {
	URL         string
	Connected   bool
	Connections int
	Frames      int
	Error       string
}, err error,
) {
	reply, err := http.Get(board + "/state")
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	var state struct {
		Publish json.RawMessage
	}
	if err := json.NewDecoder(reply.Body).Decode(&state); err != nil {
		return nil, err
	}
	return list, json.Unmarshal(state.Publish, &list)
}

// wantPublished waits until all servers have accepted the stream at least nth times.
func wantPublished(t *testing.T, servers, nth int) {
	t.Helper()
	until(t, fmt.Sprintf("%d servers accept the stream", servers), func() bool {
		list, err := published()
		good := 0
		for _, one := range list {
			if one.Connected && one.Connections >= nth && one.Frames > 0 {
				good++
			}
		}
		return err == nil && good == servers && len(list) == servers
	})
}

// wantAway waits until no server accepts it.
func wantAway(t *testing.T) {
	t.Helper()
	until(t, "the board reports it", func() bool {
		list, err := published()
		for _, one := range list {
			if one.Connected || one.Error == "" {
				return false
			}
		}
		return err == nil
	})
}

func listens(t *testing.T, address string) {
	t.Helper()
	until(t, address+" listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// read runs a block that reads the published stream, until it succeeds: a new stream may not be available yet.
func (r *recipe) read(text string, names ...string) {
	r.t.Helper()
	var err error
	until(r.t, "the server has the stream", func() bool {
		_, err = r.try(text)
		return err == nil
	})
	for _, name := range names {
		if seconds := r.wantVideo(name, "h264", 85); seconds < 1 {
			r.t.Errorf("%s lasts %.1f s", name, seconds)
		}
	}
}
