package upload_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/server/upload"
	"github.com/maixstream/maixstream/server/web"
)

// The test binary also runs as the server, so that its memory and CPU time can be measured separately.
const roleVariable = "MAIXSTREAM_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(roleVariable); dir != "" {
		serverRole(dir)
		return
	}
	os.Exit(testenv.Main(m).Run())
}

func serverRole(dir string) {
	s, err := upload.New(upload.Config{HTTP: web.Config{Listen: []string{"127.0.0.1:0"}}, Dir: dir, Keep: 24 * time.Hour, MaxBytes: 100 << 30})
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.URLs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	senders = 100
	fps     = 5
)

// A hundred devices each post five pictures of 640x480 per second: all are stored once, unchanged. MAIXSTREAM_SECONDS=60 (make bench-receive)
// makes it a measurement.
func TestHundredDevices(t *testing.T) {
	seconds := 3
	if text := os.Getenv("MAIXSTREAM_SECONDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		seconds = n
	}
	pictures := photographs(t)
	for _, mode := range []struct {
		name string
		send func(t *testing.T, url, device string, next func() ([]byte, int, bool)) ([]time.Duration, error)
	}{{"a request a picture", sendRaw}, {"a stream a device", sendStream}} {
		t.Run(mode.name, func(t *testing.T) {
			hundred(t, time.Duration(seconds)*time.Second, pictures, mode.send)
		})
	}
}

// photographs returns detailed JPEGs of 640x480, 40 to 60 KB.
func photographs(t *testing.T) [][]byte {
	var list [][]byte
	for i := range 16 {
		img, _, err := image.Decode(bytes.NewReader(scene(t, fmt.Sprint("camera", i), i)))
		if err != nil {
			t.Fatal(err)
		}
		grain := image.NewRGBA(img.Bounds())
		seed := uint32(i + 1)
		for y := range 480 {
			for x := range 640 {
				seed = seed*1664525 + 1013904223
				c := img.At(x, y)
				r, g, b, _ := c.RGBA()
				n := int(seed>>28) - 8
				for k, v := range []uint32{r, g, b} {
					grain.Pix[grain.PixOffset(x, y)+k] = uint8(max(0, min(255, int(v>>8)+n)))
				}
				grain.Pix[grain.PixOffset(x, y)+3] = 255
			}
		}
		list = append(list, encodeJPEG(t, grain, 80))
	}
	return list
}

func hundred(t *testing.T, length time.Duration, pictures [][]byte, send func(*testing.T, string, string, func() ([]byte, int, bool)) ([]time.Duration, error)) {
	dir := t.TempDir()
	exe, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleVariable+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
	}
	defer end()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(url)

	var late, sent, sentBytes atomic.Int64
	latencies := make([][]time.Duration, senders)
	var running sync.WaitGroup
	began := time.Now()
	for d := range senders {
		running.Go(func() {
			due := began.Add(time.Duration(d) * time.Second / fps / senders)
			n := 0
			next := func() ([]byte, int, bool) {
				if due.Sub(began) >= length {
					return nil, 0, false
				}
				time.Sleep(time.Until(due))
				if time.Since(due) > time.Second/fps {
					late.Add(1)
				}
				due = due.Add(time.Second / fps)
				n++
				p := pictures[(n+d)%len(pictures)]
				sent.Add(1)
				sentBytes.Add(int64(len(p)))
				return p, n, true
			}
			var err error
			if latencies[d], err = send(t, url, fmt.Sprintf("cam-%03d", d), next); err != nil {
				t.Errorf("device %d: %v", d, err)
			}
		})
	}
	var memory []int // RSS of the server each second, KiB
	stopSampling := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-stopSampling:
				return
			case <-ticker.C:
				memory = append(memory, status(t, cmd.Process.Pid, "VmRSS"))
			}
		}
	})
	running.Wait()
	elapsed := time.Since(began)
	close(stopSampling)
	sampling.Wait()
	peak := status(t, cmd.Process.Pid, "VmHWM")
	reply, err := http.Get(url + "/devices")
	if err != nil {
		t.Fatal(err)
	}
	var state struct {
		Devices []upload.Device
		Total   upload.State
	}
	err = json.NewDecoder(reply.Body).Decode(&state)
	reply.Body.Close()
	if err != nil || int64(state.Total.Pictures) != sent.Load() || len(state.Devices) != senders {
		t.Errorf("%d pictures of %d devices stored (%v), %d sent", state.Total.Pictures, len(state.Devices), err, sent.Load())
	}
	end()
	verify(t, dir, pictures, int(sent.Load()))

	all := slices.Concat(latencies...)
	slices.Sort(all)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("%d pictures, %.1f MB, in %.1f s: %.0f a second; %d were sent more than %v after their time", sent.Load(), float64(sentBytes.Load())/1e6, elapsed.Seconds(),
		float64(sent.Load())/elapsed.Seconds(), late.Load(), time.Second/fps)
	if len(all) > 0 {
		t.Logf("from the first byte sent to the reply read: p50 %v, p99 %v, max %v", all[len(all)/2], all[len(all)*99/100], all[len(all)-1])
	}
	t.Logf("server: %v of CPU time a picture (%.0f %% of one core); memory peak %.1f MiB", (cpu / time.Duration(sent.Load())).Round(time.Microsecond),
		100*cpu.Seconds()/elapsed.Seconds(), float64(peak)/1024)
	if n := len(memory); n >= 20 {
		t.Logf("memory, MiB: %.1f after 5 s, %.1f in the middle, %.1f at the end", float64(memory[4])/1024, float64(memory[n/2])/1024, float64(memory[n-1])/1024)
		if memory[n-1] > 256<<10 {
			t.Errorf("%d KiB at the end", memory[n-1])
		}
	}
}

