package links_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/links"
)

func of(t *testing.T, base string, s links.Server) map[string]string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	s.Base = u
	list := map[string]string{}
	for _, l := range links.Of(s) {
		list[l.Name] = l.Text
	}
	return list
}

func TestLinksUseTheRequestedHostWithoutCredentials(t *testing.T) {
	for base, want := range map[string][2]string{
		"http://maixcam.local:8000":              {"http://maixcam.local:8000/stream", "rtsp://maixcam.local:8554/jpeg"},
		"https://anna:secret@cam.example/":       {"https://cam.example/stream", "rtsp://cam.example:8554/jpeg"},
		"https://cam.example/garden/?token=s3":   {"https://cam.example/garden/stream", "rtsp://cam.example:8554/jpeg"},
		"https://cam.example/garden#x":           {"https://cam.example/garden/stream", "rtsp://cam.example:8554/jpeg"},
		"http://[fe80::1%25eth0]:8000/":          {"http://[fe80::1%25eth0]:8000/stream", "rtsp://[fe80::1%eth0]:8554/jpeg"},
		"http://192.168.0.9:8000/?action=stream": {"http://192.168.0.9:8000/stream", "rtsp://192.168.0.9:8554/jpeg"},
	} {
		list := of(t, base, links.Server{RTSP: ":8554"})
		if list["Stream"] != want[0] || list["RTSP"] != want[1] {
			t.Errorf("%s: %q, %q", base, list["Stream"], list["RTSP"])
		}
		for name, text := range list {
			if strings.Contains(text, "secret") || strings.Contains(text, "s3") {
				t.Errorf("%s: %s has credentials: %s", base, name, text)
			}
		}
	}
}

func TestEveryProgramHasItsLink(t *testing.T) {
	list := of(t, "http://cam:8000/", links.Server{Name: "Front garden", RTSPS: "0.0.0.0:8322"})
	for name, part := range map[string]string{
		"Page": "http://cam:8000/", "Snapshot": "http://cam:8000/snapshot", "RTSPS": "rtsps://cam:8322/jpeg", "OctoPrint": "Stream URL: http://cam:8000/stream",
		"Mainsail": "http://cam:8000/snapshot", "Home Assistant": "MJPEG IP Camera", "go2rtc": "front_garden: http://cam:8000/stream", "VLC": "vlc http://cam:8000/stream",
		"OBS": "rtsps://cam:8322/jpeg", "OpenCV": `cv2.VideoCapture("http://cam:8000/stream")`, "Picture alone": "http://cam:8000/?bare",
	} {
		if !strings.Contains(list[name], part) {
			t.Errorf("%s: %q has no %q", name, list[name], part)
		}
	}
	if list["RTSP"] != "" {
		t.Errorf("RTSP: %q", list["RTSP"])
	}
}

func TestH264Addresses(t *testing.T) {
	list := of(t, "http://cam:8000/", links.Server{RTSP: ":8554", RTSPS: ":8322", H264: true})
	for name, part := range map[string]string{
		"H.264 (MP4)": "http://cam:8000/video.mp4", "RTSP": "rtsp://cam:8554/jpeg", "RTSP (H.264)": "rtsp://cam:8554/h264", "RTSPS (H.264)": "rtsps://cam:8322/h264",
		"Generic Camera": "Stream source URL: rtsp://cam:8554/h264", "Frigate": "path: rtsp://cam:8554/h264", "MediaMTX": "source: rtsp://cam:8554/h264",
		"OBS": "Input: rtsp://cam:8554/h264",
	} {
		if !strings.Contains(list[name], part) {
			t.Errorf("%s: %q has no %q", name, list[name], part)
		}
	}
	for _, s := range []links.Server{{RTSP: ":8554"}, {H264: true}} {
		for name, text := range of(t, "http://cam:8000/", s) {
			if strings.Contains(text, "/h264") || strings.Contains(text, "video.mp4") != (name == "H.264 (MP4)") {
				t.Errorf("%+v: %s: %s", s, name, text)
			}
		}
	}
}
