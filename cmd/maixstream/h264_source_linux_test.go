//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/stream"
)

// film264 writes a film of H.264: 100 pictures a second, a key frame every 25.
func film264(t *testing.T, n int, args ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "film.h264")
	all := append([]string{
		"-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=100", "-frames:v", fmt.Sprint(n), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "25", "-bf", "0",
		"-x264-params", "slices=2",
	}, args...)
	if out, err := exec.Command(testenv.Program(t, "ffmpeg"), append(all, "-f", "h264", path)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	return path
}

// slicesOf returns the slices of a raw stream.
func slicesOf(stream []byte) (slices [][]byte) {
	for _, n := range bytes.Split(stream, []byte{0, 0, 1})[1:] {
		if n = bytes.TrimRight(n, "\x00"); len(n) > 0 && (n[0]&0x1f == 1 || n[0]&0x1f == 5) {
			slices = append(slices, n)
		}
	}
	return slices
}

// A film of H.264 reaches its readers bit for bit, again and again, and its pictures are JPEGs, too.
func TestH264FilmIsPassedThrough(t *testing.T) {
	needOpenH264(t)
	film := film264(t, 150)
	data, err := os.ReadFile(film)
	if err != nil {
		t.Fatal(err)
	}
	want := slicesOf(data)
	address := testenv.FreeMediaAddress(t)
	s := start(t, "--source", film, "--rtsp", address, "--report", "0")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	type result struct {
		name string
		out  []byte
		err  error
	}
	results := make(chan result)
	for name, args := range map[string][]string{
		"RTSP over TCP": {"-rtsp_transport", "tcp", "-i", "rtsp://" + address + "/h264"},
		"MP4":           {"-i", s.url + "/video.mp4"},
	} {
		go func() {
			cmd := exec.CommandContext(ctx, testenv.Program(t, "ffmpeg"), append(append([]string{"-v", "error"}, args...), "-frames:v", "300", "-c", "copy", "-f", "h264", "-")...)
			var problems bytes.Buffer
			cmd.Stderr = &problems
			out, err := cmd.Output()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, &problems)
			}
			results <- result{name, out, err}
		}()
	}
	picture := s.snapshot(t)
	if b := picture.Bounds(); b.Dx() != 320 || b.Dy() != 240 {
		t.Errorf("a snapshot of %v", b)
	}
	// The test source has colour bars: red is somewhere.
	red := 0
	for y := range 240 {
		for x := range 320 {
			if r, g, b, _ := picture.At(x, y).RGBA(); r > 0xd000 && g < 0x3000 && b < 0x3000 {
				red++
			}
		}
	}
	if red < 500 {
		t.Errorf("%d red pixels in the snapshot", red)
	}
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Errorf("%s: %v", r.name, r.err)
			continue
		}
		got := slicesOf(r.out)
		if len(got) != 600 {
			t.Errorf("%s: %d slices of 300 pictures", r.name, len(got))
			continue
		}
		if got[0][0]&0x1f != 5 {
			t.Errorf("%s: begins with no key frame", r.name)
		}
		next := 0
		for i, n := range got {
			if i%2 == 0 && n[0]&0x1f == 5 && !bytes.Equal(n, want[next]) { // it begins here, or was too slow on a machine that is busy
				for next = 0; next < len(want) && !bytes.Equal(n, want[next]); next++ {
				}
			}
			if next == len(want) || !bytes.Equal(n, want[next]) {
				t.Errorf("%s: slice %d is not the film's", r.name, i)
				break
			}
			next = (next + 1) % len(want)
		}
	}
	var state stream.State
	if err := json.Unmarshal(s.get(t, "/state"), &state); err != nil {
		t.Fatal(err)
	}
	if state.Source.Kind != "h264" || state.Video == nil || state.Video.Encoder != "pass-through" || state.Video.Dropped != 0 || state.Settings.FPS != 100 || state.NoPictures != "" {
		t.Errorf("%+v, %+v", state.Pipeline, state.Video)
	}
	s.end(t, os.Interrupt)
	code, _, stderr := runIn(t, []string{"serve", "--listen", "127.0.0.1:0", "--announce=false", "--source", film, "--rotate", "90"}, "", nil)
	if code != 2 || !strings.Contains(stderr, "H.264 already and are passed through") {
		t.Errorf("--rotate: %d %s", code, stderr)
	}
}

