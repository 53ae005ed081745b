package whep

import "time"

// maxBacklog is how long packets may wait in the pacer, apart from those of a key frame.
const maxBacklog = 200 * time.Millisecond

// gate leaves pictures out while too much waits in the pacer, as happens when a link has become slower than the encoder. Once that is sent, the viewer
// goes on with a key frame: old pictures are of no use to it.
type gate struct {
	behind bool          // nothing passes before the next key frame
	key    time.Duration // what the newest key frame added to the backlog
}

// passes reports whether a picture is to be sent. backlog is how long what waits takes to be sent.
func (g *gate) passes(backlog time.Duration, key bool) bool {
	switch {
	case g.behind:
		g.behind = !key || backlog > maxBacklog/2
	case backlog > maxBacklog+g.key:
		g.behind = true
	case backlog <= maxBacklog:
		g.key = 0 // sent
	}
	return !g.behind
}

// awaitsKey reports whether a key frame would pass.
func (g *gate) awaitsKey(backlog time.Duration) bool { return g.behind && backlog <= maxBacklog/2 }
