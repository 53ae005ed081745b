package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"go.uber.org/goleak"
)

// With this variable set the test binary is the program, so that signals and exit codes are a real process's.
const beProgram = "MAIXSTREAM_TEST_BE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beProgram) != "" || len(os.Args) > 2 && os.Args[1] == "bench" && os.Args[2] == "child" { // bench starts its own executable
		main()
	}
	if signal.Ignored(syscall.SIGHUP) { // tests under nohup: the programs that they start shall not ignore it as well
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	code := testenv.Main(m).Run()
	for _, remove := range afterTests {
		remove()
	}
	os.Exit(code)
}

// afterTests removes what tests share.
var afterTests []func()

func asProgram(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), beProgram+"=1", envName("webrtc")+"=") // a port that all of them would share
	return cmd
}

// runIn runs the program within this process.
func runIn(t *testing.T, args []string, stdin string, env map[string]string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, problems bytes.Buffer
	code = run(ctx, args, terminal{in: strings.NewReader(stdin), out: &out, err: &problems, env: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
	if ctx.Err() != nil {
		t.Errorf("%v did not end", args)
	}
	return code, out.String(), problems.String()
}

func TestBadInputIsRejected(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return testenv.File(t, dir, name, text) }
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	text, absent := file("text.txt", "not a picture"), filepath.Join(dir, "absent")
	garbage := file("garbage.mjpeg", strings.Repeat("garbage", 1000))
	y4m := file("bad.y4m", "YUV4MPEG2 W0 H0 F30:1\n")
	avi := file("bad.avi", "RIFF\xff\xff\xff\xffAVI LIST")
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()

	serve := func(args ...string) []string {
		return append([]string{"serve", "--listen", "127.0.0.1:0", "--announce=false", "--source", "testcard"}, args...)
	}
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		code int
		says string
	}{
		{"unknown verb", []string{"stream"}, nil, 2, `unknown verb "stream"`},
		{"typo of a verb", []string{"receve"}, nil, 2, "did you mean receive?"},
		{"help of an unknown verb", []string{"help", "snapshit"}, nil, 2, "did you mean snapshot?"},
		{"typo of a flag", serve("--qualitty", "3"), nil, 2, "did you mean --quality?"},
		{"a flag's beginning", serve("--tok", "x"), nil, 2, "did you mean --token-file?"},
		{"µStreamer's port", serve("--port", "8080"), nil, 2, "use --listen :8000"},
		{"µStreamer's host", serve("--host", "127.0.0.1"), nil, 2, "to listen on this address only: --listen 127.0.0.1:8000"},
		{"an IPv6 address for a host", serve("--host", "[::1]:8000"), nil, 2, "to listen on this address only: --listen [::1]:8000"},
		{"a URL for a host", serve("--host", "http://camera.example"), nil, 2, "must be a host name such as camera.example"},
		{"a pattern for a host", serve("--host", "*.example"), nil, 2, "must be a host name such as camera.example"},
		{"a push address that is none", serve("--push", "ftp://camera.example"), nil, 2, "--push: ftp://camera.example: the URL must begin with http"},
		{"µStreamer's resolution", serve("--resolution", "640x480"), nil, 2, "use --size 640x480"},
		{"µStreamer's device", serve("--device", "/dev/video0"), nil, 2, "use --source /dev/video0"},
		{"µStreamer's short flags", serve("-r", "640x480"), nil, 2, "use --size 640x480"},
		{"links of nothing", []string{"links", "http://127.0.0.1:1/"}, nil, 1, "nothing answers at http://127.0.0.1:1/"},
		{"links of words", []string{"links", "ftp://x"}, nil, 2, "want the URL of a running maixstream"},
		{"unknown flag", serve("--sise", "1x1"), nil, 2, "unknown flag: --sise"},
		{"flag without its value", serve("--size"), nil, 2, "flag needs an argument: --size"},
		{"argument too many", serve("extra"), nil, 2, `unexpected argument "extra"`},
		{"size 0", serve("--size", "0x0"), nil, 2, "out of range: 1x1 to 8192x8192"},
		{"size negative", serve("--size", "-640x480"), nil, 2, "out of range"},
		{"size huge", serve("--size", "65536x65536"), nil, 2, "out of range"},
		{"size as a word", serve("--size", "vga"), nil, 2, "WIDTHxHEIGHT"},
		{"quality 0", serve("--quality", "0"), nil, 2, "from 1 to 100"},
		{"quality 101", serve("--quality", "101"), nil, 2, "from 1 to 100"},
		{"fps 0", serve("--fps", "0"), nil, 2, "(one per hour) to 240"},
		{"fps not a number", serve("--fps", "fast"), nil, 2, "(one per hour) to 240"},
		{"workers negative", serve("--workers", "-1"), nil, 2, "from 0 to 64"},
		{"rotate by 45", serve("--rotate", "45"), nil, 2, "one of 0, 90, 180, 270"},
		{"encoder unknown", serve("--encoder", "gpu"), nil, 2, "one of auto, hardware, software"},
		{"hardware encoder of a test card", serve("--encoder", "hardware"), nil, 2, "only the camera of a MaixCAM"},
		{"source absent", serve("--source", absent), nil, 2, absent},
		{"source empty folder", serve("--source", empty), nil, 2, "no"},
		{"source not a picture", serve("--source", text), nil, 2, "text.txt"},
		{"source garbage", serve("--source", garbage), nil, 2, "garbage.mjpeg"},
		{"source bad Y4M", serve("--source", y4m), nil, 2, "bad.y4m"},
		{"source bad AVI", serve("--source", avi), nil, 2, "bad.avi"},
		{"source unknown name", serve("--source", "webcam"), nil, 2, "webcam"},
		{"webcam not a device", serve("--source", "v4l2:"+text), nil, 2, "text.txt"},
		{"port in use", []string{"serve", "--source", "testcard", "--listen", port.Addr().String()}, nil, 1, "address already in use"},
		{"address without port", serve("--listen", "localhost"), nil, 2, "localhost"},
		{"address of nobody", serve("--listen", "256.1.1.1:99999"), nil, 2, "99999"},
		{"nowhere to serve", []string{"serve", "--source", "testcard", "--listen", ""}, nil, 2, "listen"},
		{"rtsp without port", serve("--rtsp", "localhost"), nil, 2, "localhost"},
		{"rtsp at no port", serve("--rtsp", ":0"), nil, 2, "from 1 to 65532"},
		{"socket's path too long", serve("--unix", filepath.Join(dir, strings.Repeat("x", 120))), nil, 1, "at most 103 bytes"},
		{"certificate without key", serve("--tls-cert", text), nil, 2, "--tls-cert and --tls-key must be given together"},
		{"certificate absent", serve("--tls-cert", absent, "--tls-key", absent), nil, 2, absent},
		{"certificate of words", serve("--tls-cert", text, "--tls-key", text), nil, 2, "text.txt"},
		{"page absent", serve("--html", absent), nil, 2, absent},
		{"page a folder", serve("--html", empty), nil, 2, "--html"},
		{"users absent", serve("--auth-file", absent), nil, 2, absent},
		{"users of words", serve("--auth-file", text), nil, 2, "text.txt"},
		{"tokens absent", serve("--token-file", absent), nil, 2, absent},
		{"origin of words", serve("--cors", "everybody"), nil, 2, "everybody"},
		{"clients negative", serve("--max-clients", "-1"), nil, 2, "--max-clients"},
		{"stall timeout 0", serve("--stall-timeout", "0s"), nil, 2, "must be more than 0"},
		{"RTSP at a host alone", serve("--rtsp", "camera"), nil, 2, `--rtsp: address "camera": want host:port`},
		{"RTSPS without a certificate", serve("--rtsps", ":8322"), nil, 2, "needs --tls-cert"},
		{"report negative", serve("--report", "-1s"), nil, 2, "must not be negative"},
		{"record below a piece", serve("--record", dir, "--record-max", "1kB"), nil, 2, "at least 1MiB"},
		{"record as WebM", serve("--record", dir, "--record-as", "webm"), nil, 2, "one of avi, mp4"},
		{"record H.264 without it", serve("--record", dir, "--record-as", "mp4", "--h264", "off"), nil, 2, "--record-as mp4"},
		{"record into a file", serve("--record", text), nil, 1, "text.txt"},
		{"log level unknown", serve("--log-level", "loud"), nil, 2, "one of"},
		{"configuration absent", serve("--config", absent), nil, 2, absent},
		{"configuration of words", serve("--config", text), nil, 2, "text.txt"},
		{"environment", serve(), map[string]string{"MAIXSTREAM_QUALITY": "best"}, 2, "MAIXSTREAM_QUALITY"},
		{"camera on a PC", serve("--source", "camera"), nil, 1, "--source testcard"},
		{"snapshot without a file", []string{"snapshot", "--source", "testcard"}, nil, 2, "FILE"},
		{"snapshot to nowhere", []string{"snapshot", "--source", "testcard", absent + "/x.jpg"}, nil, 1, absent},
		{"snapshot in no time", []string{"snapshot", "--source", "testcard", "--timeout", "0s", "-"}, nil, 2, "--timeout"},
		{"find in no time", []string{"find", "--timeout", "-1s"}, nil, 2, "--timeout"},
		{"completion of an unknown shell", []string{"completion", "tcsh"}, nil, 2, "tcsh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := runIn(t, c.args, "", c.env)
			if code != c.code || !strings.Contains(stderr, c.says) {
				t.Errorf("code %d, %q; want %d and %q", code, stderr, c.code, c.says)
			}
			if strings.Contains(stderr, "goroutine") {
				t.Error("a panic")
			}
		})
	}
}