// status returns a field of /proc/PID/status, in KiB.
func status(t *testing.T, pid int, name string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Error(err)
		return 0
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	n := 0
	_, _ = fmt.Sscan(rest, &n)
	return n
}

// verify reads every stored file: each is one of the pictures, and each device has as many as it sent.
func verify(t *testing.T, dir string, pictures [][]byte, sent int) {
	t.Helper()
	known := map[uint32]bool{}
	for _, p := range pictures {
		known[crc32.ChecksumIEEE(p)] = true
	}
	list := files(t, dir)
	if len(list) != sent {
		t.Errorf("%d files, %d sent", len(list), sent)
	}
	count := map[string]int{}
	for _, name := range list {
		count[name[:strings.IndexByte(name, '/')]]++
		if !known[crc32.ChecksumIEEE(read(t, dir, name))] {
			t.Fatalf("%s is not one of the pictures", name)
		}
	}
	for device, n := range count {
		if n != sent/senders {
			t.Errorf("%s: %d files, want %d", device, n, sent/senders)
		}
	}
}

func stampNow() string { return stampOf(time.Now()) }

// sendRaw posts each picture in a separate request, on one connection.
func sendRaw(_ *testing.T, url, device string, next func() ([]byte, int, bool)) (latencies []time.Duration, err error) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	for {
		p, n, more := next()
		if !more {
			return latencies, nil
		}
		r, err := http.NewRequest(http.MethodPost, url+"/upload?device="+device, bytes.NewReader(p))
		if err != nil {
			return nil, err
		}
		for k, v := range (headers{"Content-Type": "image/jpeg", "X-Timestamp": stampNow(), "X-Sequence": strconv.Itoa(n), "Idempotency-Key": fmt.Sprint(device, n)}) {
			r.Header.Set(k, v)
		}
		began := time.Now()
		reply, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil || reply.StatusCode != http.StatusOK || bytes.Contains(text, []byte("duplicate")) {
			return nil, fmt.Errorf("%s: %s (%w)", reply.Status, text, err)
		}
		latencies = append(latencies, time.Since(began))
	}
}

// sendStream posts all pictures in one endless request.
func sendStream(t *testing.T, url, device string, next func() ([]byte, int, bool)) ([]time.Duration, error) {
	out, in := io.Pipe()
	w := multipart.NewWriter(in)
	sent := 0
	go func() {
		for {
			p, n, more := next()
			if !more {
				break
			}
			sent = n
			if err := part(w, p, true, headers{"X-Timestamp": stampNow(), "X-Sequence": strconv.Itoa(n), "Idempotency-Key": fmt.Sprint(device, n)}); err != nil {
				t.Error(err)
				break
			}
		}
		_ = w.Close()
		_ = in.Close()
	}()
	reply, err := http.Post(url+"/upload?device="+device, "multipart/x-mixed-replace; boundary="+w.Boundary(), out)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	var a answer
	if err := json.NewDecoder(reply.Body).Decode(&a); err != nil || !a.OK || a.Pictures != sent || a.Duplicates != 0 {
		return nil, fmt.Errorf("%s: %+v (%w)", reply.Status, a, err)
	}
	return nil, nil
}
