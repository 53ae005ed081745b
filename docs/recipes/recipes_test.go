//go:build recipes

package recipes_test

import (
	"bytes"
	"image/jpeg"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wantJPEG checks a picture of the test card in a file.
func (r *recipe) wantJPEG(name string) {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	picture, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	if size := picture.Bounds().Size(); size.X != 640 || size.Y != 480 {
		r.t.Errorf("%s: %v", name, size)
	}
}

// Each document has a test, and is in the list of them.
func TestEveryRecipeIsTested(t *testing.T) {
	documents, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("recipes_test.go")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range documents {
		if name == "README.md" {
			continue
		}
		if !bytes.Contains(tests, []byte(`follow(t, "`+name+`")`)) {
			t.Errorf("%s has no test", name)
		}
		if !bytes.Contains(list, []byte("]("+name+")")) {
			t.Errorf("README.md does not list %s", name)
		}
	}
}

func TestOctoPrintAndMainsail(t *testing.T) {
	stream(t)
	r := follow(t, "octoprint-mainsail.md")
	r.run("curl")
	r.wantJPEG("snapshot.jpg")
	part, err := os.ReadFile(filepath.Join(r.dir, "stream.part"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(part, []byte("--frame\r\n")); n < 4 {
		t.Errorf("%d pictures in three seconds of the stream", n)
	}
	r.file("octoprint.yaml")
	r.file("moonraker.conf")
	// The addresses of both files, asked for as those programs do.
	if out := r.script("printer.py", "octoprint.yaml", "moonraker.conf"); strings.Count(out, "ok") != 4 {
		t.Errorf("%s", out)
	}
}

func TestPrusaConnect(t *testing.T) {
	p := &prusa{token: "abcdefghij0123456789", fingerprint: "5b4c1d0e-7a57-4a37-9a43-0d6f3f1f2f11", busy: true}
	servePrusa(t, p)
	r := follow(t, "prusa-connect.md")
	r.file("prusa.headers")
	r.file("maixstream.yaml")
	r.onBoard("maixstream serve")
	until(t, "a picture comes from beside the stream", func() bool {
		n, _ := p.taken()
		return n > 0
	})
	before, _ := p.taken()
	if out := r.run("chmod 600"); !strings.HasPrefix(out, "204 No Content") {
		t.Errorf("%q", out)
	}
	if n, refused := p.taken(); n <= before || len(refused) > 0 {
		t.Errorf("%d pictures came, %d of them before; refused: %v", n, before, refused)
	}
}

func TestHomeAssistant(t *testing.T) {
	r := follow(t, "home-assistant.md")
	r.onBoard("htpasswd")
	r.run("curl")
	r.wantJPEG("still.jpg")
	for _, name := range []string{"mjpeg.yaml", "generic.yaml", "sensor.yaml"} {
		r.file(name)
	}
	out := r.script("homeassistant.py")
	for _, want := range []string{"mjpeg: 20 pictures", "still: 640x480", "wrong password: 401", "signal: True"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

func TestGo2rtc(t *testing.T) {
	hurry(t)
	stream(t, "--rtsp", ":8554")
	r := follow(t, "go2rtc.md")
	r.file("go2rtc.yaml")
	r.serve("go2rtc", "http://pc.local:1984/api")
	r.run("ffmpeg")
	r.wantJPEG("frame.jpg")
	// The line for browsers' WebRTC: what comes out is H.264.
	if config, err := os.ReadFile(r.file("go2rtc-h264.yaml")); err != nil || !bytes.Contains(config, []byte("#video=h264")) {
		t.Errorf("%v\n%s", err, config)
	}
}

func TestGo2rtcEncodesForWebRTC(t *testing.T) {
	stream(t)
	r := follow(t, "go2rtc.md")
	for _, b := range r.blocks {
		b.used = true // the other test's
	}
	r.file("go2rtc-h264.yaml")
	start(t, r.command("go2rtc", "-config", "go2rtc-h264.yaml"))
	answers(t, "http://pc.local:1984/api")
	out, err := r.command("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-select_streams", "v", "-show_entries", "stream=codec_name",
		"-of", "csv=p=0", "rtsp://pc.local:8554/maixcam?video=h264").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "h264" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMediaMTX(t *testing.T) {
	hurry(t)
	r := follow(t, "mediamtx.md")
	r.onBoard("maixstream")
	r.file("mediamtx.yml")
	r.serve("mediamtx", "http://pc.local:8888/")
	r.run("ffmpeg")
}

func TestFrigate(t *testing.T) {
	hurry(t)
	r := follow(t, "frigate.md")
	r.onBoard("maixstream")
	r.file("frigate.yml")
	r.run("ffmpeg")
	if s := r.wantVideo("piece-0.mp4", "h264", 200); s < 8 || s > 14 {
		t.Errorf("the first piece lasts %.1f s", s)
	}
	r.wantVideo("piece-1.mp4", "h264", 200)
	info, err := os.Stat(filepath.Join(r.dir, "detect.yuv"))
	if err != nil {
		t.Fatal(err)
	}
	if n := info.Size() / (640 * 480 * 3 / 2); n < 90 || n > 130 {
		t.Errorf("%d pictures in 25 s, at five a second", n)
	}
}

func TestFFmpeg(t *testing.T) {
	hurry(t)
	stream(t, "--rtsp", ":8554")
	r := follow(t, "ffmpeg.md")
	r.run("ffmpeg -v error -f mpjpeg -use_wallclock_as_timestamps 1 -i http://maixcam.local:8000/stream -t 5 -c copy")
	// On a loaded machine frames may be fewer, but the film lasts as long as it was recorded.
	if s := r.wantVideo("copy.mkv", "mjpeg", 10); s < 3 || s > 8 {
		t.Errorf("copy.mkv lasts %.1f s", s)
	}
	r.run("ffmpeg -v error -f mpjpeg -use_wallclock_as_timestamps 1 -i http://maixcam.local:8000/stream -t 5 -c:v libx264")
	r.wantVideo("film.mp4", "h264", 10)
	r.run("mkdir -p hls")
	list, err := os.ReadFile(filepath.Join(r.dir, "hls/index.m3u8"))
	if err != nil || bytes.Count(list, []byte("#EXTINF")) < 3 {
		t.Errorf("%v\n%s", err, list)
	}
	r.wantVideo("hls/index.m3u8", "h264", 20)
	r.run("ffmpeg -v error -xerror")
}

func TestTimeLapse(t *testing.T) {
	stream(t)
	r := follow(t, "time-lapse.md")
	r.file("timelapse.sh")
	r.run("sh timelapse.sh")
	pictures, err := filepath.Glob(filepath.Join(r.dir, "timelapse/*.jpg"))
	if err != nil || len(pictures) != 12 {
		t.Errorf("%d pictures, %v", len(pictures), err)
	}
	r.run("ffmpeg")
	r.wantVideo("timelapse.mp4", "h264", 12)
	r.run("mkdir -p frames")
	r.wantJPEG("frames/00003.jpg")
}

func TestOpenCV(t *testing.T) {
	stream(t)
	r := follow(t, "opencv.md")
	r.file("capture.py")
	if out := r.run("python3 capture.py"); strings.Count(out, "(480, 640, 3)") != 3 {
		t.Errorf("%s", out)
	}
	if info, err := os.Stat(filepath.Join(r.dir, "last.png")); err != nil || info.Size() < 1000 {
		t.Errorf("last.png: %v", err)
	}
	r.file("newest.py")
	out := r.run("python3 newest.py")
	times := map[string]bool{}
	for _, m := range regexp.MustCompile(`taken at (\S+) \(480, 640, 3\)`).FindAllStringSubmatch(out, -1) {
		times[m[1]] = true
	}
	if len(times) != 10 {
		t.Errorf("%d different pictures of 10:\n%s", len(times), out)
	}
}

func TestGStreamer(t *testing.T) {
	hurry(t)
	stream(t, "--rtsp", ":8554")
	r := follow(t, "gstreamer.md")
	for _, begin := range []string{
		"gst-launch-1.0 -q souphttpsrc",
		"gst-launch-1.0 -q rtspsrc", // TCP and UDP
	} {
		r.run(begin)
	}
	r.run("gst-launch-1.0 -q -e souphttpsrc")
	// Of 90 pictures; those that a busy machine hands over together have the same time of arrival, and the container keeps one of them.
	r.wantVideo("gst.mkv", "mjpeg", 30)
}

func TestVLC(t *testing.T) {
	stream(t)
	r := follow(t, "vlc.md")
	for range 3 { // the eight seconds are from VLC's start, for which a busy machine may need them
		r.run("timeout --signal INT 8")
		if _, _, _, frames, _, err := r.video("vlc.avi"); err == nil && frames >= 10 {
			break
		}
	}
	r.wantVideo("vlc.avi", "mjpeg", 10)
	for range 3 {
		r.run("timeout --signal INT 18")
		if _, _, _, frames, _, err := r.video("vlc.ts"); err == nil && frames >= 300 {
			break
		}
	}
	r.wantVideo("vlc.ts", "h264", 300)
	out, err := r.command("ffprobe", "-v", "error", "-read_intervals", "%+#1", "-show_entries", "packet=flags", "-of", "csv=p=0", "vlc.ts").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "K") {
		t.Errorf("the film that VLC has received does not begin with a key frame: %v: %s", err, out)
	}
}

func TestPythonRequests(t *testing.T) {
	stream(t)
	r := follow(t, "python-requests.md")
	r.file("read.py")
	if n := strings.Count(r.run("python3 read.py"), " bytes\n"); n != 30 {
		t.Errorf("%d pictures", n)
	}

	r.serve("maixstream receive", "http://pc.local:8080/healthz")
	r.file("post.py")
	if out := r.run("python3 post.py"); strings.Count(out, "200 ") != 2 {
		t.Errorf("%s", out)
	}
	kept, err := filepath.Glob(filepath.Join(r.dir, "pictures/garden/*/*.jpg"))
	if err != nil || len(kept) != 2 {
		t.Fatalf("%d pictures kept, %v", len(kept), err)
	}
	for _, path := range kept {
		name, err := filepath.Rel(r.dir, path)
		if err != nil {
			t.Fatal(err)
		}
		r.wantJPEG(name)
	}
}

func TestNginx(t *testing.T) {
	stream(t)
	r := follow(t, "nginx.md")
	r.run("htpasswd")
	r.file("maixcam.conf")
	r.file("nginx.conf")
	r.serve("nginx", "http://pc.local:443/") // a wrong protocol, but an answer
	r.run("curl")
	r.wantJPEG("through.jpg")
	ca := filepath.Join(r.dir, "cert.pem")
	status := func(args ...string) string {
		out, err := r.command(append([]string{"curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", ca}, args...)...).Output()
		if err != nil {
			t.Errorf("curl %v: %v", args, err)
		}
		return string(out)
	}
	if got := status("https://pc.local/garden/snapshot"); got != "401" {
		t.Errorf("without a password: %s", got)
	}
	if got := status("--user", "anna:a-long-password", "https://pc.local/garden/"); got != "200" {
		t.Errorf("the page: %s", got)
	}
	// No buffering: a picture is here before the next one is made.
	if out := r.script("delay.py", "https://pc.local/garden/stream?fps=0.5", "anna", "a-long-password", ca); !strings.Contains(out, "ok") {
		t.Errorf("%s", out)
	}
}
