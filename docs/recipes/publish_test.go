//go:build recipes

package recipes_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// published is what the board's /state says of the servers that it publishes to.
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

// wantPublished waits until all servers take the stream for the nth time at least.
func wantPublished(t *testing.T, servers, nth int) {
	t.Helper()
	until(t, fmt.Sprintf("%d servers take the stream", servers), func() bool {
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

// wantAway waits until no server takes it.
func wantAway(t *testing.T) {
	t.Helper()
	until(t, "the board notices", func() bool {
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

// read runs a block that reads what is published, until it goes through. A stream that has only just begun may not be there yet.
func (r *recipe) read(text string, names ...string) {
	r.t.Helper()
	var err error
	until(r.t, "the far end has the stream", func() bool {
		_, err = r.try(text)
		return err == nil
	})
	for _, name := range names {
		if seconds := r.wantVideo(name, "h264", 85); seconds < 1 {
			r.t.Errorf("%s lasts %.1f s", name, seconds)
		}
	}
}