func TestHelpNamesEveryVerbAndFlag(t *testing.T) {
	code, overview, _ := runIn(t, []string{"--help"}, "", nil)
	if code != 0 {
		t.Errorf("code %d", code)
	}
	for _, v := range verbs() {
		if !strings.Contains(overview, v.name) || !strings.Contains(overview, v.summary) {
			t.Errorf("%s is missing from the overview", v.name)
		}
		code, help, stderr := runIn(t, []string{v.name, "--help"}, "", nil)
		if code != 0 || !strings.Contains(help, v.summary) || !strings.Contains(help, "--config") {
			t.Errorf("%s --help: %d %s%s", v.name, code, help, stderr)
		}
	}
	code, out, _ := runIn(t, []string{"version"}, "", nil)
	if code != 0 || !strings.HasPrefix(out, "maixstream ") {
		t.Errorf("version: %d %q", code, out)
	}
}

// started is a running `maixstream serve`.
type started struct {
	cmd    *exec.Cmd
	url    string
	stderr *bytes.Buffer
	rest   sync.WaitGroup // reads standard output to its end
	mu     sync.Mutex
	lines  []string
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{cmd: asProgram(context.Background(), append([]string{"serve", "--listen", "127.0.0.1:0", "--announce=false"}, args...)...), stderr: new(bytes.Buffer)}
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		_ = s.cmd.Wait()
		t.Fatalf("serve %v printed no URL: %s", args, s.stderr)
	}
	s.url = strings.TrimSuffix(lines.Text(), "/")
	if !strings.HasPrefix(s.url, "http://127.0.0.1:") {
		t.Fatalf("not a URL: %q", s.url)
	}
	s.rest.Go(func() {
		for lines.Scan() {
			s.mu.Lock()
			s.lines = append(s.lines, lines.Text())
			s.mu.Unlock()
		}
	})
	return s
}

