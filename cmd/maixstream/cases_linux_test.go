//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/internal/jpegcheck"
)

// quarters names the colours of the pattern's corners, row by row, as displayed.
func quarters(t *testing.T, encoded []byte) string {
	t.Helper()
	img, err := picture.Decode(encoded, picture.Limits{})
	if err != nil {
		return err.Error()
	}
	defer img.Release()
	return cornersOf(img)
}

func cornersOf(img image.Image) string {
	b, names := img.Bounds(), make([]string, 4)
	for i := range names {
		red, green, blue, _ := img.At(b.Min.X+b.Dx()*(1+6*(i%2))/8, b.Min.Y+b.Dy()*(1+6*(i/2))/8).RGBA()
		for j, v := range []uint32{red, green, blue} {
			if v > 0x8000 {
				names[i] += "rgb"[j : j+1]
			}
		}
	}
	return strings.Join(names, " ")
}

func cornersWanted(c casetest.JPEG) string {
	if strings.HasPrefix(c.Name, "orientation") { // turned clockwise
		return "b r rgb g"
	}
	return "r g b rgb"
}

// oddCamera serves odd pictures at /N.jpg, and as a stream at /N.
func oddCamera(t *testing.T, cases []casetest.JPEG) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err != nil || n >= len(cases) {
			http.NotFound(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, ".jpg") {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(cases[n].Data)
			return
		}
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=b")
		for r.Context().Err() == nil {
			if _, err := fmt.Fprintf(w, "--b\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n", cases[n].Data); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// Pictures that other programs show are shown, through every input and output.
func TestValidJPEGsAreShown(t *testing.T) {
	program, cases, dir := buildProgram(t), casetest.Shown(t), t.TempDir()
	cam, in, receiver := oddCamera(t, cases), newInbox(t), newReceiver(t, program)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	names := make([]string, len(cases))
	for i, c := range cases {
		names[i] = filepath.Join(dir, fmt.Sprintf("%02d.jpg", i))
		if err := os.WriteFile(names[i], c.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output := func(stdin []byte, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, program, args...)
		if stdin != nil {
			cmd.Stdin = bytes.NewReader(stdin) // a pipe
		}
		var problems bytes.Buffer
		cmd.Stderr = &problems
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, &problems)
		}
		return out, err
	}
	t.Run("seen", func(t *testing.T) {
		for i, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				check := func(how string, jpg []byte, err error) {
					t.Helper()
					info, bad := jpegcheck.Parse(jpg)
					if err != nil || bad != nil || !info.Whole() || info.Size != len(jpg) || info.Width != c.Width || info.Height != c.Height {
						t.Errorf("%s: %d bytes, %+v (%v, %v)", how, len(jpg), info, err, bad)
						return
					}
					if got := quarters(t, jpg); !c.Huge && got != cornersWanted(c) || c.Huge && !strings.Contains(got, "8192") {
						t.Errorf("%s: %s, want %s", how, got, cornersWanted(c))
					}
				}
				for how, source := range map[string]string{
					"file": names[i], "pipe": "-", "address": fmt.Sprintf("%s/%d.jpg", cam.URL, i), "stream": fmt.Sprintf("%s/%d", cam.URL, i),
				} {
					var stdin []byte
					if source == "-" {
						if c.Name == "two pictures" {
							continue // without a file's name, or an index in it, two pictures are two
						}
						stdin = c.Data
					}
					jpg, err := output(stdin, "snapshot", "-", "--timeout", "1m", "--source", source)
					check("snapshot of a "+how, jpg, err)
				}
				check("serve", streamed(ctx, t, program, names[i]), nil)
				if c.Huge {
					return
				}
				camera, err := hw.OpenCamera(hw.CameraConfig{Source: names[i]})
				if err != nil {
					t.Fatal(err)
				}
				defer camera.Close()
				img, err := camera.Read(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer img.Release()
				if got := cornersOf(img); got != cornersWanted(c) {
					t.Errorf("hw.OpenCamera: %s, want %s", got, cornersWanted(c))
				}
			})
		}
	})

	// push sends files unchanged, or rotated and converted; receive stores what it gets.
	if _, err := output(nil, "push", in.URL, dir); err != nil {
		t.Error(err)
	}
	for i, m := range in.list() {
		if len(in.list()) == len(cases) && !bytes.Equal(m.data, cases[i].Data) {
			t.Errorf("push: %s: %d bytes came of %d", cases[i].Name, len(m.data), len(cases[i].Data))
		}
	}
	sent := len(in.list())
	if sent != len(cases) {
		t.Errorf("push: %d pictures of %d", sent, len(cases))
	}
	var flags []string
	for i, c := range cases {
		if !c.Huge {
			flags = append(flags, names[i])
		}
	}
	if _, err := output(nil, append([]string{"push", in.URL, "--format", "png"}, flags...)...); err != nil {
		t.Error(err)
	}
	converted := in.list()[sent:]
	for _, c := range cases {
		if c.Huge {
			continue
		}
		if len(converted) == 0 {
			t.Fatalf("push --format png: %s did not come", c.Name)
		}
		if got := quarters(t, converted[0].data); got != cornersWanted(c) {
			t.Errorf("push --format png: %s: %s, want %s", c.Name, got, cornersWanted(c))
		}
		converted = converted[1:]
	}
	if _, err := output(nil, "push", receiver.url()+"?device=odd", dir); err != nil {
		t.Error(err)
	}
	if kept := receiver.files(); len(kept) != len(cases) {
		t.Errorf("receive keeps %d of %d pictures", len(kept), len(cases))
	}
}

