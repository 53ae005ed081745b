package upload_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/server/upload"
)

func TestRawPicturesAreStored(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, nil)
	small, large := jpegOf(t, 1), noisy(t, 200<<10)
	for _, c := range []struct {
		name, kind string
		body       []byte
		extension  string
	}{
		{"a JPEG", "image/jpeg", small, ".jpg"},
		{"a PNG", "image/png", pngOf(t, 2), ".png"},
		{"without a type", "", small, ".jpg"},
		{"as curl --data-binary says", "application/x-www-form-urlencoded", small, ".jpg"},
		{"as bytes", "application/octet-stream", pngOf(t, 3), ".png"},
		{"a JPEG that is called PNG", "image/png", small, ".jpg"},
		{"larger than the buffer", "image/jpeg; charset=binary", large, ".jpg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := headers{}
			if c.kind != "" {
				h["Content-Type"] = c.kind
			}
			a := postOK(t, s, "?device=cam", c.body, h)
			if a.Device != "cam" || a.Bytes != len(c.body) || filepath.Ext(a.File) != c.extension || !strings.HasPrefix(a.File, "cam/"+time.Now().UTC().Format("2006-")) {
				t.Errorf("answered %+v", a)
			}
			if !bytes.Equal(read(t, dir, a.File), c.body) {
				t.Error("the file differs")
			}
			reply, b := get(t, s, "/snapshot/cam")
			if !bytes.Equal(b, c.body) || reply.Header.Get("X-Sequence") == "" || reply.Header.Get("Content-Type") != "image/"+map[string]string{".jpg": "jpeg", ".png": "png"}[c.extension] {
				t.Errorf("/snapshot: %d bytes, %v", len(b), reply.Header)
			}
		})
	}
	if n := len(files(t, dir)); n != 7 {
		t.Errorf("%d files: %v", n, files(t, dir))
	}
}

func TestSyncedPicturesAreStored(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, func(c *upload.Config) { c.Sync = true })
	for i, body := range [][]byte{jpegOf(t, 1), noisy(t, 100<<10), pngOf(t, 2)} {
		for _, device := range []string{"a", "b"} {
			a := postOK(t, s, "?device="+device, body, headers{"X-Timestamp": stampOf(time.Now().Add(-24 * time.Duration(i) * time.Hour))})
			if !bytes.Equal(read(t, dir, a.File), body) {
				t.Errorf("%s differs", a.File)
			}
		}
	}
}

func TestTrailingDataIsCutOff(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	for _, body := range [][]byte{jpegOf(t, 1), pngOf(t, 1), noisy(t, 100<<10)} {
		a := postOK(t, s, "", append(bytes.Clone(body), "<script>trailing</script>"...), nil)
		if a.Bytes != len(body) || !bytes.Equal(read(t, dir, a.File), body) {
			t.Errorf("%+v, want %d bytes", a, len(body))
		}
	}
}

func TestNameTimeAndSequenceComeFromTheSender(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	at := time.Now().Add(-time.Hour).UTC()
	stamp := fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
	a := postOK(t, s, "", jpegOf(t, 1), headers{"X-Device": "garden", "X-Timestamp": stamp, "X-Sequence": "77"})
	if want := "garden/" + at.Format("2006-01-02/150405.000") + "-000077.jpg"; a.File != want {
		t.Errorf("file %s, want %s", a.File, want)
	}
	again := postOK(t, s, "", jpegOf(t, 1), headers{"X-Device": "garden", "X-Timestamp": stamp, "X-Sequence": "77"})
	if want := "garden/" + at.Format("2006-01-02/150405.000") + "-000078.jpg"; again.File != want {
		t.Errorf("the same name once more: %s, want %s", again.File, want)
	}
	reply, _ := get(t, s, "/files/"+a.File)
	if reply.Header.Get("X-Timestamp") != stamp[:len(stamp)-3]+"000" || reply.Header.Get("X-Sequence") != "77" {
		t.Errorf("%v, sent X-Timestamp %s", reply.Header, stamp)
	}
	// The query overrides the header, both override the address.
	if a := postOK(t, s, "?device=door", jpegOf(t, 1), headers{"X-Device": "garden"}); a.Device != "door" {
		t.Errorf("device %q", a.Device)
	}
	if a := postOK(t, s, "", jpegOf(t, 1), nil); a.Device != "127.0.0.1" {
		t.Errorf("device %q", a.Device)
	}
	for _, stamp := range []string{"0.5", "4102444800", "12"} { // a clock that was never set, and one that is ahead
		a := postOK(t, s, "", jpegOf(t, 1), headers{"X-Timestamp": stamp})
		if !strings.Contains(a.File, time.Now().UTC().Format("/2006-01-")) {
			t.Errorf("X-Timestamp %s: %s", stamp, a.File)
		}
	}
}

