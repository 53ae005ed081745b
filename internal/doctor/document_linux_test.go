//go:build linux && cgo

package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/sg2002"
)

// docs/hardware.md is for people who check the program against a board, line by line; so it is checked against the program here.
const (
	document     = "../../docs/hardware.md"
	sources      = "../../hw/sg2002/*.c"
	calledList   = "../../hw/sg2002/calls.h"
	declaredList = "../../third_party/sg2002/include/cvi_symbols.h"
)

// step is a row of a table of calls in the document.
type step struct{ name, when string }

// chapters are the document's text and its tables of calls, by heading.
func chapters(t *testing.T) (text map[string]string, steps map[string][]step) {
	t.Helper()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text, steps = map[string]string{}, map[string][]step{}
	heading := ""
	row := regexp.MustCompile("^\\| `((?:CVI_|pfn)\\w+)\\(.*?\\)` \\| ([^|]+) \\|")
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, "#") {
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
			if _, ok := text[heading]; ok {
				t.Fatalf("two headings %q", heading)
			}
		}
		text[heading] += line
		if m := row.FindStringSubmatch(line); m != nil {
			steps[heading] = append(steps[heading], step{m[1], m[2]})
		} else if strings.HasPrefix(line, "| `CVI") || strings.HasPrefix(line, "| `pfn") {
			t.Errorf("a row that this test cannot read: %s", line)
		}
	}
	return text, steps
}

// names returns the functions named in a text.
func names(text string, pattern string) map[string]bool {
	found := map[string]bool{}
	for _, name := range regexp.MustCompile(pattern).FindAllString(text, -1) {
		found[name] = true
	}
	return found
}

// resolved returns the functions looked up when the libraries are opened, with their libraries.
func resolved(t *testing.T, file string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, m := range regexp.MustCompile(`X\((CVI_\w+), "(\w+\.so)"\)`).FindAllStringSubmatch(string(content), -1) {
		list[m[1]] = m[2]
	}
	return list
}

// called returns the functions of the libraries and sensor drivers that the C code calls.
func called(t *testing.T, functions map[string]string) map[string]bool {
	t.Helper()
	files, _ := filepath.Glob(sources)
	code := ""
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code += string(content)
	}
	code = regexp.MustCompile(`(?s)/\*.*?\*/|"(\\.|[^"\\])*"`).ReplaceAllString(code, "")
	list := map[string]bool{}
	for name := range names(code, `\b(CVI|pfn)\w+`) {
		if strings.HasPrefix(name, "pfn") && name != "pfnMirrorFlip" { // VI calls that one
			list[name] = true
		} else if functions[name] != "" {
			list[name] = true
		}
	}
	return list
}

func TestResolvedFunctionsAreThoseCalled(t *testing.T) {
	wanted, declared := resolved(t, calledList), resolved(t, declaredList)
	if len(declared) < 100 || len(wanted) < 50 {
		t.Fatalf("%d functions declared, %d looked for", len(declared), len(wanted))
	}
	calls := called(t, declared)
	for name, library := range wanted {
		if !calls[name] {
			t.Errorf("%s is in %s and is not called", name, calledList)
		}
		if declared[name] != library {
			t.Errorf("%s is in %q, %s says %q", name, declared[name], calledList, library)
		}
	}
	// The compiler ensures that all called functions are in the list.
}

func TestDocumentNamesEveryCall(t *testing.T) {
	declared := resolved(t, declaredList)
	calls := called(t, declared)
	text, steps := chapters(t)
	rows := map[string]bool{}
	for _, table := range steps {
		for _, s := range table {
			rows[s.name] = true
		}
	}
	for name := range calls {
		if !rows[name] {
			t.Errorf("%s is called, and no table of %s has it", name, document)
		}
	}
	for name := range rows {
		if !calls[name] {
			t.Errorf("%s has a row for %s, which is not called", document, name)
		}
	}
	for heading, part := range text {
		for name := range names(part, `\bCVI_\w+`) {
			if declared[name] != "" && !calls[name] {
				t.Errorf("%q of %s speaks of %s, which is not called", heading, document, name)
			}
		}
	}
}

