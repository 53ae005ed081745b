//go:build cgo

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/internal/testenv/browser"
)

// patchControls changes the camera's controls, and returns the reply's status and text.
func patchControls(base, body string) (code int, text string, err error) {
	request, err := http.NewRequest(http.MethodPatch, base+"/api/controls", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	return reply.StatusCode, string(b), err
}

// meanOf returns the mean colour of a snapshot's left part, where neither zoom nor time changes the simulator's scene.
func meanOf(t *testing.T, base string) (y, cb, cr float64) {
	t.Helper()
	img := snapshotOf(t, base)
	n := 0.0
	for py := 0; py < img.Bounds().Dy(); py += 3 {
		for px := 0; px < img.Bounds().Dx()/8; px += 3 {
			c := color.YCbCrModel.Convert(img.At(px, py)).(color.YCbCr)
			y, cb, cr, n = y+float64(c.Y), cb+float64(c.Cb), cr+float64(c.Cr), n+1
		}
	}
	return y / n, cb / n, cr / n
}

func snapshotOf(t *testing.T, base string) image.Image {
	t.Helper()
	reply, err := http.Get(base + "/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	img, err := jpeg.Decode(reply.Body)
	if err != nil {
		t.Fatal(reply.Status, err)
	}
	return img
}

// whites counts the points of a snapshot that are as white as the scene's square.
func whites(t *testing.T, base string) (n int) {
	t.Helper()
	img := snapshotOf(t, base)
	for y := 0; y < img.Bounds().Dy(); y += 6 {
		for x := 0; x < img.Bounds().Dx(); x += 6 {
			if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y > 215 {
				n++
			}
		}
	}
	return n
}

// The picture follows controls set over HTTP; unknown controls and invalid values are rejected with a reason.
func TestCameraFollowsItsControls(t *testing.T) {
	for _, path := range []string{"frame", "bound"} {
		t.Run(path, func(t *testing.T) {
			base, _, end := onCamera(t, "--size", "640x480", "--path", path, "--state-file", "none")
			defer end()
			y0, cb0, cr0 := meanOf(t, base)
			set := func(body string) {
				t.Helper()
				if code, text, err := patchControls(base, body); err != nil || code != http.StatusOK {
					t.Fatal(code, text, err)
				}
			}
			becomes := func(what string, is func(y, cb, cr float64) bool) {
				t.Helper()
				testenv.Eventually(t, what, func() bool { return is(meanOf(t, base)) })
			}
			set(`{"auto_exposure": 1, "exposure_time_absolute": 4000, "gain": 1024}`)
			becomes("darker with a shorter exposure", func(y, _, _ float64) bool { return y < y0*0.7 })
			set(`{"gain": 4096}`)
			becomes("brighter with more gain", func(y, _, _ float64) bool { return y > y0*1.2 })
			set(`{"auto_exposure": 0, "white_balance_automatic": 0, "red_balance": 1500, "blue_balance": 700}`)
			becomes("redder with another white balance", func(_, cb, cr float64) bool { return cr > cr0+10 && cb < cb0-5 })
			set(`{"white_balance_automatic": 1}`)
			becomes("as it was", func(y, _, cr float64) bool { return y > y0*0.9 && y < y0*1.1 && cr < cr0+4 })
			before := whites(t, base)
			set(`{"zoom_absolute": 800, "pan_absolute": 58, "tilt_absolute": -68}`)
			testenv.Eventually(t, "the white square is large", func() bool { return whites(t, base) > 4*before })
			for body, want := range map[string]string{
				`{"exposure_time_absolute": 1, "no_such": 1}`: "422 no_such",
				`{"gain": 5}`:               "422 1024 to",
				`{"gain": "much"}`:          "422 a whole number",
				`{"auto_exposure": [1]}`:    "422 auto_exposure",
				`{"auto_exposure": "Loud"}`: "422 Loud",
				`{"gain": 1.5}`:             "422 gain",
				`[]`:                        "400 JSON object",
			} {
				code, text, err := patchControls(base, body)
				if wantCode, says, _ := strings.Cut(want, " "); err != nil || fmt.Sprint(code) != wantCode || !strings.Contains(text, says) {
					t.Errorf("%s: %d %s %v, want %s", body, code, text, err, want)
				}
			}
		})
	}
}

// A source without controls has none, and says so.
func TestSourceWithoutControls(t *testing.T) {
	film := t.TempDir() + "/film.mjpeg"
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 48)), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(film, bytes.Repeat(b.Bytes(), 5), 0o600); err != nil {
		t.Fatal(err)
	}
	base, stop := serving(t, nil, "--source", film, "--state-file", "none")
	defer stop()
	testenv.Eventually(t, "the source runs", func() bool {
		reply, err := http.Get(base + "/api/controls")
		if err != nil {
			return false
		}
		defer reply.Body.Close()
		text, _ := io.ReadAll(reply.Body)
		return reply.StatusCode == http.StatusOK && strings.Contains(string(text), `"controls": []`)
	})
	if code, text, err := patchControls(base, `{"brightness": 1}`); err != nil || code != http.StatusUnprocessableEntity || !strings.Contains(text, "no controls") {
		t.Error(code, text, err)
	}
	if code, _, problem := maixstream("controls", "--source", base); code != exitDone || !strings.Contains(problem, "has no controls") {
		t.Error(code, problem)
	}
}