// streamed returns the first picture that a viewer of serve gets.
func streamed(ctx context.Context, t *testing.T, program, source string) []byte {
	t.Helper()
	cmd := exec.CommandContext(ctx, program, "serve", "--listen", "127.0.0.1:0", "--announce=false", "--log-level", "error", "--source", source)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var url string
	if _, err := fmt.Fscanln(out, &url); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	_, parameters, err := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	part, err := multipart.NewReader(reply.Body, parameters["boundary"]).NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	jpg, err := io.ReadAll(part)
	if err != nil {
		t.Fatal(err)
	}
	return jpg
}

// Transparent areas are white, or in the requested colour, wherever a JPEG is made.
func TestHiddenColoursStayHidden(t *testing.T) {
	program, dir, in := buildProgram(t), t.TempDir(), newInbox(t)
	name := filepath.Join(dir, "a.png")
	if err := os.WriteFile(name, casetest.Read(t, "alpha.png"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, flags := range map[string][]string{"rgb": nil, "g": {"--background", "#00ff00"}} {
		snapshot := exec.CommandContext(t.Context(), program, append([]string{"snapshot", "-", "--source", dir, "--size", "160x120"}, flags...)...)
		jpg, err := snapshot.Output()
		if got := quarters(t, jpg); err != nil || !strings.HasPrefix(got, want+" ") {
			t.Errorf("snapshot %v: %s (%v)", flags, got, err)
		}
		push := exec.CommandContext(t.Context(), program, append([]string{"push", in.URL, "--format", "jpeg", name}, flags...)...)
		if out, err := push.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		all := in.list()
		if got := quarters(t, all[len(all)-1].data); !strings.HasPrefix(got, want+" ") {
			t.Errorf("push %v: %s", flags, got)
		}
	}
}

// Video files play at their own rate, without omitting pictures.
func TestVideoFilesArePlayedCompletely(t *testing.T) {
	program, dir := buildProgram(t), t.TempDir()
	for _, film := range casetest.Films() {
		t.Run(film.Name, func(t *testing.T) {
			name := filepath.Join(dir, film.Name)
			if err := os.WriteFile(name, casetest.Read(t, film.Name), 0o600); err != nil {
				t.Fatal(err)
			}
			source, err := hw.OpenSource(hw.SourceConfig{Name: name, FPS: math.Inf(1), Once: true})
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			pictures, memory := 0, make([]byte, 1<<20)
			for err == nil {
				var p frame.Picture
				if err = source.(frame.JPEGSource).ReadJPEG(t.Context(), memory, &p); err == nil {
					pictures++
					if got := quarters(t, memory[:p.Size]); got != "r g b rgb" {
						t.Errorf("picture %d: %s", pictures, got)
					}
				}
			}
			if pictures != 12 {
				t.Errorf("%d pictures, then %v", pictures, err)
			}
			camera, err := hw.OpenCamera(hw.CameraConfig{Source: name})
			if err != nil {
				t.Fatal(err)
			}
			defer camera.Close()
			own := film.FPS
			if own == 0 {
				own = 25
			}
			if got := camera.Info().FPS; got != own {
				t.Errorf("hw.OpenCamera: %g frames a second, want %g", got, own)
			}
			cmd := exec.CommandContext(t.Context(), program, "snapshot", "-", "--source", name)
			if jpg, err := cmd.Output(); err != nil || quarters(t, jpg) != "r g b rgb" {
				t.Errorf("snapshot: %d bytes, %v", len(jpg), err)
			}
			s := start(t, "--source", name)
			if state := s.get(t, "/state"); !bytes.Contains(state, fmt.Appendf(nil, `"fps": %g`, own)) {
				t.Errorf("want %g frames a second in %s", own, state)
			}
			s.end(t, os.Interrupt)
		})
	}
}
