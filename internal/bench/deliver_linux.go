package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/maixstream/maixstream/internal/bench/load"
	"github.com/maixstream/maixstream/server/web"
)

// RunChild runs a benchmark's child process: args are those after "maixstream bench child".
func RunChild(args []string) error {
	if len(args) != 1 {
		return errors.New("bench child: only for maixstream bench itself")
	}
	return load.RunChild(args[0])
}

// DeliverySupported reports whether viewers can be measured on this system.
const DeliverySupported = true

// measureDelivery serves the feed to viewers in a separate process for d.
func (r *run) measureDelivery(ctx context.Context, d time.Duration) error {
	shell, end, err := load.Serve(r.feed, web.Config{Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		return err
	}
	defer end()
	viewers, err := connect(shell.URLs()[0][len("http://"):], r.Clients)
	if err != nil {
		return err
	}
	defer viewers.End()
	if err := r.progress(ctx, settle, 0.35, 0.4, "viewers come"); err != nil {
		return err
	}
	var report load.Report
	read := make(chan error, 1)
	go func() { // the child starts a little later and measures longer than this side: each side computes rates from its own time
		var err error
		report, err = viewers.Read(d)
		read <- err
	}()
	err = r.profiled(func() (err error) {
		r.window, r.use, err = r.measure(ctx, d, 0.4, 0.9, fmt.Sprintf("%d viewers", r.Clients))
		return err
	})
	if err != nil {
		return err
	}
	select {
	case err = <-read:
	case <-time.After(d/2 + 10*time.Second):
		err = fmt.Errorf("no report from the viewers")
	}
	if err != nil {
		return err
	}
	r.delivered = delivered{frames: report.Frames, skipped: report.Skipped, bytes: report.Bytes, seconds: report.Elapsed.Seconds()}
	if report.Frames == 0 {
		return fmt.Errorf("no viewer got a frame in %v", d)
	}
	for _, a := range report.Arrivals {
		r.delivered.arrivals = append(r.delivered.arrivals, arrival{a.Sequence, time.UnixMicro(a.UnixUS)})
	}
	return nil
}

func connect(address string, n int) (*load.Child, error) {
	return load.Start("", load.Role{Kind: "viewers", Address: address, Path: "/stream", Viewers: n, Markers: true, Record: true})
}

// measureServers serves the same pictures to as many viewers from a dedicated process, and from the bare loop: alternately, because
// other programs' work slows both down.
func (r *run) measureServers(ctx context.Context) error {
	if len(r.pictures) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "maixstream-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "pictures")
	if err := load.WritePictures(file, r.pictures); err != nil {
		return err
	}
	c := load.Delivery{Viewers: r.Clients, FPS: r.pace(), Pictures: file, Duration: min(max(time.Duration(r.window.seconds()/4*1e9), 300*time.Millisecond), time.Second)}
	const turns = 2
	var ours, least load.Delivered
	for i := range turns {
		r.Progress(0.9+0.1*float64(i)/turns, "the server and a bare loop by turns")
		if err := ours.Add(c, "server"); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if load.HasBare {
			if err := least.Add(c, "bare"); err != nil {
				return err
			}
		}
	}
	r.served, r.bare = served{ours.Micros(), ours.Allocs()}, served{micros: least.Micros()}
	return ctx.Err()
}
