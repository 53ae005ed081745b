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

// What is measured runs in a process of its own, so that nothing else counts as its CPU time and memory: this program again, as the verb "bench child".
// A child answers each line on its standard input with a line of JSON, and ends with its input.

// Role is what a child does.
type Role struct {
	// Kind is "viewers", "bare" (the least that a server could do) or "server" (this module's); or "players" and "film", the same of H.264 over RTSP,
	// and "players-whep" and "film-whep", by WebRTC.
	Kind    string
	Address string // host:port to connect to, or to listen at
	Viewers int    // how many connect, or are served by the bare loop

	// Of viewers.
	Path                  string // of the stream
	Markers, Sums, Record bool   // as Viewers'
	BytesPerSec           float64
	Stalled               bool // connect and never read

	// Of servers.
	FPS, Size int    // Payload pictures of Size bytes so many times a second
	Pictures  string // or the pictures in this file, as WritePictures writes it; of "film", as WriteFilm does
	Profile   string // "server", "film": write a CPU profile to this file, of all the time until the end
}

// Usage is what a server's child has used so far.
type Usage struct {
	RSS    int64  // bytes resident now
	Allocs uint64 // objects on Go's heap so far
	// Published counts the frames that a "server" role has published.
	Published uint64
}

// RunChild does what this process was started for by Start: role is the argument behind "bench child".
func RunChild(role string) error {
	var r Role
	if err := json.Unmarshal([]byte(role), &r); err != nil {
		return fmt.Errorf("bench child: role: %w", err)
	}
	// A Ctrl-C at the terminal reaches children, too: they end with their input, once their parent has asked for the last figures.
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

// RunIfChild runs the role of a process that Start started, and does not return then. Test binaries and the command that writes the document call it first.
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

// view connects, says so with a line, reads all the time, and answers "DURATION" with the Report of that time from then on.
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
