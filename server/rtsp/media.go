package rtsp

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/pion/rtp"
)

// media is a stream that readers select by path.
type media struct {
	paths       []string // without slashes; the first is the documented one
	description *description.Media
	playing     atomic.Int64 // readers
	// check reports why the stream is unavailable; nil: it is available.
	check func() error
	// watch announces a reader; leave ends that.
	watch func() (leave func())
	// run sends packets to all readers until ctx ends. captured is the frame's capture time. nil: play is used.
	run func(ctx context.Context, send func(packet *rtp.Packet, captured time.Time) error)
	// play sends packets to one reader until ctx ends; nil: run serves all readers.
	play  func(ctx context.Context, to *player)
	close func()
}

// mediaAt returns the stream at a path, or nil.
func (s *Server) mediaAt(path string) *media {
	path = strings.Trim(path, "/")
	for _, m := range s.media {
		for _, p := range m.paths {
			if p == path {
				return m
			}
		}
	}
	return nil
}

// mediaPaths lists the documented paths.
func (s *Server) mediaPaths() string {
	var list []string
	for _, m := range s.media {
		list = append(list, "/"+m.paths[0])
	}
	return strings.Join(list, ", ")
}
