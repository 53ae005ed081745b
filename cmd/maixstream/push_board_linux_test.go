//go:build cgo

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/hw/jpegcheck"
)

// counter returns what the simulator of the board counted.
func counter(t *testing.T, root, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".sim", "counters"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no counter %s in %s", name, text)
	return 0
}

func TestPushFromTheBoardsCameraTouchesNoRawByte(t *testing.T) {
	program := buildProgram(t)
	for _, args := range [][]string{{"--as", "raw"}, {"--as", "form"}, {"--as", "multipart"}, {"--as", "raw", "--path", "bound"}, {"--as", "raw", "--spool", t.TempDir()}} {
		t.Run(strings.Join(args[:2], " ")+" "+strings.Join(args[2:min(3, len(args))], ""), func(t *testing.T) {
			root, command := onSimulatedBoard(t, program, "maixcam", "")
			in := newInbox(t)
			cmd := command(append([]string{
				"push", "--source", "camera", "--mpi-lib-dir", os.Getenv("MAIXSTREAM_MPI_LIBS"), "--size", "640x480", "--fps", "10", "--count", "4", in.URL + "/upload",
			}, args...)...)
			var problems bytes.Buffer
			cmd.Stderr = &problems
			out, err := cmd.Output()
			if err != nil || !strings.HasPrefix(string(out), `200 OK {"ok":true}`) {
				t.Fatalf("%v: %s%s", err, out, problems.String())
			}
			if len(in.list()) != 4 {
				t.Fatalf("%d came", len(in.list()))
			}
			bytesOf := 0
			for _, m := range in.list() {
				info, err := jpegcheck.Parse(m.data)
				if err != nil || info.Width != 640 || info.Height != 480 {
					t.Errorf("%+v %v", info, err)
				}
				bytesOf += len(m.data)
			}
			if touched, mapped := counter(t, root, "raw.touched"), counter(t, root, "raw.mapped"); touched != 0 || mapped != 0 {
				t.Errorf("the CPU mapped %d bytes of raw pictures and touched %d", mapped, touched)
			}
			// Only once is a JPEG read out of the encoder's memory, however often it is sent.
			if maps, frames, made := counter(t, root, "jpeg.maps"), counter(t, root, "jpeg.frames"), counter(t, root, "jpeg.bytes"); maps > frames || made < bytesOf {
				t.Errorf("%d mappings of %d pictures, %d bytes made and %d sent", maps, frames, made, bytesOf)
			}
		})
	}
}
