//go:build linux && cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/internal/testenv"
)

// ageTest is how long each case runs: by default just long enough to see a queue grow; MAIXSTREAM_AGE_TEST=1m measures what the documents promise, on
// an otherwise idle machine.
func ageTest(t *testing.T) (length time.Duration, strict bool) {
	t.Helper()
	text := os.Getenv("MAIXSTREAM_AGE_TEST")
	if text == "" {
		return 4 * time.Second, false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d, true
}

// born returns a picture with its capture time in a comment.
func born(picture []byte, at time.Time) []byte {
	text := strconv.FormatInt(at.UnixNano(), 10)
	return bytes.Join([][]byte{picture[:2], {0xff, 0xfe, 0, byte(len(text) + 2)}, []byte(text), picture[2:]}, nil)
}

// ageOf reads it; false if the picture is not the camera's.
func ageOf(t *testing.T, picture []byte) (time.Duration, bool) {
	at := bytes.Index(picture, []byte{0xff, 0xfe})
	if at < 0 {
		return 0, false
	}
	nanos, err := strconv.ParseInt(string(picture[at+4:at+2+int(picture[at+3])]), 10, 64)
	if err != nil {
		t.Error(err)
	}
	return time.Since(time.Unix(0, nanos)), true
}

// camera writes pictures at a fixed rate, regardless of its reader.
func camera(ctx context.Context, w io.Writer, picture []byte, fps float64, headers bool) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / fps))
	defer tick.Stop()
	for {
		jpg := born(picture, time.Now())
		if headers {
			jpg = append(fmt.Appendf(nil, "\r\n--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", len(jpg)), jpg...)
		}
		if _, err := w.Write(jpg); err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// A source is read immediately: a picture's age does not depend on how few are wanted, with slow viewers and without viewers.
func TestPicturesAreNewWhateverTheSourceSends(t *testing.T) {
	testenv.Long(t, "takes half a minute")
	length, strict := ageTest(t)
	rates := [][2]float64{{60, 1}, {30, 5}, {60, 29}}
	if strict {
		rates = [][2]float64{{30, 1}, {30, 5}, {30, 29}, {60, 1}, {60, 5}, {60, 29}}
	}
	program, picture := buildProgram(t), casetest.Read(t, "base.jpg")
	picture = append(picture[:len(picture)-2:len(picture)-2], append(make([]byte, 30_000), 0xff, 0xd9)...) // zeros after the last block, which are ignored
	sender := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fps, _ := strconv.ParseFloat(r.URL.Query().Get("fps"), 64)
		w.Header().Set("Content-Type", "multipart/x-mixed-replace;boundary=b")
		camera(r.Context(), w, picture, fps, true)
	}))
	defer sender.Close()
	t.Run("cases", func(t *testing.T) {
		for _, rate := range rates {
			for _, from := range []string{"http", "stdin", "push"} {
				t.Run(fmt.Sprintf("%s, %g to %g", from, rate[0], rate[1]), func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					args := []string{"--fps", fmt.Sprint(rate[1]), "--source", fmt.Sprintf("%s/?fps=%g", sender.URL, rate[0])}
					var in io.Reader
					if from == "stdin" {
						args[3] = "-"
						reader, writer, err := os.Pipe()
						if err != nil {
							t.Fatal(err)
						}
						in = reader
						go func() {
							defer writer.Close()
							camera(ctx, writer, picture, rate[0], false)
						}()
						defer reader.Close()
					}
					measure := viewedAges
					if from == "push" {
						measure = pushedAges
					}
					ages := measure(ctx, t, program, args, in, length)
					cancel()
					if len(ages) == 0 {
						t.Fatal("no pictures came")
					}
					slices.Sort(ages)
					limit := 1500 * time.Millisecond // a queue would be older by now
					if strict {
						limit = time.Duration(1.5/rate[0]*float64(time.Second)) + 150*time.Millisecond
					}
					p99 := ages[(len(ages)-1)*99/100]
					t.Logf("%d pictures, age p50 %v, p99 %v", len(ages), ages[len(ages)/2].Round(100*time.Microsecond), p99.Round(100*time.Microsecond))
					if p99 > limit {
						t.Errorf("p99 %v, limit %v", p99, limit)
					}
				})
			}
		}
	})
}

// viewedAges runs serve for a while without a viewer, then with one and another that reads nothing.
func viewedAges(ctx context.Context, t *testing.T, program string, args []string, in io.Reader, length time.Duration) (ages []time.Duration) {
	cmd := exec.CommandContext(ctx, program, append([]string{"serve", "--listen", "127.0.0.1:0", "--announce=false", "--report", "0", "--log-level", "error"}, args...)...)
	cmd.Stdin = in
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(length / 2)
	var bodies [2]io.ReadCloser
	var boundary string
	for i := range bodies {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSpace(line)+"/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		_, params, err := mime.ParseMediaType(reply.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		bodies[i], boundary = reply.Body, params["boundary"]
	}
	parts := multipart.NewReader(bodies[1], boundary)
	for begin := time.Now(); time.Since(begin) < length; {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		jpg, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if age, ok := ageOf(t, jpg); ok {
			ages = append(ages, age)
		}
	}
	return ages[min(1, len(ages)):] // the first one may be as old as --idle-fps allows
}

// pushedAges runs push --every to a server that accepts everything.
func pushedAges(ctx context.Context, t *testing.T, program string, args []string, _ io.Reader, length time.Duration) (ages []time.Duration) {
	var mu sync.Mutex
	inbox := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		jpg, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if age, ok := ageOf(t, jpg); ok {
			ages = append(ages, age)
		}
	}))
	defer inbox.Close()
	cmd := exec.CommandContext(ctx, program, append([]string{"push", inbox.URL, "--log-level", "error"}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(length)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(ages)
}