// end sends a signal and returns how long the shutdown took.
func (s *started) end(t *testing.T, signal os.Signal) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	s.rest.Wait()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, s.stderr)
	}
	return time.Since(begin)
}

func (s *started) get(t *testing.T, path string) []byte {
	t.Helper()
	reply, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %.200s", path, reply.Status, err, body)
	}
	return body
}

func (s *started) snapshot(t *testing.T) image.Image {
	t.Helper()
	picture, err := jpeg.Decode(bytes.NewReader(s.get(t, "/snapshot")))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func TestSignalUnderLoadEndsServeInTwoSeconds(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		record := t.TempDir()
		s := start(t, "--source", "testcard", "--size", "320x240", "--record", record)
		var viewers sync.WaitGroup
		var watching sync.WaitGroup
		watching.Add(30)
		for i := range 30 {
			viewers.Go(func() {
				reply, err := http.Get(s.url + "/stream")
				if err != nil {
					t.Error(err)
					watching.Done()
					return
				}
				defer reply.Body.Close()
				_, err = io.ReadFull(reply.Body, make([]byte, 20_000))
				if err != nil {
					t.Error(err)
				}
				watching.Done()
				if i%3 == 0 { // some never read on
					<-t.Context().Done()
					return
				}
				_, _ = io.Copy(io.Discard, reply.Body)
			})
		}
		watching.Wait()
		took := s.end(t, signal)
		// The limit is two seconds; a loaded machine running the race detector gets more, but less than any timeout in the program.
		if took > 5*time.Second {
			t.Errorf("%v took %v", signal, took)
		}
		t.Logf("%v ended it in %v", signal, took)
		address := strings.TrimPrefix(s.url, "http://")
		free, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("the port is not free: %v", err)
		} else {
			_ = free.Close()
		}
		pieces, _ := filepath.Glob(filepath.Join(record, "*.avi"))
		if len(pieces) == 0 {
			t.Error("nothing was recorded")
		}
		for _, piece := range pieces {
			if out, err := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", piece).CombinedOutput(); err != nil ||
				!regexp.MustCompile(`nb_read_frames=[1-9]`).Match(out) {
				t.Errorf("%s: %v %s", filepath.Base(piece), err, out)
			}
		}
	}
}