func TestFormFieldNameDoesNotMatter(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	form := func(write func(*multipart.Writer)) answer {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		write(w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return post(t, s, "?device=form", &b, headers{"Content-Type": w.FormDataContentType(), "Idempotency-Key": fmt.Sprint("form", b.Len())})
	}
	file := func(w *multipart.Writer, field, name string, data []byte) {
		f, err := w.CreateFormFile(field, name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"a.jpg", "../../../etc/passwd", "..\\..\\x.jpg", strings.Repeat("x", 4000), "a\r\nb"} {
		a := form(func(w *multipart.Writer) {
			_ = w.WriteField("comment", "taken at the door")
			file(w, "whatever", name, jpegOf(t, len(name)))
			_ = w.WriteField("submit", "")
		})
		if !a.OK || a.Bytes != len(jpegOf(t, len(name))) || a.Pictures != 0 {
			t.Errorf("file name %q: %+v", name, a)
		}
	}
	a := form(func(w *multipart.Writer) {
		file(w, "one", "1.jpg", jpegOf(t, 1))
		file(w, "two", "2.png", pngOf(t, 2))
	})
	if !a.OK || a.Pictures != 2 || a.Bytes != len(jpegOf(t, 1))+len(pngOf(t, 2)) {
		t.Errorf("two pictures: %+v", a)
	}
	if a := form(func(w *multipart.Writer) { file(w, "one", "1.txt", []byte("text")) }); a.code != http.StatusUnprocessableEntity {
		t.Errorf("a file that is no picture: %+v", a)
	}
	if a := form(func(w *multipart.Writer) { _ = w.WriteField("a", "b") }); a.code != http.StatusBadRequest {
		t.Errorf("no picture: %+v", a)
	}
	if n := len(files(t, dir)); n != 7 {
		t.Errorf("%d files: %v", n, files(t, dir))
	}
}

// part writes a part of an endless stream.
func part(w *multipart.Writer, body []byte, length bool, h headers) error {
	header := textproto.MIMEHeader{"Content-Type": {"image/jpeg"}}
	if length {
		header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	for k, v := range h {
		header.Set(k, v)
	}
	p, err := w.CreatePart(header)
	if err == nil {
		_, err = p.Write(body)
	}
	return err
}

func TestStreamPartsAreStoredImmediately(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, nil)
	for _, kind := range []string{"multipart/x-mixed-replace", "multipart/mixed"} {
		out, in := io.Pipe()
		w := multipart.NewWriter(in)
		done := make(chan answer, 1)
		device := strings.TrimPrefix(kind, "multipart/")
		go func() {
			done <- post(t, s, "?device="+device, out, headers{"Content-Type": kind + `; boundary="` + w.Boundary() + `"`})
		}()
		sum := 0
		for i := range 5 {
			body := jpegOf(t, i)
			if i == 3 {
				body = noisy(t, 150<<10)
			}
			sum += len(body)
			stamp := time.Now().Add(time.Duration(i-10) * time.Second)
			if err := part(w, body, true, headers{"X-Timestamp": fmt.Sprintf("%d.000001", stamp.Unix()), "X-Sequence": fmt.Sprint(100 + i), "Idempotency-Key": fmt.Sprint("key", i)}); err != nil {
				t.Fatal(err)
			}
			// Nothing follows, not even a boundary.
			testenv.Eventually(t, fmt.Sprint("picture ", i, " is shown"), func() bool {
				reply, b := get(t, s, "/snapshot/"+device)
				return bytes.Equal(b, body) && reply.Header.Get("X-Sequence") == fmt.Sprint(100+i)
			})
		}
		if err := part(w, jpegOf(t, 2), false, headers{"Idempotency-Key": "key2"}); err != nil { // a duplicate
			t.Fatal(err)
		}
		sum += len(jpegOf(t, 2))
		if err := part(w, []byte("a bad moment"), true, nil); err != nil {
			t.Fatal(err)
		}
		if err := part(w, jpegOf(t, 1), false, nil); err != nil { // without Content-Length: complete with the boundary
			t.Fatal(err)
		}
		sum += len(jpegOf(t, 1))
		_ = w.Close()
		_ = in.Close()
		a := <-done
		if !a.OK || a.Pictures != 7 || a.Duplicates != 1 || a.Refused != 1 || a.Bytes != sum || a.Duplicate {
			t.Errorf("%s: %+v, want %d bytes", kind, a, sum)
		}
	}
	if n := len(files(t, dir)); n != 12 {
		t.Errorf("%d files: %v", n, files(t, dir))
	}
}

// A camera that sends one picture per minute is not a slow sender, whether the boundary follows at once or with the next picture.
func TestStreamMayPause(t *testing.T) {
	testenv.NoLeaks(t)
	const stall = time.Second // a loaded machine may delay a part's bytes nearly that long
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.HTTP.StallTimeout = stall })
	var streams sync.WaitGroup
	for device, early := range map[string]bool{"late": false, "early": true} {
		streams.Go(func() {
			out, in := io.Pipe()
			done := make(chan answer, 1)
			go func() {
				done <- post(t, s, "?device="+device, out, headers{"Content-Type": "multipart/mixed; boundary=b"})
			}()
			var err error
			send := func(text string) {
				if err == nil {
					_, err = io.WriteString(in, text)
				}
			}
			send("--b\r\n")
			for i, body := range [][]byte{jpegOf(t, 1), []byte("a bad moment"), noisy(t, 100<<10), jpegOf(t, 2)} {
				if i > 0 && !early {
					send("\r\n--b\r\n")
				}
				send(fmt.Sprintf("Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
				if early {
					send("\r\n--b\r\n")
				}
				time.Sleep(stall + stall/2)
			}
			if early {
				send("Content-Type: image/jpeg\r\n\r\n" + string(jpegOf(t, 3)))
			}
			send("\r\n--b--\r\n")
			_ = in.Close()
			a := <-done
			if want := map[bool]int{false: 3, true: 4}[early]; err != nil || !a.OK || a.Pictures != want || a.Refused != 1 {
				t.Errorf("boundary at once %v: %+v (%v)", early, a, err)
			}
		})
	}
	streams.Wait()
}

func TestRefusals(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	good := jpegOf(t, 1)
	s := receive(t, dir, func(c *upload.Config) { c.MaxUpload, c.MaxPixels, c.MaxDevices = 64<<10, 100_000, 1 })
	postOK(t, s, "?device=first", good, nil)
	cut := noisy(t, 40<<10)
	bomb := pngOfSize(t, 8000, 8000)
	for _, c := range []struct {
		name  string
		query string
		body  []byte
		h     headers
		code  int
		says  string
	}{
		{"text", "", []byte("hello"), nil, 415, "neither JPEG nor PNG"},
		{"text that is called JPEG", "", []byte("hello"), headers{"Content-Type": "image/jpeg"}, 422, "neither JPEG nor PNG"},
		{"JSON", "", []byte("{}"), headers{"Content-Type": "application/json"}, 415, "neither JPEG nor PNG"},
		{"a film", "", []byte("film"), headers{"Content-Type": "video/mp4; codecs"}, 415, "video/mp4"},
		{"a broken type", "", []byte("film"), headers{"Content-Type": "video/"}, 415, `"video/"`},
		{"packed", "", good, headers{"Content-Encoding": "gzip"}, 415, "gzip"},
		{"half a JPEG", "", cut[:len(cut)/2], nil, 422, "cut off"},
		{"half a PNG", "", pngOf(t, 1)[:100], nil, 422, "cut off"},
		{"a damaged PNG", "", flip(pngOf(t, 1), 60), nil, 422, "damaged"},
		{"too many bytes", "", noisy(t, 64<<10), nil, 413, "at most 65536"},
		{"too many pixels", "", encodeJPEG(t, picture(400, 300, 1), 50), nil, 413, "120000 pixels"},
		{"a PNG that unpacks to 256 MB", "", bomb, nil, 413, "64000000 pixels"},
		{"a PNG of 2^31 x 2^31", "", pngOfSize(t, 1<<31-1, 1<<31-1), nil, 422, "overflow"},
		{"no boundary", "", []byte("name=value"), headers{"Content-Type": "multipart/form-data"}, 400, "boundary"},
		{"an empty form", "", []byte("--b--\r\n"), headers{"Content-Type": "multipart/form-data; boundary=b"}, 400, "no picture"},
		{"a form without an end, cut off", "", []byte("--b\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n" + string(good[:len(good)/2])), headers{"Content-Type": "multipart/form-data; boundary=b"}, 422, "cut off"},
		{"endless headers of a part", "", append([]byte("--b\r\n"), bytes.Repeat([]byte("X-A: b\r\n"), 40000)...), headers{"Content-Type": "multipart/mixed; boundary=b"}, 431, "headers"},
		{"a stream of nothing", "", bytes.Repeat([]byte("--b\r\n\r\nno\r\n"), 9), headers{"Content-Type": "multipart/mixed; boundary=b"}, 400, ""},
		{"eleven bad parts", "", append(bytes.Repeat([]byte("--b\r\n\r\nno\r\n"), 20), "--b--"...), headers{"Content-Type": "multipart/mixed; boundary=b"}, 422, "neither"},
		{"a bad time", "", good, headers{"X-Timestamp": "yesterday"}, 400, "X-Timestamp"},
		{"a time with a sign", "", good, headers{"X-Timestamp": "1763769600.-1"}, 400, "X-Timestamp"},
		{"a bad sequence", "", good, headers{"X-Sequence": "-1"}, 400, "X-Sequence"},
		{"a path for a name", "?device=../../etc", good, nil, 400, "must not begin"},
		{"a path in a name", "?device=a/b", good, nil, 400, "only letters"},
		{"an absolute path", "?device=/etc/cron.d", good, nil, 400, "only letters"},
		{"an empty name", "?device=", good, nil, 400, "empty"},
		{"a hidden name", "", good, headers{"X-Device": ".incoming"}, 400, "must not begin"},
		{"a name with a backslash", "", good, headers{"X-Device": `a\b`}, 400, "only letters"},
		{"a name with a zero byte", "?device=a%00b", good, nil, 400, "only letters"},
		{"a long name", "?device=" + strings.Repeat("a", 65), good, nil, 400, "at most 64"},
		{"one device too many", "?device=second", good, nil, 403, "devices"},
		{"a page of another site", "", good, headers{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403, "site"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.query == "" && c.h["X-Device"] == "" {
				c.query = "?device=first"
			}
			a := post(t, s, c.query, bytes.NewReader(c.body), c.h)
			if a.code != c.code || !strings.Contains(a.Error, c.says) || strings.Contains(a.Error, "buffer") {
				t.Errorf("%d %q, want %d with %q", a.code, a.Error, c.code, c.says)
			}
		})
	}
	for request, want := range map[string]string{
		"POST /upload HTTP/1.1\r\nHost: localhost\r\n\r\n":                                  "411",
		"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n":             "400",
		"GET /upload HTTP/1.1\r\nHost: localhost\r\n\r\n":                                   "405",
		"DELETE /devices HTTP/1.1\r\nHost: localhost\r\n\r\n":                               "405",
		"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n":                         "307", // to the cleaned path
		"GET /files/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost\r\n\r\n":        "404",
		"GET /files/first/../.lock HTTP/1.1\r\nHost: localhost\r\n\r\n":                     "307",
		"GET /files/.lock HTTP/1.1\r\nHost: localhost\r\n\r\n":                              "404",
		"GET /files/first/.keys HTTP/1.1\r\nHost: localhost\r\n\r\n":                        "404",
		"GET /snapshot/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n":                          "404",
		"GET /stream/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n":                            "404",
		"GET /devices/first/pictures?max=0 HTTP/1.1\r\nHost: localhost\r\n\r\n":             "400",
		"GET /devices/first/pictures?after=../../etc HTTP/1.1\r\nHost: localhost\r\n\r\n":   "400",
		"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nxx": "413",
	} {
		if line := raw(t, s, request); !strings.HasPrefix(line, "HTTP/1.1 "+want) {
			t.Errorf("%.60q: %q, want %s", request, line, want)
		}
	}
	if list := files(t, dir); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
	if st := s.State(); st.Devices != 1 || st.Pictures != 1 || st.Refused < 20 {
		t.Errorf("%+v", st)
	}
}

// raw sends bytes and returns the reply's first line.
func raw(t *testing.T, s *upload.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address(s))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 64)
	n, _ := io.ReadAtLeast(conn, b, 20)
	return string(b[:n])
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x55
	return b
}

