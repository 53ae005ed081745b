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

func TestLinksHaveTheHostThatWasUsedAndNoCredentials(t *testing.T) {
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

func TestEveryProgramHasItsLine(t *testing.T) {
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
