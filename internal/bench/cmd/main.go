//go:build linux

// Command cmd runs the standard set of benchmarks and writes docs/BENCHMARKS.md from the results; see make bench.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/bench"
	"github.com/maixstream/maixstream/internal/bench/load"
)

// set is shared by all groups.
type set struct {
	runs    int           // of each figure
	window  time.Duration // of one run
	quick   bool
	program string // the maixstream to run
	simLibs string // directory of the simulator's libraries
	simRoot string // the simulated board's files
	webcam  string // the library that simulates a webcam
	board   board
	// peersDir contains go2rtc and mediamtx.
	peersDir string
}

func main() {
	load.RunIfChild()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	s := set{runs: 5, window: 2500 * time.Millisecond}
	flag.BoolVar(&s.quick, "quick", false, "few and short runs")
	flag.StringVar(&s.program, "program", "build/maixstream", "the maixstream to run")
	flag.StringVar(&s.simLibs, "sim-libs", "", "directory of the simulator's libraries")
	flag.StringVar(&s.simRoot, "sim-root", "", "directory of the simulated board's files")
	flag.StringVar(&s.webcam, "webcam", "", "the library that simulates a webcam for ustreamer")
	flag.StringVar(&s.peersDir, "peers-dir", "", "directory of go2rtc and mediamtx")
	flag.StringVar(&s.board.program, "board-program", "", "the board's maixstream")
	flag.StringVar(&s.board.sysroot, "board-sysroot", "", "directory of its loader and C library")
	flag.StringVar(&s.board.plugin, "board-plugin", "", "the plugin that counts instructions")
	flag.StringVar(&s.board.simLibs, "board-sim-libs", "", "directory of the simulator's libraries for the board")
	flag.StringVar(&s.board.simRoot, "board-sim-root", "", "directory for a simulated board's files")
	flag.StringVar(&s.board.simTool, "board-sim-tool", "", "this machine's maixsim")
	dir := flag.String("dir", "build/bench", "directory of results, also those of other sets (DIR/*.json)")
	doc := flag.String("doc", "docs/BENCHMARKS.md", "the document to write; \"\": none")
	only := flag.String("only", "", "run only groups whose name contains this, without writing the document")
	name := flag.String("set", "standard", "standard, peers, h264 or riscv64: the groups to run")
	version := flag.String("version", "unknown", "of the program")
	commit := flag.String("commit", "unknown", "of the program")
	documentOnly := flag.Bool("document", false, "run nothing: write the document from existing results")
	flag.Parse()
	if s.quick {
		s.runs, s.window = 2, time.Second
	}
	groups, ok := sets[*name]
	if !ok {
		return fmt.Errorf("no set %q", *name)
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	if !*documentOnly {
		r, err := s.measure(groups, *only)
		if err != nil {
			return err
		}
		r.Version, r.Commit = *version, *commit
		if *only != "" {
			return writeDocument(os.Stdout, r)
		}
		if err := r.write(filepath.Join(*dir, *name+".json")); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(*dir, "standard.json")); errors.Is(err, os.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "no results of make bench yet to add these to: %s left unchanged\n", *doc)
			return writeDocument(os.Stdout, r)
		}
	}
	if *doc == "" {
		return nil
	}
	return makeDocument(*doc, *dir)
}

// makeDocument reads all results in dir, the standard set's first.
func makeDocument(doc, dir string) error {
	var all []*results
	for _, name := range []string{"standard", "peers", "h264", "riscv64"} {
		r, err := readResults(filepath.Join(dir, name+".json"))
		if errors.Is(err, os.ErrNotExist) && name != "standard" {
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	if err := os.MkdirAll(filepath.Dir(doc), 0o755); err != nil {
		return err
	}
	file, err := os.Create(doc)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := writeDocument(file, all...); err != nil {
		return err
	}
	return file.Close()
}

// measurement is one group's name and function.
type measurement struct {
	name    string
	measure func(*set) (*group, error)
}

var sets = map[string][]measurement{
	"standard": {
		{"delivery", (*set).delivery},
		{"profile", (*set).profile},
		{"crowd", (*set).crowd},
		{"encode", (*set).encode},
		{"hardware", (*set).hardware},
		{"idle", (*set).idle},
		{"start", (*set).start},
		{"links", (*set).links},
		{"slow", (*set).slow},
	},
	"peers":   {{"peers", (*set).peers}, {"webcam", (*set).webcamPeer}},
	"h264":    {{"film", (*set).film}, {"whep", (*set).whep}, {"resting", (*set).resting}, {"begin", (*set).begin}},
	"riscv64": {{"instructions", (*set).instructions}},
}

func (s *set) measure(groups []measurement, only string) (*results, error) {
	r := &results{Date: time.Now().UTC(), Machine: bench.ThisMachine(), Quick: s.quick}
	for _, m := range groups {
		if !strings.Contains(m.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), m.name)
		g, err := m.measure(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		r.Groups = append(r.Groups, g)
	}
	r.LoadEnd, r.Minutes = bench.ThisMachine().Load, time.Since(r.Date).Minutes()
	return r, nil
}