// pngOfSize returns a PNG whose header claims a size, with as many zero pixels as 1 MB of zeros holds, compressed.
func pngOfSize(t *testing.T, w, h uint32) []byte {
	t.Helper()
	b := bytes.NewBufferString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = binary.Write(b, binary.BigEndian, uint32(len(data)))
		body := append([]byte(kind), data...)
		b.Write(body)
		_ = binary.Write(b, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(nil, w)
	header = binary.BigEndian.AppendUint32(header, h)
	chunk("IHDR", append(header, 8, 6, 0, 0, 0))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}

func TestTruncatedUploadsLeaveNothing(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, nil)
	large := noisy(t, 300<<10)
	stream := "--b\r\nContent-Type: image/jpeg\r\n\r\n" + string(large)
	for _, request := range []string{
		fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(large), large[:len(large)/2]),
		fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(large), large[:100]),
		fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(large), large[:len(large)-1]),
		fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(large), large), // complete, but not terminated
		fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/mixed; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(stream), stream[:len(stream)-2]),
		fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/mixed; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(stream), stream),
	} {
		conn, err := net.Dial("tcp", address(s))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		conn.Close()
	}
	testenv.Eventually(t, "all have ended", func() bool { return s.State().Uploads == 0 && s.State().Cut == 6 })
	if list := files(t, dir); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