// An absent webcam may be plugged in later: pictures say so until then.
func TestServeWaitsForAnAbsentWebcam(t *testing.T) {
	s := start(t, "--source", "v4l2:/dev/video-none", "--size", "320x240")
	reply, err := http.Get(s.url + "/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if body, err := io.ReadAll(reply.Body); err != nil || reply.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "/dev/video-none") {
		t.Errorf("%s %v %s", reply.Status, err, body)
	}
	stream, err := http.Get(s.url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	_, parameters, _ := mime.ParseMediaType(stream.Header.Get("Content-Type"))
	part, err := multipart.NewReader(stream.Body, parameters["boundary"]).NextPart()
	if err != nil {
		t.Fatal(err)
	}
	if shown, err := jpeg.Decode(part); err != nil || shown.Bounds().Dx() != 320 {
		t.Errorf("no picture that says it: %v", err)
	}
	s.end(t, syscall.SIGTERM)
}

// In this process, so that leaks are detected.
func TestServeLeaksNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	code, media := make(chan int, 1), testenv.FreeMediaAddress(t)
	go func() {
		code <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--source", "testcard", "--rtsp", media, "--record", t.TempDir(), "--report", "50ms"},
			terminal{in: strings.NewReader(""), out: w, err: io.Discard, env: noEnv})
		_ = w.Close()
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("no URL; code %d", <-code)
	}
	url := strings.TrimSuffix(lines.Text(), "/")
	go func() {
		for lines.Scan() {
		}
	}()
	client := http.Client{Transport: &http.Transport{}}
	reply, err := client.Get(url + "/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	client.CloseIdleConnections()
	cancel()
	if c := <-code; c != 0 {
		t.Errorf("code %d", c)
	}
	goleak.VerifyNone(t, before)
}

