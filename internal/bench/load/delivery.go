//go:build linux

package load

import "time"

// Delivery is the set-up of a comparison.
type Delivery struct {
	Viewers, FPS int
	Size         int    // of Payload pictures in bytes
	Pictures     string // or a file written by WritePictures
	Duration     time.Duration
	Warm         time.Duration // before it; 0: half a second
}

// Delivered sums up what servers of one kind used and their viewers received.
type Delivered struct {
	Frames    int
	Published uint64
	CPU       time.Duration
	Objects   uint64 // allocated on Go's heap
	RSS       int64  // of the last, with all viewers
	Last      Report
}

// Micros returns CPU time per delivered frame in µs, 0 without frames.
func (d *Delivered) Micros() float64 {
	if d.Frames == 0 {
		return 0
	}
	return float64(d.CPU) / 1e3 / float64(d.Frames)
}

// Allocs returns objects on Go's heap per delivered frame.
func (d *Delivered) Allocs() float64 { return float64(d.Objects) / float64(max(d.Frames, 1)) }

// Add runs a server of that kind ("server" or "bare") and its viewers, each in a separate process, and adds its usage.
func (d *Delivered) Add(c Delivery, kind string) error {
	s, err := Start("", Role{Kind: kind, Address: "127.0.0.1:0", Viewers: c.Viewers, FPS: c.FPS, Size: c.Size, Pictures: c.Pictures})
	if err != nil {
		return err
	}
	defer s.End()
	return d.Measure(c, s)
}

// Measure connects viewers to a running server and adds its usage.
func (d *Delivered) Measure(c Delivery, s *Child) error {
	v, err := Start("", Role{Kind: "viewers", Address: s.Address, Path: "/stream", Viewers: c.Viewers, Markers: true, Sums: c.Pictures == ""})
	if err != nil {
		return err
	}
	defer v.End()
	warm := c.Warm
	if warm == 0 {
		warm = 500 * time.Millisecond
	}
	if _, err := v.Read(warm); err != nil {
		return err
	}
	asking, err := s.Usage()
	if err != nil {
		return err
	}
	before, err := s.Usage()
	if err != nil {
		return err
	}
	cpu, err := s.CPU()
	if err != nil {
		return err
	}
	if d.Last, err = v.Read(c.Duration); err != nil {
		return err
	}
	used, err := s.CPU()
	if err != nil {
		return err
	}
	after, err := s.Usage()
	if err != nil {
		return err
	}
	d.Frames += d.Last.Frames
	d.Published += after.Published - before.Published
	d.CPU += used - cpu
	// Replying allocates, too: as much as between the first two replies.
	if all, own := after.Allocs-before.Allocs, before.Allocs-asking.Allocs; all > own {
		d.Objects += all - own
	}
	d.RSS = after.RSS
	return nil
}