// Running uploads cost one buffer each, not what they have sent.
func TestMemoryOfUnfinishedUploads(t *testing.T) {
	const connections, sent = 50, 2 << 20
	dir := t.TempDir()
	s := receive(t, dir, nil)
	body := noisy(t, sent)[:sent]
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // the second one empties pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := heap()
	for range connections {
		conn, err := net.Dial("tcp", address(s))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", 4*sent); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Eventually(t, "all is on the disk", func() bool {
		var total int64
		for _, name := range files(t, dir) {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
				total += info.Size()
			}
		}
		return total == connections*sent
	})
	each := (heap() - before) / connections
	runtime.KeepAlive(body)
	t.Logf("%d KiB an upload", each>>10)
	if each > 200<<10 {
		t.Errorf("an upload that has sent %d KiB uses %d KiB of memory", sent>>10, each>>10)
	}
}

func TestSlowSendersAreDisconnected(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, func(c *upload.Config) { c.HTTP.StallTimeout = 300 * time.Millisecond })
	for _, head := range []string{"", "Content-Type: multipart/form-data; boundary=b\r\n"} {
		conn, err := net.Dial("tcp", address(s))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /upload HTTP/1.1\r\nHost: localhost\r\n"+head+"Content-Length: 1000\r\n\r\n--b\r\nC"); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		reply, err := io.ReadAll(conn) // until it is closed
		if err != nil || !bytes.HasPrefix(reply, []byte("HTTP/1.1 408 ")) {
			t.Errorf("%q (%v)", reply, err)
		}
	}
}

