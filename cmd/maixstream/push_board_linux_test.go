//go:build cgo

package main

import (
	"bytes"
	"image/jpeg"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/pipeline/push"
)

// counter returns a counter of the board's simulator.
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
			// A JPEG is read out of the encoder's memory only once, however often it is sent.
			if maps, frames, made := counter(t, root, "jpeg.maps"), counter(t, root, "jpeg.frames"), counter(t, root, "jpeg.bytes"); maps > frames || made < bytesOf {
				t.Errorf("%d mappings of %d pictures, %d bytes made and %d sent", maps, frames, made, bytesOf)
			}
		})
	}
}

// TestProgramOnTheBoard is the program that the next test runs, as a process, on the simulated board.
func TestProgramOnTheBoard(t *testing.T) {
	url := testenv.OnRequest(t, "TEST_PUSH_URL", "run by TestAProgramDrawsAndPostsOnTheBoard")
	camera, err := hw.OpenCamera(hw.CameraConfig{Source: "camera", Width: 640, Height: 480})
	if err != nil {
		t.Fatal(err)
	}
	defer camera.Close()
	img, err := camera.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer img.Release()
	img.DrawRect(60, 60, 80, 80, picture.Red, 3)
	jpg, err := img.JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	defer jpg.Release()
	reply, err := push.Post(t.Context(), url, jpg)
	if err != nil || !reply.OK() {
		t.Fatal(reply, err)
	}
}

func TestAProgramDrawsAndPostsOnTheBoard(t *testing.T) {
	root, command := onSimulatedBoard(t, os.Args[0], "maixcam", "")
	in := newInbox(t)
	cmd := command("-test.run=^TestProgramOnTheBoard$", "-test.v")
	cmd.Env = append(os.Environ(), "TEST_PUSH_URL="+in.URL, "LD_LIBRARY_PATH="+os.Getenv("MAIXSTREAM_MPI_LIBS"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(in.list()) != 1 {
		t.Fatalf("%d came", len(in.list()))
	}
	shown, err := jpeg.Decode(bytes.NewReader(in.list()[0].data))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := shown.At(60, 100).RGBA(); r < 0x8000 || g > r/2 || b > r/2 || shown.Bounds().Dx() != 640 {
		t.Errorf("the line is %x %x %x", r>>8, g>>8, b>>8)
	}
	// The CPU touches the rows that it draws on (and pages around them), not the picture.
	const frameBytes = 640 * 480 * 3 / 2
	if touched := counter(t, root, "raw.touched"); touched == 0 || touched > frameBytes*2/3 {
		t.Errorf("the CPU touched %d of %d raw bytes", touched, frameBytes)
	} else {
		t.Logf("the CPU touched %d of %d raw bytes", touched, frameBytes)
	}
}