func TestReportLineHasTimeRateAndMilliseconds(t *testing.T) {
	s := start(t, "--source", "testcard", "--report", "100ms")
	reply, err := http.Get(s.url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	go func() { _, _ = io.Copy(io.Discard, reply.Body) }()
	line := regexp.MustCompile(`^\d\d:\d\d:\d\d +[1-9][\d.]* fps +[\d.]+ ms +1 viewers +[\d.]+ MB/s$`)
	deadline := time.Now().Add(20 * time.Second)
	for found := false; !found; time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		for _, l := range s.lines {
			found = found || line.MatchString(l)
		}
		last := fmt.Sprint(s.lines)
		s.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("no such line: %s", last)
		}
	}
	s.end(t, syscall.SIGTERM)
}

func TestFlagsShapeThePicture(t *testing.T) {
	plain := start(t, "--source", "testcard", "--size", "320x240")
	turned := start(t, "--source", "testcard", "--size", "320x240", "--rotate", "90", "--quality", "20")
	if b := plain.snapshot(t).Bounds(); b.Dx() != 320 || b.Dy() != 240 {
		t.Errorf("plain: %v", b)
	}
	if b := turned.snapshot(t).Bounds(); b.Dx() != 240 || b.Dy() != 320 {
		t.Errorf("turned: %v", b)
	}
	if a, b := len(plain.get(t, "/snapshot")), len(turned.get(t, "/snapshot")); a <= b {
		t.Errorf("quality 80 takes %d bytes, quality 20 %d", a, b)
	}
	var state struct {
		Source struct{ Name string }
	}
	if err := json.Unmarshal(plain.get(t, "/state"), &state); err != nil || state.Source.Name != "testcard" {
		t.Errorf("%+v %v", state, err)
	}
	plain.end(t, syscall.SIGTERM)
	turned.end(t, syscall.SIGTERM)
}

// Each orientation is visible in the picture itself: photographs stand still long enough to be compared.
func TestMirrorFlipAndOverlayAreApplied(t *testing.T) {
	picture := image.NewRGBA(image.Rect(0, 0, 320, 240))
	for y := range 240 {
		for x := range 320 {
			at := picture.PixOffset(x, y)
			picture.Pix[at], picture.Pix[at+3] = 255, 255 // red; the top left quarter is white
			if x < 160 && y < 120 {
				picture.Pix[at+1], picture.Pix[at+2] = 255, 255
			}
		}
	}
	dir := t.TempDir()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "quarter.jpg"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	white := func(args ...string) (quarter string) {
		code, out, stderr := runIn(t, append([]string{"snapshot", "--source", dir, "--size", "320x240", "-"}, args...), "", nil)
		if code != 0 {
			t.Fatal(stderr)
		}
		shown, err := jpeg.Decode(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		for name, at := range map[string]image.Point{"top left": {60, 45}, "top right": {260, 45}, "bottom left": {60, 195}, "bottom right": {260, 195}} {
			if _, g, _, _ := shown.At(at.X, at.Y).RGBA(); g > 0x8000 {
				quarter += name
			}
		}
		return quarter
	}
	for args, want := range map[string]string{
		"": "top left", "--mirror": "top right", "--flip": "bottom left", "--mirror --flip": "bottom right", "--rotate 180": "bottom right",
	} {
		if got := white(strings.Fields(args)...); got != want {
			t.Errorf("%s: the white quarter is at the %q, want %q", args, got, want)
		}
	}
	_, without, _ := runIn(t, []string{"snapshot", "--source", dir, "--size", "320x240", "-"}, "", nil)
	_, with, _ := runIn(t, []string{"snapshot", "--source", dir, "--size", "320x240", "--overlay", "%Y HELLO", "-"}, "", nil)
	if len(with) <= len(without) {
		t.Errorf("the overlay adds nothing: %d bytes without, %d with it", len(without), len(with))
	}
}

func TestPassThroughSourceRejectsPictureFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "two.mjpeg")
	var b bytes.Buffer
	for range 2 {
		if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 48)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--rotate=90", "--mirror", "--flip", "--overlay=x"} {
		code, _, stderr := runIn(t, []string{"serve", "--listen", "127.0.0.1:0", "--announce=false", "--source", path, flag}, "", nil)
		if code != 2 || !strings.Contains(stderr, "passed through") {
			t.Errorf("%s: %d %s", flag, code, stderr)
		}
	}
}