func TestRepeatedKeyIsOnePicture(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, nil)
	h := headers{"Idempotency-Key": "one"}
	first := postOK(t, s, "?device=a", jpegOf(t, 1), h)
	second := postOK(t, s, "?device=a", jpegOf(t, 1), h)
	if first.Duplicate || !second.Duplicate || second.File != first.File || second.Bytes != first.Bytes {
		t.Errorf("%+v then %+v", first, second)
	}
	if other := postOK(t, s, "?device=b", jpegOf(t, 1), h); other.Duplicate {
		t.Error("another device's key counts")
	}

	// Concurrently: all succeed, and all are given the same file.
	const n = 16
	large := noisy(t, 200<<10)
	answers := make([]answer, n)
	var senders sync.WaitGroup
	for i := range n {
		senders.Go(func() {
			answers[i] = post(t, s, "?device=a", bytes.NewReader(large), headers{"Idempotency-Key": "two"})
		})
	}
	senders.Wait()
	originals := 0
	for _, a := range answers {
		if !a.OK || a.File != answers[0].File {
			t.Errorf("%+v", a)
		}
		if !a.Duplicate {
			originals++
		}
	}
	if originals != 1 {
		t.Errorf("%d of %d counted as new", originals, n)
	}
	if list := files(t, dir); len(list) != 3 {
		t.Errorf("files: %v", list)
	}
	// Keys survive a restart.
	stop(t, s)
	s = receive(t, dir, nil)
	if a := postOK(t, s, "?device=a", jpegOf(t, 1), h); !a.Duplicate || a.File != first.File {
		t.Errorf("after a restart: %+v, want a duplicate of %s", a, first.File)
	}
	// The key of a deleted picture is new.
	if err := os.Remove(filepath.Join(dir, first.File)); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s = receive(t, dir, nil)
	if a := postOK(t, s, "?device=a", jpegOf(t, 1), h); a.Duplicate {
		t.Errorf("its picture is gone: %+v", a)
	}
}

