package stream_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/rtsp"
)

// videoPage plays /video.mp4 with Media Source Extensions, as close to the live edge as possible.
const videoPage = `<!DOCTYPE html><title>starting</title><video id=v muted autoplay></video><script>
const v = document.getElementById("v");
window.problem = "";
v.onerror = () => window.problem = "video: " + v.error.message;
const source = new MediaSource();
v.src = URL.createObjectURL(source);
source.onsourceopen = async () => {
	try {
		const response = await fetch("/video.mp4");
		if (!response.ok) throw new Error(await response.text());
		const buffer = source.addSourceBuffer(response.headers.get("Content-Type"));
		buffer.onerror = () => window.problem = "a fragment was refused";
		const reader = response.body.getReader();
		for (;;) {
			const {done, value} = await reader.read();
			if (done) throw new Error("the stream has ended");
			buffer.appendBuffer(value);
			await new Promise(ready => buffer.onupdateend = ready);
			const end = v.buffered.length ? v.buffered.end(v.buffered.length - 1) : 0;
			if (v.buffered.length > 1) window.problem = "a gap";
			if (v.paused) v.play().catch(() => {}); // Firefox's autoplay waits for more than a live stream has
			if (end - v.currentTime > 0.5) v.currentTime = end - 0.05;
		}
	} catch (e) { window.problem = String(e); }
};
</script>`

// Browsers play three hundred pictures with MSE without an error or a gap.
func TestVideoPlaysInBrowsers(t *testing.T) {
	inBrowsers(t, map[string]func(*testing.T, tab){"links": videoLinks, "three hundred pictures": func(t *testing.T, b tab) {
		s, _ := showVideo(t, func(c *config) { c.Stream.HTML = []byte(videoPage) }, nil)
		b.open(t, s.URLs()[0]+"/")
		if b.eval(t, `MediaSource.isTypeSupported('video/mp4; codecs="avc1.42c01f"')`) != "true" {
			testenv.Missing(t, "a decoder of H.264 for the browser; Debian's Firefox loads libavcodec for it", "apt install libavcodec-extra or ffmpeg")
		}
		began := time.Now()
		count := func() int {
			n, _ := strconv.Atoi(b.eval(t, "v.getVideoPlaybackQuality().totalVideoFrames"))
			return n
		}
		for count() < 300 {
			if problem := strings.TrimSpace(b.eval(t, "window.problem")); problem != "" {
				t.Fatal(problem)
			}
			if time.Since(began) > 2*time.Minute {
				t.Fatalf("%d pictures in %v: %s", count(), time.Since(began), b.eval(t, "JSON.stringify([v.readyState, v.currentTime, v.buffered.length, v.paused])"))
			}
			time.Sleep(200 * time.Millisecond)
		}
		t.Logf("%d pictures in %v, %s dropped, %s s behind the newest", count(), time.Since(began).Round(time.Millisecond),
			b.eval(t, "v.getVideoPlaybackQuality().droppedVideoFrames"), b.eval(t, "v.buffered.end(0) - v.currentTime"))
		if size := b.eval(t, "v.videoWidth + 'x' + v.videoHeight"); size != "320x240" {
			t.Error(size)
		}
	}})
}

// videoLinks: the page lists the addresses of H.264 if there is any.
func videoLinks(t *testing.T, b tab) {
	s, p := showVideo(t, func(c *config) {
		c.Stream.RTSP = func() []rtsp.State { return []rtsp.State{{Address: ":8554"}} }
	}, nil)
	testenv.Eventually(t, "there is H.264", func() bool { return p.Video().State().Available }) // its encoder is made after the first picture
	b.open(t, s.URLs()[0]+"/")
	wait(t, b, "the page is live", live)
	b.eval(t, `document.getElementById("open-links").click()`)
	wait(t, b, "the links", `document.querySelector("dialog[open]#links")`)
	links := text(t, b, "links")
	for _, want := range []string{s.URLs()[0] + "/video.mp4", "rtsp://127.0.0.1:8554/h264", "rtsp://127.0.0.1:8554/jpeg", "Frigate", "MediaMTX", "Generic Camera"} {
		if !strings.Contains(links, want) {
			t.Errorf("%q is missing in %s", want, links)
		}
	}
}