// Data that cannot be read, now or later, is a failure and not the end of the pictures.
func TestOtherVideoOnStandardInput(t *testing.T) {
	cmd := asProgram(t.Context(), "serve", "--listen", "127.0.0.1:0", "--announce=false", "--source", "-")
	cmd.Stdin = strings.NewReader("YUV4MPEG2 W2 H2 F1:1 C420p12\nFRAME\n......")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "only 8 bits a sample") {
		t.Errorf("%v: %s", err, out)
	}
}

// Raw frames from a pipe are encoded, even if they arrive long after the start.
func TestRawFramesOnStandardInput(t *testing.T) {
	video := []byte("YUV4MPEG2 W64 H48 F10:1 C420jpeg\n")
	frames := append([]byte("FRAME\n"), bytes.Repeat([]byte{0x90}, 64*48*3/2)...)
	for _, late := range []time.Duration{0, 1500 * time.Millisecond} {
		t.Run(late.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := asProgram(ctx, "serve", "--listen", "127.0.0.1:0", "--announce=false", "--source", "-")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			feeding, stop := context.WithCancel(ctx)
			fed := make(chan struct{})
			go func() {
				defer close(fed)
				defer in.Close()
				time.Sleep(late)
				_, err := in.Write(video)
				for err == nil && feeding.Err() == nil {
					_, err = in.Write(frames)
					time.Sleep(50 * time.Millisecond)
				}
			}()
			lines := bufio.NewScanner(out)
			lines.Scan()
			s := &started{url: strings.TrimSuffix(lines.Text(), "/")}
			testenv.Eventually(t, "a picture of the frames' own size", func() bool {
				reply, err := http.Get(s.url + "/snapshot")
				if err != nil {
					t.Fatal(err)
				}
				defer reply.Body.Close()
				picture, err := jpeg.DecodeConfig(reply.Body) // fails while there is none
				return err == nil && picture.Width == 64 && picture.Height == 48
			})
			if state := s.get(t, "/state"); !bytes.Contains(state, []byte(`"kind": "y4m"`)) || late == 0 && !bytes.Contains(state, []byte(`"fps": 10`)) {
				t.Errorf("%s", state)
			}
			stop()
			<-fed
			for lines.Scan() {
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, &stderr)
			}
		})
	}
}

func TestPicturesOnStandardInput(t *testing.T) {
	ffmpeg := exec.Command(testenv.Program(t, "ffmpeg"), "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25", "-t", "60", "-f", "mjpeg", "-")
	pictures, err := ffmpeg.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ffmpeg.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ffmpeg.Process.Kill(); _ = ffmpeg.Wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := asProgram(ctx, "serve", "--listen", "127.0.0.1:0", "--announce=false", "--source", "-")
	cmd.Stdin = pictures
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	s := &started{url: strings.TrimSuffix(lines.Text(), "/")}
	if b := s.snapshot(t).Bounds(); b.Dx() != 160 || b.Dy() != 120 {
		t.Errorf("%v", b)
	}
	// When the pictures end, the program ends with code 0.
	_ = ffmpeg.Process.Kill()
	for lines.Scan() {
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		t.Errorf("%v: %s", err, &stderr)
	}
	if ctx.Err() != nil {
		t.Error("it went on without pictures")
	}
}

func TestSettingsFromEnvironmentAndFile(t *testing.T) {
	path := write(t, "size: 200x100\nsource: testcard\nquality: 30\n")
	code, out, stderr := runIn(t, []string{"snapshot", "--config", path, "-"}, "", map[string]string{"MAIXSTREAM_SIZE": "96x64"})
	if code != 0 {
		t.Fatal(stderr)
	}
	picture, err := jpeg.DecodeConfig(strings.NewReader(out))
	if err != nil || picture.Width != 96 || picture.Height != 64 {
		t.Errorf("%+v %v", picture, err)
	}
}
