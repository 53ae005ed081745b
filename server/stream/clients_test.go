package stream_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// openCV reads 100 frames of the address that follows.
const openCV = `/usr/bin/python3 -c '
import sys
try:
    import cv2
except ImportError:
    print("lacks"); sys.exit()
c = cv2.VideoCapture(sys.argv[1]); n = 0
for _ in range(100):
    ok, f = c.read(); n += ok and f.shape == (240, 320, 3)
print("frames", n)'`

// Popular programs read 100 frames each, all of which decode.
func TestProgramsReadStream(t *testing.T) {
	testenv.Long(t, "other programs read a hundred pictures each")
	for _, client := range []struct {
		name, pkg string
		programs  []string
		command   string // $SERVER and $URL: the server and its stream, $ENOUGH: a number of its bytes that contains a hundred whole parts
		ok        func(t *testing.T, out string)
	}{
		{"ffprobe", "ffmpeg", []string{"ffprobe"}, `ffprobe -v error -f mpjpeg -count_frames -show_entries stream=nb_read_frames,width,height -of csv=p=0 -read_intervals %+#100 $URL`, exactly("320,240,100")},
		{"ffmpeg probing", "ffmpeg", []string{"ffmpeg"}, `ffmpeg -v error -xerror -i $URL -frames:v 100 -f null - && echo fine`, exactly("fine")},
		{"curl", "curl", []string{"curl"}, `curl -sN --max-time 60 $URL?fps=1000 | head -c $ENOUGH`, hundredParts},
		{"OpenCV", "python3-opencv", []string{"/usr/bin/python3"}, openCV + ` $URL`, exactly("frames 100")},
		{"OpenCV at mjpg-streamer's address", "python3-opencv", []string{"/usr/bin/python3"}, openCV + ` "$SERVER/?action=stream?dummy=param.mjpg"`, exactly("frames 100")},
	} {
		t.Run(client.name, func(t *testing.T) {
			testenv.Program(t, client.programs...)
			s, feed := serve(t, nil)
			var pictures [10][]byte
			longest := 0
			for i := range pictures {
				pictures[i] = picture(t, i)
				longest = max(longest, len(pictures[i]))
			}
			command := strings.NewReplacer("$URL", s.URLs()[0]+"/stream", "$SERVER", s.URLs()[0], "$ENOUGH", fmt.Sprint(110*(longest+200))).Replace(client.command)
			feed.stream(t, 60, func(i int) []byte { return pictures[i%10] })
			cmd := exec.Command("sh", "-c", command)
			var errors bytes.Buffer
			cmd.Stderr = &errors
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, errors.String())
			}
			if strings.TrimSpace(string(out)) == "lacks" {
				testenv.Missing(t, "Debian's "+client.pkg, "make setup-test")
			}
			if errors.Len() > 0 {
				t.Errorf("standard error: %s", errors.String())
			}
			client.ok(t, string(out))
		})
	}
}

func exactly(want string) func(*testing.T, string) {
	return func(t *testing.T, out string) {
		t.Helper()
		if got := strings.TrimSpace(out); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// hundredParts splits the stream by its own headers.
func hundredParts(t *testing.T, out string) {
	t.Helper()
	parts := 0
	for {
		_, rest, ok := strings.Cut(out, "Content-Length: ")
		if !ok {
			break
		}
		head, body, whole := strings.Cut(rest, "\r\n\r\n")
		if !whole {
			break // curl was stopped in the middle of a part
		}
		var size int
		if _, err := fmt.Sscanf(head, "%d", &size); err != nil {
			t.Fatalf("part %d: %.80q", parts, head)
		}
		if len(body) < size+len("\r\n--frame\r\n") {
			break // curl was stopped in the middle of a part
		}
		if !strings.HasPrefix(body, "\xff\xd8") || !strings.HasPrefix(body[size-2:], "\xff\xd9\r\n--frame\r\n") {
			t.Fatalf("part %d is torn", parts)
		}
		out = body[size:]
		parts++
	}
	if parts < 100 {
		t.Errorf("%d parts, want 100", parts)
	}
}

// The first frame arrives immediately, not with the next one.
func TestSingleFrameIsSentImmediately(t *testing.T) {
	s, feed := serve(t, nil)
	jpg := picture(t, 3)
	feed.publish(t, jpg)
	for form, end := range map[string]string{"": "\r\n--frame\r\n", "?advance_headers=1": "\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"} {
		conn := ask(t, "tcp", address(s), "GET /stream"+form+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		var got []byte
		for b := make([]byte, 64<<10); !bytes.HasSuffix(got, []byte(string(jpg)+end)); {
			n, err := conn.Read(b)
			if err != nil {
				t.Fatalf("%q: %v after %d bytes", form, err, len(got))
			}
			got = append(got, b[:n]...)
		}
		if has := bytes.Contains(got, []byte("Content-Length")); has != (form == "") {
			t.Errorf("%q: Content-Length: %v", form, has)
		}
		_, body, _ := bytes.Cut(got, []byte("\r\n\r\n"))
		if !bytes.HasPrefix(body, []byte("--frame\r\nContent-Type: image/jpeg\r\n")) {
			t.Errorf("%q: body begins with %.60q", form, body)
		}
	}
}
