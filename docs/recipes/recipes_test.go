//go:build recipes

package recipes_test

import (
	"bytes"
	"errors"
	"fmt"
	"image/jpeg"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// wantJPEG checks a picture of the test card.
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

// Each recipe has a test and is listed in the README.
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
	r := follow(t, "octoprint-mainsail.md")
	r.onBoard("maixstream serve")
	r.run("curl --fail")
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
	r.file("moonraker-webrtc.conf")
	out := r.run("curl --request OPTIONS")
	for _, want := range []string{"HTTP/1.1 204", "Access-Control-Allow-Origin: http://mainsail.local", "ETag", "If-Match", "PATCH"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// Both files' addresses, requested like those programs do.
	if out := r.script("printer.py", "octoprint.yaml", "moonraker.conf"); strings.Count(out, "ok") != 4 {
		t.Errorf("%s", out)
	}
}

func TestOBS(t *testing.T) {
	hurry(t)
	stream(t)
	follow(t, "obs.md").run("ffmpeg")
}

func TestPrusaConnect(t *testing.T) {
	p := &prusa{token: "abcdefghij0123456789", fingerprint: "5b4c1d0e-7a57-4a37-9a43-0d6f3f1f2f11", busy: true}
	servePrusa(t, p)
	r := follow(t, "prusa-connect.md")
	r.file("prusa.headers")
	r.file("maixstream.yaml")
	r.onBoard("maixstream serve")
	until(t, "a picture arrives alongside the stream", func() bool {
		n, _ := p.taken()
		return n > 0
	})
	before, _ := p.taken()
	if out := r.run("chmod 600"); !strings.HasPrefix(out, "204 No Content") {
		t.Errorf("%q", out)
	}
	if n, refused := p.taken(); n <= before || len(refused) > 0 {
		t.Errorf("%d pictures, %d of them before; refused: %v", n, before, refused)
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
	// The source for browsers' WebRTC: its output is H.264.
	if config, err := os.ReadFile(r.file("go2rtc-h264.yaml")); err != nil || !bytes.Contains(config, []byte("#video=h264")) {
		t.Errorf("%v\n%s", err, config)
	}
}

func TestGo2rtcEncodesForWebRTC(t *testing.T) {
	stream(t)
	r := follow(t, "go2rtc.md")
	for _, b := range r.blocks {
		b.used = true // by the other test
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

func TestPublish(t *testing.T) {
	hurry(t)
	r := follow(t, "publish.md")
	inBoard := strings.Fields("ip netns exec board")
	role := func(role string) string {
		return r.find(role, func(b *block) bool { return b.role == role }).text
	}

	r.file("rtmp.conf")
	serveNginx, readNginx := r.shell("nginx"), r.shell("ffmpeg -v error -xerror -i rtmp")
	killBoard := r.background(r.shellCommand(role("board"), inBoard...))
	answers(t, board+"/healthz")
	wantAway(t) // no server runs yet
	for nth := 1; nth <= 2; nth++ {
		kill := r.background(r.shellCommand(serveNginx))
		wantPublished(t, 1, nth)
		r.read(readNginx, "nginx.mp4")
		if nth == 2 {
			r.background(r.shellCommand(r.shell("ffmpeg -v error -rtsp_transport")))
			until(t, "the stream has audio, too", func() bool {
				out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", "rtmp://pc.local/live/with-silence").Output()
				return err == nil && strings.Contains(string(out), "h264") && strings.Contains(string(out), "aac")
			})
		}
		kill()
		wantAway(t)
	}
	killBoard()

	r.file("publish.yml")
	serveMTX, readMTX := r.shell("mediamtx"), r.shell("ffmpeg -v error -xerror -rtsp_transport")
	kill := r.background(r.shellCommand(serveMTX))
	listens(t, "pc.local:8554")
	r.background(r.shellCommand(role("board-mediamtx"), inBoard...))
	answers(t, board+"/healthz")
	for nth := 1; nth <= 2; nth++ {
		wantPublished(t, 2, nth)
		r.read(readMTX, "garden.mp4", "door.mp4")
		if nth == 1 {
			kill()
			wantAway(t)
			kill = r.background(r.shellCommand(serveMTX))
		}
	}
	list, err := published()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", list); strings.Contains(text, "a-long-password") || strings.Contains(text, "garden") {
		t.Errorf("secrets in /state: %s", text)
	}
}

func TestFrigate(t *testing.T) {
	hurry(t)
	r := follow(t, "frigate.md")
	r.onBoard("maixstream")
	r.file("frigate.yml")
	r.run("ffmpeg")
	if s := r.wantVideo("piece-0.mp4", "h264", 200); s < 8 || s > 14 {
		t.Errorf("the first segment lasts %.1f s", s)
	}
	r.wantVideo("piece-1.mp4", "h264", 200)
	info, err := os.Stat(filepath.Join(r.dir, "detect.yuv"))
	if err != nil {
		t.Fatal(err)
	}
	if n := info.Size() / (640 * 480 * 3 / 2); n < 90 || n > 130 {
		t.Errorf("%d pictures in 25 s, at five per second", n)
	}
}

func TestFFmpeg(t *testing.T) {
	hurry(t)
	stream(t, "--rtsp", ":8554")
	r := follow(t, "ffmpeg.md")
	r.run("ffmpeg -v error -f mpjpeg -use_wallclock_as_timestamps 1 -i http://maixcam.local:8000/stream -t 5 -c copy")
	// A loaded machine may drop frames, but the duration is that of the recording.
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
	// Of 90 pictures: those that a busy machine delivers together have the same arrival time, and the container keeps only one of them.
	r.wantVideo("gst.mkv", "mjpeg", 30)
}

func TestVLC(t *testing.T) {
	stream(t)
	r := follow(t, "vlc.md")
	for range 3 { // the eight seconds include VLC's start, which may use them up on a busy machine
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
		t.Errorf("VLC's recording does not begin with a key frame: %v: %s", err, out)
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
		t.Fatalf("%d pictures stored, %v", len(kept), err)
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
	r := follow(t, "nginx.md")
	r.onBoard("maixstream serve")
	r.run("htpasswd")
	r.file("maixcam.conf")
	r.file("nginx.conf")
	r.serve("nginx", "http://pc.local:443/") // the wrong protocol, but it responds
	r.run("curl")
	r.wantJPEG("through.jpg")
	r.behindProxy("https://pc.local/garden/")
	r.overUnixSocket()
}

// behindProxy checks a password-protected address of a proxy: the page, and that pictures are not buffered.
func (r *recipe) behindProxy(url string) {
	r.t.Helper()
	if got := r.status(url + "snapshot"); got != "401" {
		r.t.Errorf("without a password: %s", got)
	}
	if got := r.status("--user", "anna:a-long-password", url); got != "200" {
		r.t.Errorf("the page: %s", got)
	}
	// No buffering: a picture arrives before the next one is taken.
	if out := r.script("delay.py", url+"stream?fps=0.5", "anna", "a-long-password", filepath.Join(r.dir, "cert.pem")); !strings.Contains(out, "ok") {
		r.t.Errorf("%s", out)
	}
}

// status returns curl's HTTP status for an address, with the recipe's certificate.
func (r *recipe) status(args ...string) string {
	r.t.Helper()
	code := r.ask(args...)
	if code == "" {
		r.t.Errorf("curl %v: no answer", args)
	}
	return code
}

// ask is like status, but returns "" if there is no answer.
func (r *recipe) ask(args ...string) string {
	out, err := r.command(append([]string{"curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", filepath.Join(r.dir, "cert.pem")}, args...)...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// overUnixSocket runs the service as in its unit and the recipe's drop-in, and nginx with workers of www-data, as on Debian.
func (r *recipe) overUnixSocket() {
	t := r.t
	t.Helper()
	unit, err := os.ReadFile("../../packaging/systemd/maixstream.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"RuntimeDirectory=maixstream\n", "RuntimeDirectoryMode=0755\n", "UMask=0027\n", "SystemCallFilter=@chown\n"} {
		if !strings.Contains(string(unit), "\n"+line) {
			t.Fatalf("the unit has no %s", line)
		}
	}
	r.file("override.conf")
	const service, directory = 65534, "/run/maixstream" // nobody, in place of the service's user
	if err := errors.Join(os.MkdirAll(directory, 0o755), unix.Mount("tmpfs", directory, "tmpfs", 0, "mode=0755"), os.Chown(directory, service, service)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(directory, unix.MNT_DETACH)
		_ = os.Remove(directory) // if created above
	})
	config := r.file("maixstream.yaml")
	// On another port: the first nginx still uses 443.
	server := strings.Replace(r.find("socket.conf", func(b *block) bool { return b.role == "socket.conf" }).text, "listen 443", "listen 444", 1)
	if err := os.WriteFile(filepath.Join(r.dir, "maixcam.conf"), []byte(server), 0o600); err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroup("www-data")
	if err != nil {
		t.Fatal(err)
	}
	start(t, r.command("setpriv", "--reuid=65534", "--regid=65534", "--groups="+group.Gid, "--no-new-privs", "--bounding-set=-all", "bash", "-c", "umask 027 && exec maixstream serve --config "+config))
	socket := directory + "/http.sock"
	until(t, "the socket exists", func() bool { _, err := os.Stat(socket); return err == nil })
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 || strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid)) != group.Gid {
		t.Errorf("%v, %v", info, err)
	}
	start(t, r.command("nginx", "-p", ".", "-c", "nginx.conf"))
	until(t, "nginx forwards requests", func() bool { return r.ask("https://pc.local:444/healthz") == "200" })
	if got := r.status("https://pc.local:444/snapshot"); got != "200" {
		t.Errorf("a picture: %s", got)
	}
	// Others must not be able to connect.
	if out, err := r.command("setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "curl", "--silent", "--unix-socket", socket, "http://localhost/healthz").CombinedOutput(); err == nil {
		t.Errorf("any user can connect: %s", out)
	}
}

func TestProxies(t *testing.T) {
	r := follow(t, "proxies.md")
	r.onBoard("maixstream serve")
	r.run("openssl")
	for command, file := range map[string]string{"caddy": "Caddyfile", "haproxy": "haproxy.cfg"} {
		t.Run(command, func(t *testing.T) {
			r.file(file)
			start(t, r.command("bash", "-euo", "pipefail", "-c", r.shell(command)))
			until(t, "it forwards requests", func() bool {
				return r.ask("--user", "anna:a-long-password", "https://pc.local/garden/healthz") == "200"
			})
			r.run("curl")
			r.wantJPEG("through.jpg")
			if err := os.Remove(filepath.Join(r.dir, "through.jpg")); err != nil {
				t.Error(err)
			}
			r.behindProxy("https://pc.local/garden/")
			if got := r.status("--user", "anna:a-long-password", "https://pc.local/garden"); got != "302" {
				t.Errorf("without the slash: %s", got)
			}
		})
	}
}
