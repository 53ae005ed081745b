//go:build linux

package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// Each measured part runs in a separate process, so that nothing else counts as its CPU time and memory: this program again, as the verb "bench child".
// A child answers each line on its standard input with a line of JSON, and ends at the end of its input.

// Role is a child's task.
type Role struct {
	// Kind is "viewers", "bare" (the minimal server) or "server" (this module's); or "players" and "film", the same for H.264 over RTSP,
	// and "players-whep" and "film-whep", by WebRTC.
	Kind    string
	Address string // host:port to connect to, or to listen on
	Viewers int    // number to connect, or to be served by the bare loop

	// Of viewers.
	Path                  string // of the stream
	Markers, Sums, Record bool   // as Viewers'
	BytesPerSec           float64
	Stalled               bool // connect and never read

	// Of servers.
	FPS, Size int    // Payload pictures of Size bytes, FPS per second
	Pictures  string // or the pictures in this file, written by WritePictures; for "film", by WriteFilm
	Profile   string // "server", "film": write a CPU profile of the entire run to this file
}

// Usage is what a server has used so far.
type Usage struct {
	RSS    int64  // bytes resident now
	Allocs uint64 // objects on Go's heap so far
	// Published counts the frames that a "server" role has published.
	Published uint64
}

// RunChild runs the role that Start gave to this process: role is the argument after "bench child".
func RunChild(role string) error {
	var r Role
	if err := json.Unmarshal([]byte(role), &r); err != nil {
		return fmt.Errorf("bench child: role: %w", err)
	}
	// A Ctrl-C at the terminal reaches children, too: they end with their input, after their parent has asked for the last figures.
	signal.Ignore(os.Interrupt)
	signal.Reset(syscall.SIGTERM)
	var err error
	switch r.Kind {
	case "viewers":
		err = r.view()
	case "bare", "server":
		err = r.serve()
	case "players", "players-whep":
		err = r.play()
	case "film", "film-whep":
		err = r.serveFilm()
	default:
		err = errors.New("unknown role")
	}
	if err != nil {
		return fmt.Errorf("bench child %q: %w", r.Kind, err)
	}
	return nil
}

// RunIfChild runs the role of a process started by Start, and then does not return. Test binaries and the command that writes the document call it first.
func RunIfChild() {
	args := os.Args[1:]
	if len(args) != len(childArgs)+1 || !slices.Equal(args[:len(childArgs)], childArgs) {
		return
	}
	if err := RunChild(args[len(childArgs)]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// view connects, reports that with a line, reads continuously, and answers "DURATION" with a Report over that time from then on.
func (r *Role) view() error {
	var v *Viewers
	var err error
	if r.Stalled {
		v, err = ConnectStalled(r.Address, r.Path, r.Viewers)
	} else {
		v, err = Connect(r.Address, r.Path, r.Viewers)
	}
	if err != nil {
		return err
	}
	defer v.Close()
	v.Markers, v.Sums, v.BytesPerSec = r.Markers, r.Sums, r.BytesPerSec
	fmt.Println("{}")
	asked := make(chan time.Duration)
	go func() {
		defer close(asked)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			d, err := time.ParseDuration(lines.Text())
			if err != nil {
				return
			}
			asked <- d
		}
	}()
	for {
		select {
		case d, ok := <-asked:
			if !ok {
				return nil
			}
			v.Record = r.Record
			report, err := v.Read(d)
			if err != nil {
				return err
			}
			if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
				return err
			}
			v.Record = false
		default:
			if r.Stalled {
				time.Sleep(20 * time.Millisecond)
			} else if _, err := v.Read(20 * time.Millisecond); err != nil {
				return err
			}
		}
	}
}

func (r *Role) pictures() ([][]byte, error) {
	if r.Pictures != "" {
		return readPictures(r.Pictures)
	}
	pictures := make([][]byte, 8)
	for i := range pictures {
		pictures[i] = Payload(i, r.Size)
	}
	return pictures, nil
}
