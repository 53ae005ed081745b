package upload_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// A rejected body is read to its end, or nearly: otherwise clients that send before they read would see a broken
// connection instead of the reason.
func TestProgramsGetTheRefusalReason(t *testing.T) {
	s := receive(t, t.TempDir(), nil)
	for name, command := range map[string][]string{
		"python3-requests": {"/usr/bin/python3", "-c", `
import sys
try:
    import requests
except ImportError:
    print("lacks"); sys.exit()
r = requests.post(sys.argv[1], data=b"\xff\xd8\xff" + bytes(30 << 20))
print(r.status_code, r.text)`},
		"curl": {"sh", "-c", `head -c 31457280 /dev/zero | curl -sS -w '%{http_code}' -H 'Expect:' -H 'Content-Type: image/jpeg' --data-binary @- "$1"`, "sh"},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.Program(t, command[0])
			if name == "curl" {
				testenv.Program(t, name)
			}
			out, err := exec.Command(command[0], append(command[1:], s.URLs()[0]+"/upload")...).CombinedOutput()
			if strings.TrimSpace(string(out)) == "lacks" {
				testenv.Missing(t, "Debian's "+name, "make setup-test")
			}
			if err != nil || !strings.Contains(string(out), "413") || !strings.Contains(string(out), "at most 20971520") {
				t.Errorf("%s (%v)", out, err)
			}
		})
	}
}

// Common tools, unmodified: each posts picture.jpg and prints the reply.
func TestProgramsPost(t *testing.T) {
	python := func(code string) []string {
		return []string{"python3-requests", "/usr/bin/python3", "-c", `
import sys
try:
    import requests
except ImportError:
    print("lacks"); sys.exit()
url = sys.argv[1]
` + code}
	}
	curl := func(arguments ...string) []string {
		return append([]string{"curl", "curl", "-sS", "--fail-with-body"}, arguments...)
	}
	for _, c := range []struct {
		name    string
		command []string // Debian package, program, arguments; the URL is last
	}{
		// The call in MaixPy's documentation: the body is the picture's bytes.
		{"requests, data with a type", python(`
data = open("picture.jpg", "rb").read()
res = requests.post(url, headers={"Content-Type": "image/jpeg"}, data=data)
assert res.status_code == 200, res.status_code
print(res.text)`)},
		{"requests, data without a type", python(`print(requests.post(url, data=open("picture.jpg", "rb").read()).text)`)},
		{"requests, files", python(`print(requests.post(url, files={"file": open("picture.jpg", "rb")}).text)`)},
		{"requests, files with fields", python(`print(requests.post(url, data={"comment": "x" * 100000}, files={"image": ("../../x.jpg", open("picture.jpg", "rb"), "image/jpeg")}).text)`)},
		{"requests, an open file", python(`print(requests.post(url, data=open("picture.jpg", "rb")).text)`)},
		{"requests, a generator (chunked)", python(`
def chunks():
    with open("picture.jpg", "rb") as f:
        while piece := f.read(1000):
            yield piece
print(requests.post(url, data=chunks()).text)`)},
		{"requests, a session", python(`
s = requests.Session()
for _ in range(3):
    r = s.post(url, data=open("picture.jpg", "rb").read(), headers={"Content-Type": "image/jpeg"})
print(r.text)`)},
		{"curl -F", curl("-F", "photo=@picture.jpg")},
		{"curl -F, called text", curl("-F", "comment=at the door", "-F", "photo=@picture.jpg;type=text/plain")},
		{"curl --data-binary", curl("--data-binary", "@picture.jpg")},
		{"curl --data-binary, typed, waiting for 100", curl("-H", "Content-Type: image/jpeg", "-H", "Expect: 100-continue", "--data-binary", "@picture.jpg")},
		{"curl -T", curl("-T", "picture.jpg")},
		{"curl, chunked", curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@picture.jpg")},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Program(t, c.command[1])
			dir, here := t.TempDir(), t.TempDir()
			s := receive(t, dir, nil)
			body := noisy(t, 120<<10)
			if err := os.WriteFile(filepath.Join(here, "picture.jpg"), body, 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(c.command[1], append(c.command[2:], s.URLs()[0]+"/upload")...)
			cmd.Dir = here
			var errors bytes.Buffer
			cmd.Stderr = &errors
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s%s", err, out, errors.String())
			}
			if strings.TrimSpace(string(out)) == "lacks" {
				testenv.Missing(t, "Debian's "+c.command[0], "make setup-test")
			}
			var a answer
			if err := json.Unmarshal(out, &a); err != nil || !a.OK || a.Device != "127.0.0.1" || a.Bytes != len(body) {
				t.Fatalf("%s (%v)", out, err)
			}
			if !bytes.Equal(read(t, dir, a.File), body) {
				t.Error("the file differs")
			}
		})
	}
}