func TestKeysAreBounded(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	const n = 2200 // the file is rewritten after 2048
	for i := range n {
		if a := postOK(t, s, "?device=a", jpegOf(t, 1), headers{"Idempotency-Key": fmt.Sprint(i)}); a.Duplicate {
			t.Fatalf("key %d", i)
		}
	}
	if size := len(read(t, dir, "a", ".keys")); size > 2200*100/2 {
		t.Errorf("%d bytes of keys", size)
	}
	for restart := range 2 {
		for key, want := range map[int]bool{n - 1: true, n - 512: true, 0: restart > 0} { // 0 was sent again, and is thus new
			if a := postOK(t, s, "?device=a", jpegOf(t, 1), headers{"Idempotency-Key": fmt.Sprint(key)}); a.Duplicate != want && key != n-512 {
				t.Errorf("key %d, restart %d: %+v", key, restart, a)
			}
		}
		stop(t, s)
		s = receive(t, dir, nil)
	}
}

func TestAuthentication(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.HTTP.TokenFile = tokens })
	if a := post(t, s, "", bytes.NewReader(jpegOf(t, 1)), nil); a.code != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%+v", a)
	}
	postOK(t, s, "", jpegOf(t, 1), headers{"Authorization": "Bearer 0123456789abcdef"})
	postOK(t, s, "?token=0123456789abcdef", jpegOf(t, 1), nil)
	for _, path := range []string{"/", "/devices", "/stream/127.0.0.1", "/snapshot/127.0.0.1", "/events", "/metrics", "/files/x"} {
		if reply, _ := get(t, s, path); reply.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, reply.Status)
		}
	}
	if reply, _ := get(t, s, "/healthz"); reply.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s", reply.Status)
	}
}

func TestListsAndMetrics(t *testing.T) {
	s := receive(t, t.TempDir(), nil)
	start := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	var sent []string
	for i := range 100 {
		a := postOK(t, s, "?device=a", jpegOf(t, i), headers{"X-Timestamp": fmt.Sprint(start.Add(time.Duration(i) * time.Minute).Unix()), "X-Sequence": fmt.Sprint(i)})
		sent = append(sent, a.File)
	}
	postOK(t, s, "?device=b", pngOf(t, 1), nil)
	list := func(query string) (total int, names []string) {
		_, b := get(t, s, "/devices/a/pictures"+query)
		var reply struct {
			Total    int
			Pictures []upload.Picture
		}
		if err := json.Unmarshal(b, &reply); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		for _, p := range reply.Pictures {
			names = append(names, p.File)
		}
		return reply.Total, names
	}
	for _, c := range []struct {
		query       string
		total, n    int
		first, last int
	}{
		{"", 100, 100, 0, 99},
		{"?max=10", 100, 10, 0, 99},
		{"?max=1", 100, 1, 0, 0},
		{fmt.Sprintf("?from=%d", start.Unix()+60), 99, 99, 1, 99},
		{fmt.Sprintf("?from=%d&to=%d", start.Unix()+60, start.Unix()+180), 3, 3, 1, 3},
		{"?max=1&after=" + sent[5], 94, 1, 6, 6},
		{"?max=1&before=" + sent[5], 5, 1, 4, 4},
		{"?max=3&before=" + sent[50], 50, 3, 47, 49},
	} {
		total, names := list(c.query)
		if total != c.total || len(names) != c.n || names[0] != sent[c.first] || names[len(names)-1] != sent[c.last] {
			t.Errorf("%s: %d, %v", c.query, total, names)
		}
	}
	if total, names := list("?after=" + sent[99]); total != 0 || len(names) != 0 {
		t.Errorf("after the last: %d %v", total, names)
	}
	devices := s.Devices()
	if len(devices) != 2 || devices[0].Name != "a" || devices[0].Pictures != 100 || devices[0].Newest.File != sent[99] || devices[0].First != float64(start.Unix()) || devices[1].Received != 1 {
		t.Errorf("%+v", devices)
	}
	_, b := get(t, s, "/metrics")
	for _, line := range []string{"maixstream_receive_pictures_total 101", `maixstream_receive_device_pictures{device="a"} 100`} {
		if !bytes.Contains(b, []byte(line)) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	reply, b := get(t, s, "/files/"+sent[7])
	if !bytes.Equal(b, jpegOf(t, 7)) || !strings.Contains(reply.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("/files: %d bytes, %v", len(b), reply.Header)
	}
}