// Two clients change everything while the stream and any H.264 are read: nothing stalls, nothing leaks.
// SOAK_CHANGES is the number of changes per path (make soak: ten thousand).
func TestManyChangesWhileStreaming(t *testing.T) {
	testenv.Long(t, "takes half a minute")
	each := 150
	if n := os.Getenv("SOAK_CHANGES"); n != "" {
		changes, err := strconv.Atoi(n)
		if err != nil || changes < 2 {
			t.Fatalf("SOAK_CHANGES=%q: want a number of changes", n)
		}
		each = changes / 2
	}
	for _, path := range []string{"frame", "bound"} {
		t.Run(path, func(t *testing.T) {
			base, root, end := onCameraWith(t, "sensor_fps=120;encode_us_per_mpixel=0", nil, "--size", "160x120", "--fps", "60", "--path", path, "--state-file", "none")
			_ = snapshotOf(t, base)
			reading, stopReading := context.WithCancel(t.Context())
			var readers, clients sync.WaitGroup
			var streamed, filmed, late atomic.Int64
			read := func(path string, n *atomic.Int64) {
				request, _ := http.NewRequestWithContext(reading, http.MethodGet, base+path, nil)
				reply, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				defer reply.Body.Close()
				if reply.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", path, reply.Status)
				}
				b := make([]byte, 64<<10)
				for {
					k, err := reply.Body.Read(b)
					n.Add(int64(k))
					if err != nil {
						if reading.Err() == nil {
							t.Errorf("%s ended: %v", path, err)
						}
						return
					}
				}
			}
			readers.Go(func() { read("/stream", &streamed) })
			film := hasFilm(t, base)
			if film {
				readers.Go(func() { read("/video.mp4", &filmed) })
			}
			for client := range 2 {
				clients.Go(func() {
					for i := range each {
						n := i + client
						body := []string{
							fmt.Sprintf(`{"auto_exposure": %d, "exposure_time_absolute": %d, "gain": %d}`, n/4%2, 100+n%1000, 1024+n%1024),
							fmt.Sprintf(`{"white_balance_automatic": %d, "red_balance": %d}`, n/4%2, 1000+n%500),
							fmt.Sprintf(`{"saturation_automatic": 0, "saturation": %d, "color_effects": %d}`, n%256, n/4%2),
							fmt.Sprintf(`{"zoom_absolute": %d, "pan_absolute": %d}`, 100+n%700, n%200-100),
						}[n%4]
						for start := time.Now(); ; {
							code, text, err := patchControls(base, body)
							if err == nil && code == http.StatusOK {
								break
							}
							// On a busy machine the simulated camera is late: changes that it reports as not applied are repeated.
							if err != nil || code != http.StatusServiceUnavailable && code != http.StatusInternalServerError || time.Since(start) > time.Minute {
								t.Errorf("change %d: %s: %d %s %v", i, body, code, text, err)
								return
							}
							late.Add(1)
						}
					}
				})
			}
			begun := time.Now()
			clients.Wait()
			took := time.Since(begun)
			for name, n := range map[string]*atomic.Int64{"stream": &streamed, "H.264": &filmed} {
				before := n.Load()
				if name == "stream" || film {
					testenv.Eventually(t, "the "+name+" goes on", func() bool { return n.Load() > before })
				}
			}
			stopReading()
			readers.Wait()
			var state struct {
				Restarts uint64
				Dropped  struct{ Broken uint64 }
			}
			reply, err := http.Get(base + "/state")
			if err != nil {
				t.Fatal(err)
			}
			defer reply.Body.Close()
			if err := json.NewDecoder(reply.Body).Decode(&state); err != nil || state.Dropped.Broken != 0 {
				t.Errorf("%v: %+v", err, state)
			}
			end()
			if out, err := exec.Command(os.Getenv("MAIXSIM_TOOL"), "report", root).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			t.Logf("%d changes in %.1f s, %d asked for again, the camera started %d times again; %d bytes of stream, %d of H.264",
				2*each, took.Seconds(), late.Load(), state.Restarts, streamed.Load(), filmed.Load())
		})
	}
}

