package publish_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/pipeline/publish"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ address, key, url, streamKey, shown string }{
		{"rtmp://host/app/KEY", "", "rtmp://host/app", "KEY", "rtmp://host/app/..."},
		{"RTMP://host:1936/app/KEY", "", "rtmp://host:1936/app", "KEY", "rtmp://host:1936/app/..."},
		{"rtmps://live.example:443/rtmp/FB-1?s_bl=1&s_ps=2", "", "rtmps://live.example:443/rtmp", "FB-1?s_bl=1&s_ps=2", "rtmps://live.example:443/rtmp/..."},
		{"rtmp://host/app/instance/KEY", "", "rtmp://host/app/instance", "KEY", "rtmp://host/app/instance/..."},
		{"rtmp://host/app", "KEY?a=b", "rtmp://host/app", "KEY?a=b", "rtmp://host/app/..."},
		{"rtmp://host/app/", "KEY", "rtmp://host/app", "KEY", "rtmp://host/app/..."},
		{"rtmp://host/cam/", "", "rtmp://host/cam", "", "rtmp://host/cam/"},
		{"rtmp://[2001:db8::1]:1935/app/KEY", "", "rtmp://[2001:db8::1]:1935/app", "KEY", "rtmp://[2001:db8::1]:1935/app/..."},
		{"rtsp://host:8554/garden", "", "rtsp://host:8554/garden", "", "rtsp://host:8554/garden"},
		{"rtsps://user:pa%40ss@host/garden?token=T", "", "rtsps://user:pa%40ss@host/garden?token=T", "", "rtsps://user:xxxxx@host/garden?..."},
	} {
		url, key, shown, err := publish.Parsed(c.address, c.key)
		if err != nil || url != c.url || key != c.streamKey || shown != c.shown {
			t.Errorf("%s %s: %s, %s, %s, %v", c.address, c.key, url, key, shown, err)
		}
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for address, want := range map[string]string{
		"":                                   "not an address",
		"host/app/SECRET":                    "not an address",
		"host:1935/app/SECRET":               "not an address",
		"http://host/SECRET":                 "http is not supported",
		"srt://host/SECRET":                  "srt is not supported",
		"rtmp:///app/SECRET":                 "not an address",
		"rtmp://host":                        "no stream key",
		"rtmp://host/app":                    "no stream key: want rtmp://HOST/APP/KEY",
		"rtmp://host//SECRET":                "no stream key",
		"rtmp://host:0/app/SECRET":           "port 0",
		"rtmp://host:99999/app/SECRET":       "port 99999",
		"rtmp://host:http/app/SECRET":        "not an address",
		"rtmp://host/app/SECRET#1":           "must not have a #",
		"rtmp://user:SECRET@host/app/SECRET": "no user and password",
		"rtsp://host":                        "no path",
		"rtsp://user:SECRET@host/":           "no path",
		"rtmp://ho st/app/SECRET":            "not an address",
		"rtmp://host/app/%zzSECRET":          "not an address",
		"file:":                              "names no file",
		"file:/nonexistent":                  "address file",
	} {
		_, err := publish.New(publish.Config{Address: address, Source: newCamera(t)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, want %s, and no secret", address, err, want)
		}
		if strings.Contains(publish.Shown(address), "SECRET") {
			t.Errorf("%s: shown as %s", address, publish.Shown(address))
		}
	}
	for text, want := range map[string]string{
		"":                                "nothing in it",
		"# only a comment\n":              "nothing in it",
		"rtmp://host/app\nSECRET\nmore\n": "want one line",
		"rtsp://host/path\nSECRET\n":      "a stream key belongs to RTMP",
		"SECRET\n":                        "not an address",
	} {
		name := filepath.Join(t.TempDir(), "address")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := publish.New(publish.Config{Address: "file:" + name, Source: newCamera(t)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v, want %s, and no secret", text, err, want)
		}
	}
	for name, text := range map[string]string{"missing": "", "empty": "no certificate"} {
		path := filepath.Join(t.TempDir(), name)
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := publish.New(publish.Config{Address: "rtsp://host/path", CAFile: path}); err == nil || !strings.Contains(err.Error(), "CA file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsAreTakenOutOfTexts(t *testing.T) {
	for _, c := range []struct{ address, text, want string }{
		{"rtmp://host/app/live_1234", "stream live_1234 is unknown", "stream ... is unknown"},
		{"rtmp://host/app/live_1234", "app/live_1234?x", "app/...?x"},
		{"rtmp://host/app/live_1234?token=abcdefgh", "live_1234?token=abcdefgh or abcdefgh", "... or ..."},
		{"rtmp://host/app/cam", "cam: no such camera, app/cam", "...: no such camera, app/..."},
		{"rtsp://user:pa%40ssword@host/path", "pa@ssword, pa%40ssword", "..., ..."},
		{"rtsp://user@host/path?token=abcdefgh", "wrong token abcdefgh", "wrong token ..."},
		{"rtsp://host/path", "nothing secret", "nothing secret"},
	} {
		if got, err := publish.Scrubbed(c.address, c.text); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("rtmp://host/app/KEY?a=b", "")
	f.Add("rtsps://user:password@host:322/path?token=x", "")
	f.Add("rtmp://host/app", "KEY")
	f.Fuzz(func(t *testing.T, address, key string) {
		_, streamKey, shown, err := publish.Parsed(address, key)
		if err != nil {
			return
		}
		if len(streamKey) >= 8 && strings.HasSuffix(shown, streamKey) {
			t.Errorf("%s is shown as %s", address, shown)
		}
		_, _ = publish.Scrubbed(address, address)
	})
}