// calls is a program for the test below, calls NAME: it opens a camera, performs the named action, and closes it.
func calls() (err error) {
	config := sg2002.Config{Width: 640, Height: 480, FPS: 60}
	name := os.Args[2]
	switch name {
	case "bound":
		config.Path = "bound"
	case "overlay":
		config.Overlay = "text"
	case "still":
		config.Still = true
	case "H.264", "H.264 bound":
		config.FPS = 1 // the encoder may take most of a second
		if name == "H.264 bound" {
			config.Path = "bound"
		}
	}
	ctx := context.Background()
	camera, err := sg2002.Open(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, camera.Close()) }()
	room := make([]byte, 8<<20)
	var p frame.Picture
	switch name {
	case "raw":
		raw, f := camera.Raw(), new(frame.Frame)
		if err := raw.ReadFrame(ctx, f); err != nil {
			return err
		}
		defer raw.ReleaseFrame(f)
		if err := raw.MapFrame(f); err != nil {
			return err
		}
		return raw.FlushFrame(f)
	case "picture":
		w, h := config.Width, config.Height
		f := &frame.Frame{Format: frame.NV21, Width: w, Height: h, Strides: [3]int{w, w}, Planes: [3][]byte{make([]byte, w*h), make([]byte, w*h/2)}}
		_, err := camera.Encoder().Encode(room, f, 80)
		return err
	case "still":
		return camera.Still(ctx, room, &p)
	case "H.264", "H.264 bound":
		if err := camera.ConfigureVideo(frame.VideoConfig{Bitrate: 1_000_000, FPS: 1, GOP: 10 * time.Second}); err != nil {
			return err
		}
		if err := camera.SetVideo(true); err != nil {
			return err
		}
	}
	return camera.ReadJPEG(ctx, room, &p)
}

func TestDocumentHasTheCallsInTheirOrder(t *testing.T) {
	_, steps := chapters(t)
	usual := []string{"always", "the driver has it", "tuning file exists", "fit crop"}
	const get, release = "CVI_VPSS_GetChnFrame", "CVI_VPSS_ReleaseChnFrame"
	for _, c := range []struct {
		name     string
		flags    []string // of the column "when", in addition to the usual ones
		chapters []string // between Start and Shutdown
	}{
		{"after a kill", []string{"pools left", "buffers left"}, []string{"Path frame"}},
		{"frame", nil, []string{"Path frame"}},
		{"bound", []string{"path bound"}, []string{"Path bound"}},
		{"overlay", []string{"overlay"}, []string{"Overlay", "Path frame"}},
		{"still", []string{"stills"}, []string{"A full-size still beside the stream"}},
		{"H.264", []string{"path frame", "H.264"}, []string{"H.264 requested", "One frame for both encoders"}},
		{"H.264 bound", []string{"path bound", "path bound, H.264", "H.264"}, []string{"H.264 requested", "One frame for both encoders"}},
		{"raw", []string{"after drawing", "on release"}, []string{"Raw frames for programs"}},
		{"picture", []string{"first of its size", "a program's picture"}, []string{"A program's own picture"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			add := func(heading string) {
				if len(steps[heading]) == 0 {
					t.Fatalf("no table of calls under %q", heading)
				}
				for _, s := range steps[heading] {
					if slices.Contains(usual, s.when) || slices.Contains(c.flags, s.when) {
						want = append(want, s.name)
					}
				}
			}
			b := newBoard(t, "maixcam", "trace=1")
			if c.name == "after a kill" {
				b.maixsim("leak", b.root)
				if err := os.Remove(filepath.Join(b.root, ".sim", "trace.log")); err != nil { // the killed process's calls
					t.Fatal(err)
				}
				add("Clean up after dead processes")
				each := []string{}
				for _, s := range steps["Clean up after dead processes"] {
					if s.when == "pools left, n 0 to 2" {
						each = append(each, s.name)
					}
				}
				want = slices.Insert(want, slices.Index(want, "CVI_VPSS_DestroyGrp")+1, slices.Repeat(each, 3)...)
			}
			add("Find the sensor")
			add("Start")
			for _, heading := range c.chapters {
				if c.name == "raw" {
					want = append(want, get)
				}
				add(heading)
				if c.name == "raw" {
					want = append(want, release)
				}
			}
			add("Shutdown")
			if out, err := exec.Command(os.Args[0], "calls", c.name).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got := b.trace()
			want = once(slices.DeleteFunc(want, func(name string) bool { return name == "pfnPatchI2cAddr" })) // the simulator's has no result to trace
			got = once(slices.DeleteFunc(got, func(name string) bool { return name == "CVI_ISP_Run" }))       // traced when it returns
			for i := range max(len(want), len(got)) {
				if i >= len(want) || i >= len(got) || want[i] != got[i] {
					t.Fatalf("call %d is another one:\nin the document %s\nin the trace    %s", i, around(want, i), around(got, i))
				}
			}
		})
	}
}

// trace returns the calls recorded by the simulator, in order.
func (b *board) trace() []string {
	b.Helper()
	log, err := os.ReadFile(filepath.Join(b.root, ".sim", "trace.log"))
	if err != nil {
		b.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(log)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			b.Fatalf("trace: %q", line)
		}
		name, _, _ := strings.Cut(fields[2], "(")
		list = append(list, name)
	}
	return list
}

// once collapses repeated calls, such as waits for a frame.
func once(list []string) []string { return slices.Compact(list) }

func around(list []string, i int) string {
	return fmt.Sprint(list[max(0, min(i-2, len(list))):min(i+3, len(list))])
}

// Public documents do not mention the machines on which they were written.
func TestDocumentNamesNoMachine(t *testing.T) {
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`/(work|tmp|home|root)/\S*`).FindString(string(content)); found != "" {
		t.Errorf("%s has a path of some machine: %s", document, found)
	}
}
