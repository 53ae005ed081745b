package rtsp

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/pion/rtp"
)

// media is one stream that readers choose by its path.
type media struct {
	paths       []string // without slashes; the first is named to people
	description *description.Media
	playing     atomic.Int64 // readers
	// check reports why the stream cannot be had now; nil: it can.
	check func() error
	// watch says that there is one reader more; leave that it is gone.
	watch func() (leave func())
	// run sends packets to all readers until ctx ends. captured is when the picture of a packet was taken. nil: play does it.
	run func(ctx context.Context, send func(packet *rtp.Packet, captured time.Time) error)
	// play sends one reader what is meant for it, until ctx ends; nil: run does it for all.
	play  func(ctx context.Context, to *player)
	close func()
}

// mediaAt returns what is served at a path; nil: nothing.
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

// mediaPaths lists the paths as people are told of them.
func (s *Server) mediaPaths() string {
	var list []string
	for _, m := range s.media {
		list = append(list, "/"+m.paths[0])
	}
	return strings.Join(list, ", ")
}