// H.264 on standard input is taken as it comes; it ends the program in order.
func TestH264OnStandardInput(t *testing.T) {
	needOpenH264(t)
	film := film264(t, 100)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := asProgram(ctx, "snapshot", "--source", "-", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(film)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(1500 * time.Millisecond) // nothing comes for longer than anybody waits for the first byte
		for {
			if _, err := in.Write(data); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil || !bytes.HasPrefix(out.Bytes(), []byte("\xff\xd8\xff")) {
		t.Errorf("%v: %d bytes, %s", err, out.Len(), &problems)
	}
	cmd = asProgram(ctx, "snapshot", "--source", "-", "-")
	cmd.Stdin = bytes.NewReader(data) // it is over at once
	if out, err := cmd.Output(); err != nil || !bytes.HasPrefix(out, []byte("\xff\xd8\xff")) {
		t.Errorf("a short film: %v: %d bytes", err, len(out))
	}
	one, err := os.ReadFile(film264(t, 1, "-bf", "2")) // a decoder waits for what might be shown before it
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"cut off": data[:len(data)-100], "one picture": one, "from the middle of a unit": data[700:], "after zeros": append(make([]byte, 20), data...),
		"after a line break": append([]byte("\r\n"), data...),
	} {
		cmd = asProgram(ctx, "snapshot", "--source", "-", "-")
		cmd.Stdin = bytes.NewReader(data)
		if out, err := cmd.Output(); err != nil || !bytes.HasPrefix(out, []byte("\xff\xd8\xff")) {
			t.Errorf("%s: %v: %d bytes", name, err, len(out))
		}
	}
	cmd = asProgram(ctx, "serve", "--listen", "127.0.0.1:0", "--announce=false", "--source", "-")
	cmd.Stdin = bytes.NewReader(data) // a pipe
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("source ended")) {
		t.Errorf("%v: %s", err, out)
	}
}

// Without OpenH264's library the H.264 goes out as it comes in, and whatever would need its pictures says what is missing.
func TestH264FilmWithoutTheLibrary(t *testing.T) {
	film := film264(t, 100)
	none := t.TempDir()
	if err := os.WriteFile(filepath.Join(none, openh264.Library), nil, 0o600); err != nil { // it is found first, and is no library
		t.Fatal(err)
	}
	t.Setenv("LD_LIBRARY_PATH", none)
	s := start(t, "--source", film)
	reply, err := http.Get(s.url + "/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reply.Body)
	reply.Body.Close()
	if err != nil || reply.StatusCode != http.StatusNotImplemented || !strings.Contains(string(text), "no JPEG from an H.264 source") ||
		!strings.Contains(string(text), "apt install libopenh264-7") {
		t.Errorf("/snapshot: %s, %s", reply.Status, text)
	}
	if state := s.get(t, "/state"); !bytes.Contains(state, []byte(`"no_pictures": "no JPEG from an H.264 source: `)) {
		t.Errorf("/state: %s", state)
	}
	out, err := exec.Command(testenv.Program(t, "ffmpeg"), "-v", "error", "-i", s.url+"/video.mp4", "-frames:v", "50", "-c", "copy", "-f", "h264", "-").Output()
	if err != nil || len(slicesOf(out)) != 100 {
		t.Errorf("/video.mp4: %v, %d slices", err, len(slicesOf(out)))
	}
	// The stream shows why.
	var header [200]byte
	stream, err := http.Get(s.url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if _, err := io.ReadFull(stream.Body, header[:]); err != nil || !bytes.Contains(header[:], []byte("image/jpeg")) {
		t.Errorf("/stream: %v, %q", err, header)
	}
}

// B-frames go out with the times at which they are shown, over RTSP and as MP4; WebRTC, which has none, says so.
func TestH264FilmWithBFrames(t *testing.T) {
	needOpenH264(t)
	film := film264(t, 200, "-bf", "3", "-x264-params", "b-adapt=0")
	address := testenv.FreeMediaAddress(t)
	s := start(t, "--source", film, "--rtsp", address, "--report", "0", "--webrtc", testenv.FreeMediaAddress(t))
	for name, args := range map[string][]string{
		"RTSP": {"-rtsp_transport", "tcp", "-i", "rtsp://" + address + "/h264"},
		"MP4":  {"-i", s.url + "/video.mp4"},
	} {
		// The times of 50 pictures as a player decodes and shows them.
		args := append(append([]string{"-v", "error", "-xerror"}, args...), "-frames:v", "50", "-fps_mode", "passthrough", "-copyts", "-enc_time_base", "1:90000", "-f", "framemd5", "-")
		var problems bytes.Buffer
		cmd := exec.Command(testenv.Program(t, "ffmpeg"), args...)
		cmd.Stderr = &problems
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v: %s", name, err, &problems)
			continue
		}
		var times []int
		for line := range strings.Lines(string(out)) {
			var stream, dts, pts int
			if n, _ := fmt.Sscanf(line, "%d, %d, %d,", &stream, &dts, &pts); n == 3 {
				times = append(times, pts)
			}
		}
		if len(times) != 50 {
			t.Errorf("%s: %d pictures: %s", name, len(times), out)
			continue
		}
		for i := 1; i < len(times); i++ {
			if times[i] <= times[i-1] {
				t.Errorf("%s: picture %d is shown at %d, the one before at %d", name, i, times[i], times[i-1])
			}
		}
	}
	if b := s.snapshot(t).Bounds(); b.Dx() != 320 || b.Dy() != 240 {
		t.Errorf("%v", b)
	}
	reply, err := http.Post(s.url+"/whep", "application/sdp", strings.NewReader("v=0\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if text, _ := io.ReadAll(reply.Body); reply.StatusCode != http.StatusNotImplemented || !strings.Contains(string(text), "B-frames") {
		t.Errorf("/whep: %s: %s", reply.Status, text)
	}
	if state := s.get(t, "/state"); !bytes.Contains(state, []byte("it has B-frames")) {
		t.Errorf("/state: %s", state)
	}
}