// hasFilm reports whether the camera provides H.264, too.
func hasFilm(t *testing.T, base string) bool {
	t.Helper()
	var state struct {
		H264 struct{ Available bool }
	}
	reply, err := http.Get(base + "/state")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state.H264.Available
}

// With two browsers open, one's change appears in the other, and the picture gets darker in both.
func TestTwoBrowsersStayInSync(t *testing.T) {
	testenv.Long(t, "takes ten seconds")
	base, _, end := onCamera(t, "--size", "320x240", "--state-file", "none")
	defer end()
	pages := [2]context.Context{browser.Start(t, 900, 1000), browser.Start(t, 390, 844)}
	eval := func(page int, expression string) string {
		t.Helper()
		asking, cancel := context.WithTimeout(pages[page], time.Minute)
		defer cancel()
		value, err := chromedp.Run(asking, chromedp.Evaluate[string]("String("+expression+")"))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		return value
	}
	for i, page := range pages {
		if err := chromedp.Do(page, chromedp.Navigate(base+"/")); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, "the panel", func() bool {
			return eval(i, `!document.getElementById("camera-set").disabled && document.getElementById("control-gain") !== null`) == "true"
		})
	}
	y0, _, _ := meanOf(t, base)
	move := func(page int, name, value string) {
		t.Helper()
		eval(page, fmt.Sprintf(`(() => { const e = document.getElementById("control-%s"); e.value = %q; e.dispatchEvent(new Event("input")) })()`, name, value))
	}
	follows := func(page int, name, value string) {
		t.Helper()
		testenv.Eventually(t, "the other page follows", func() bool {
			return eval(page, fmt.Sprintf(`document.getElementById("control-%s").value`, name)) == value
		})
	}
	move(0, "auto_exposure", "1")
	follows(1, "auto_exposure", "1")
	testenv.Eventually(t, "the exposure time is free there", func() bool {
		return eval(1, `document.getElementById("control-exposure_time_absolute").disabled`) == "false"
	})
	move(1, "exposure_time_absolute", "3000")
	follows(0, "exposure_time_absolute", "3000")
	testenv.Eventually(t, "the picture is darker", func() bool { y, _, _ := meanOf(t, base); return y < y0*0.6 })
	move(0, "auto_exposure", "0")
	testenv.Eventually(t, "the exposure time rests there, with the reason", func() bool {
		return eval(1, `document.getElementById("control-exposure_time_absolute").disabled + document.getElementById("control-exposure_time_absolute-why").textContent`) == "trueManaged by "+
			eval(1, `document.querySelector("label[for=control-auto_exposure]").textContent`)
	})
}
