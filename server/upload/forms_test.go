package upload_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/server/upload"
)

// send sends a request to a path and returns the reply.
func send(t *testing.T, s *upload.Server, method, path string, body io.Reader, h headers) answer {
	t.Helper()
	r, err := http.NewRequest(method, s.URLs()[0]+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		r.Header.Set(k, v)
	}
	return do(t, r)
}

func TestUntypedUploadsAreDetected(t *testing.T) {
	s, dir := receiveIn(t)
	for _, kind := range []string{
		"", "application/octet-stream", "application/octet-stream; charset=binary", "application/octet-stream; name=a b.jpg", "Application/Octet-Stream;", "binary/octet-stream",
		"application/*", "image/*", "*/*", "*", "image", "jpeg", "JPG", "binary", "IMAGE/JPG", "image/x-jpeg", "image/jpeg; charset=utf-8", "image/jpeg; name=a b.jpg", "image/png;x", "text/plain; charset=us-ascii", "text/html", "image/webp", "image/", "video/mp4; codecs", "nonsense", "application/x-www-form-urlencoded; charset=UTF-8",
	} {
		for _, body := range [][]byte{jpegOf(t, 1), pngOf(t, 1)} {
			if a := post(t, s, "?device=a", bytes.NewReader(body), headers{"Content-Type": kind}); !a.OK || !bytes.Equal(read(t, dir, a.File), body) {
				t.Errorf("%q: %+v", kind, a)
			}
		}
		if a := post(t, s, "?device=a", strings.NewReader("GIF89a..."), headers{"Content-Type": kind}); a.code != 415 && a.code != 422 || !strings.Contains(a.Error, "neither JPEG nor PNG") || !strings.Contains(a.Error, "GIF") {
			t.Errorf("%q, a GIF: %+v", kind, a)
		}
	}
}

func receiveIn(t *testing.T) (s *upload.Server, dir string) {
	t.Helper()
	dir = t.TempDir()
	return receive(t, dir, nil), dir
}

func TestPUTAndPathsBelowUpload(t *testing.T) {
	s, dir := receiveIn(t)
	jpg := jpegOf(t, 1)
	for path, c := range map[string]struct {
		device string
		code   int
	}{
		"/upload":                        {"127.0.0.1", 200},
		"/upload/":                       {"127.0.0.1", 200},
		"/upload/picture.jpg":            {"127.0.0.1", 200},
		"/upload/a%20b%2Fc.jpg":          {"", 400}, // its directory is not a valid device name
		"/upload/garden/picture.jpg":     {"garden", 200},
		"/upload/garden/":                {"garden", 200},
		"/upload/garden/x.jpg?device=b":  {"b", 200},
		"/upload/.garden/picture.jpg":    {"", 400},
		"/upload/a/b/picture.jpg":        {"", 404},
		"/upload/picture.jpg?device=-no": {"", 400},
	} {
		for _, method := range []string{http.MethodPut, http.MethodPost} {
			a := send(t, s, method, path, bytes.NewReader(jpg), nil)
			if a.code != c.code || a.code == 200 && (a.Device != c.device || !bytes.Equal(read(t, dir, a.File), jpg)) {
				t.Errorf("%s %s: %+v, want %d for %q", method, path, a, c.code, c.device)
			}
		}
	}
	reply, err := http.Get(s.URLs()[0] + "/upload/x.jpg")
	if err != nil || reply.StatusCode != 405 {
		t.Errorf("GET: %v, %v", reply.Status, err)
	}
	reply.Body.Close()
}

// form returns a form as bytes, with or without its end.
func form(end string, parts ...string) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString("--b\r\n" + p + "\r\n")
	}
	b.WriteString(end)
	return b.Bytes()
}

func file(data []byte) string {
	return "Content-Disposition: form-data; name=\"f\"; filename=\"x.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n" + string(data)
}

func field(name, value string) string {
	return fmt.Sprintf("Content-Disposition: form-data; name=%q\r\n\r\n%s", name, value)
}

func TestFormDeviceField(t *testing.T) {
	s, dir := receiveIn(t)
	one, two := jpegOf(t, 1), noisy(t, 100<<10)
	for name, c := range map[string]struct {
		query  string
		h      headers
		body   []byte
		device string
		n      int
		code   int
	}{
		"before the picture":    {"", nil, form("--b--", field("device", "cellar"), file(one)), "cellar", 0, 200},
		"after the picture":     {"", nil, form("--b--", file(one), field("device", "cellar")), "cellar", 0, 200},
		"between two":           {"", nil, form("--b--", file(one), field("Device", "cellar"), file(two)), "cellar", 2, 200},
		"without an end":        {"", nil, form("", file(one), field("device", "cellar")), "cellar", 0, 200},
		"empty":                 {"", nil, form("--b--", file(one), field("device", "")), "127.0.0.1", 0, 200},
		"the query wins":        {"?device=a", nil, form("--b--", field("device", "cellar"), file(one)), "a", 0, 200},
		"the header wins":       {"", headers{"X-Device": "a"}, form("--b--", field("device", "cellar"), file(one)), "a", 0, 200},
		"no name":               {"", nil, form("--b--", file(one), field("device", "../x")), "", 0, 400},
		"a long name":           {"", nil, form("--b--", field("device", strings.Repeat("a", 65)), file(one)), "", 0, 400},
		"other fields":          {"", nil, form("--b--", field("name", "cellar"), file(one), field("submit", "Send")), "127.0.0.1", 0, 200},
		"no picture":            {"", nil, form("--b--", field("device", "cellar")), "", 0, 400},
		"a picture as a device": {"", nil, form("--b--", field("device", string(one))), "", 0, 400},
	} {
		h := headers{"Content-Type": "multipart/form-data; boundary=b"}
		for k, v := range c.h {
			h[k] = v
		}
		a := post(t, s, c.query, bytes.NewReader(c.body), h)
		if a.code != c.code || a.code == 200 && (a.Device != c.device || a.Pictures != c.n || !strings.HasPrefix(a.File, c.device+"/")) {
			t.Errorf("%s: %+v, want %d for %q", name, a, c.code, c.device)
		}
		if a.code == 400 && name != "no picture" && !strings.Contains(a.Error, "device") {
			t.Errorf("%s: %q", name, a.Error)
		}
	}
	// Pictures completed before the fault are stored, under the address.
	if st := s.State(); st.Pictures != 9+1 {
		t.Errorf("%d pictures stored", st.Pictures)
	}
	// A repeated form is recognized by its key, wherever the device is given.
	for i := range 2 {
		a := post(t, s, "", bytes.NewReader(form("--b--", file(one), file(two), field("device", "keys"))), headers{"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": "k"})
		if !a.OK || a.Pictures != 2 || a.Duplicates != 2*i {
			t.Errorf("time %d: %+v", i+1, a)
		}
	}
	_ = dir
}

// Small devices send pictures as base64 text.
func TestBase64Pictures(t *testing.T) {
	s, dir := receiveIn(t)
	small, large, pic := jpegOf(t, 1), noisy(t, 200<<10), pngOf(t, 1)
	lines := func(text string) string {
		var b strings.Builder
		for chunk := range slices.Chunk([]byte(text), 76) {
			b.Write(chunk)
			b.WriteString("\r\n")
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		kind   string
		encode func([]byte) string
	}{
		"a data URL":             {"text/plain", func(b []byte) string { return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b) }},
		"without a type":         {"", func(b []byte) string { return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b) }},
		"called a picture":       {"image/jpeg", func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }},
		"with parameters":        {"", func(b []byte) string { return "data:image/png;name=a;BASE64," + base64.StdEncoding.EncodeToString(b) }},
		"base64":                 {"text/plain", base64.StdEncoding.EncodeToString},
		"base64 without padding": {"application/octet-stream", base64.RawStdEncoding.EncodeToString},
		"base64 for URLs":        {"text/plain", base64.URLEncoding.EncodeToString},
		"base64 in lines":        {"text/plain", func(b []byte) string { return "\n" + lines(base64.StdEncoding.EncodeToString(b)) }},
		"in a form, escaped": {"application/x-www-form-urlencoded", func(b []byte) string {
			return url.Values{"id": {"7"}, "image": {base64.StdEncoding.EncodeToString(b)}}.Encode()
		}},
		"in a form, as a URL": {"application/x-www-form-urlencoded", func(b []byte) string {
			return "image=" + url.QueryEscape("data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(b)) + "&x=y"
		}},
		"in a form, not escaped": {"application/x-www-form-urlencoded", func(b []byte) string { return "image=" + base64.StdEncoding.EncodeToString(b) }},
		"in quotes":              {"text/plain", func(b []byte) string { return `"` + base64.StdEncoding.EncodeToString(b) + `"` }},
		"JSON without a data URL": {"text/plain", func(b []byte) string {
			return `{"image":"` + strings.ReplaceAll(base64.StdEncoding.EncodeToString(b), "/", `\/`) + `","n":1}`
		}},
		"JSON that says so": {"application/json; charset=utf-8", func(b []byte) string {
			return `{"device":"a", "image": "data:image/jpeg;base64,` + base64.StdEncoding.EncodeToString(b) + `"}`
		}},
		"with a byte order mark": {"text/plain", func(b []byte) string { return "\xef\xbb\xbf" + base64.StdEncoding.EncodeToString(b) }},
		"a field of a form": {"multipart/form-data; boundary=b", func(b []byte) string {
			return string(form("--b--", field("image", "data:image/png;base64,"+base64.StdEncoding.EncodeToString(b))))
		}},
		"a file of a form": {"multipart/form-data; boundary=b", func(b []byte) string {
			return string(form("--b--", file([]byte(base64.StdEncoding.EncodeToString(b)))))
		}},
		"a part as mail has them": {"multipart/mixed; boundary=b", func(b []byte) string {
			return string(form("--b--", "Content-Transfer-Encoding: base64\r\n\r\n"+lines(base64.StdEncoding.EncodeToString(b))))
		}},
	} {
		for _, body := range [][]byte{small, large, pic} {
			a := post(t, s, "?device=a", strings.NewReader(c.encode(body)), headers{"Content-Type": c.kind})
			if !a.OK || a.Bytes != len(body) || !bytes.Equal(read(t, dir, a.File), body) {
				t.Errorf("%s, %d bytes: %+v", name, len(body), a)
			}
		}
	}
	half := base64.StdEncoding.EncodeToString(small)
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"half":                {half[:len(half)/2], 422},
		"in a group's middle": {half[:401], 422},
		"of something else":   {"data:image/gif;base64," + base64.StdEncoding.EncodeToString([]byte("GIF89a and more")), 415},
		"of nothing":          {"data:image/jpeg;base64,", 400},
		"too far in":          {strings.Repeat("x", 600) + half, 415},
	} {
		if a := post(t, s, "?device=a", strings.NewReader(c.body), nil); a.code != c.code {
			t.Errorf("%s: %+v, want %d", name, a, c.code)
		}
	}
	// The limit applies to the picture, not the text.
	limited := receive(t, t.TempDir(), func(c *upload.Config) { c.MaxUpload = int64(len(large)) })
	if a := post(t, limited, "", strings.NewReader(base64.StdEncoding.EncodeToString(large)), nil); !a.OK {
		t.Errorf("at the limit: %+v", a)
	}
	if a := post(t, limited, "", strings.NewReader(base64.StdEncoding.EncodeToString(append(bytes.Clone(large), 0))), nil); a.code != 413 {
		t.Errorf("a byte above the limit: %+v", a)
	}
}

// Recorders send several pictures in one body; phones append a smaller one, which belongs to the first.
func TestSeveralPicturesPerBody(t *testing.T) {
	s, dir := receiveIn(t)
	var thirty [][]byte
	for i := range 30 {
		thirty = append(thirty, jpegOf(t, i))
	}
	gaps := func(gap string, list ...[]byte) []byte { return bytes.Join(list, []byte(gap)) }
	big, preview := encodeJPEG(t, picture(320, 240, 1), 80), encodeJPEG(t, picture(80, 60, 1), 80)
	cut := jpegOf(t, 50)
	cut = cut[:len(cut)-20]
	mpf := slices.Concat(big[:2], multiPicture, big[2:])
	noise := noisy(t, 100<<10)
	stamp := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		body    []byte
		n       int
		refused int
	}{
		"thirty":               {gaps("", thirty...), 30, 0},
		"with line ends":       {gaps("\r\n", thirty...), 30, 0},
		"with padding":         {gaps("\x00\x00\x00", thirty[:5]...), 5, 0},
		"with fill bytes":      {gaps("\xff\xff", thirty[:5]...), 5, 0},
		"large ones":           {gaps("", noise, noise, noise), 3, 0},
		"a JPEG and a PNG":     {gaps("", jpegOf(t, 1), pngOf(t, 1)), 2, 0},
		"the last one cut off": {gaps("", thirty[0], thirty[1], thirty[2][:300]), 2, 1},
		"a cut one first":      {gaps("", cut, thirty[0], thirty[1]), 2, 1},
		"cut ones between":     {gaps("", thirty[0], cut, cut[:350], thirty[1], thirty[2]), 3, 1},
		"cut off preview":      {gaps("", big, big[:len(big)-200], preview), 1, 1},
		"line ends before it":  {gaps("", []byte("\r\n\r\n"), noise), 0, 0},
		"trailing preview":     {gaps("", big, preview), 0, 0},
		"trailing larger one":  {gaps("", preview, big), 2, 0},
		"first declares two":   {gaps("", mpf, big), 0, 0},
		"trailing other data":  {gaps("", big, []byte("ftypmp42 and a film")), 0, 0},
	} {
		h := headers{"X-Timestamp": stampOf(stamp), "X-Sequence": "100", "Idempotency-Key": name}
		device := "?device=" + strings.ReplaceAll(name, " ", "-")
		for i := range 2 {
			a := post(t, s, device, bytes.NewReader(c.body), h)
			if !a.OK || a.Refused != c.refused*(1-i) || i == 0 && a.Pictures != c.n || (a.Duplicate || a.Duplicates > 0) != (i > 0) {
				t.Errorf("%s, time %d: %+v", name, i+1, a)
			}
		}
		var kept []string
		for _, f := range files(t, dir) {
			if strings.HasPrefix(f, strings.TrimPrefix(device, "?device=")+"/") {
				kept = append(kept, f)
			}
		}
		if len(kept) != max(c.n, 1) {
			t.Errorf("%s: %d files", name, len(kept))
			continue
		}
		for i, f := range kept[:min(len(kept), len(thirty))] {
			if c.n == 30 && !bytes.Equal(read(t, dir, f), thirty[i]) || !strings.Contains(f, fmt.Sprintf("-%06d.", 100+i)) {
				t.Errorf("%s: file %d is %s", name, i, f)
			}
		}
	}
	// The same for parts of a stream and files of a form.
	for _, kind := range []string{"multipart/mixed", "multipart/form-data"} {
		a := post(t, s, "?device=x", bytes.NewReader(form("--b--", file(gaps("", thirty[:3]...)), file(thirty[3]))), headers{"Content-Type": kind + "; boundary=b"})
		if !a.OK || a.Pictures != 4 {
			t.Errorf("%s: %+v", kind, a)
		}
	}
}

// Common mistakes in boundaries, and missing ends.
func TestMultipartBoundariesAndMissingEnds(t *testing.T) {
	s, dir := receiveIn(t)
	one := jpegOf(t, 1)
	for name, c := range map[string]struct{ kind, first, end string }{
		"as it should be":            {`boundary=x`, "--x", "\r\n--x--\r\n"},
		"quoted":                     {`boundary="x y"`, "--x y", "\r\n--x y--"},
		"the dashes in the header":   {`boundary=--x`, "--x", "\r\n--x--\r\n"},
		"quoted, too":                {`boundary="--x"`, "--x", "\r\n--x--\r\n"},
		"dashes that are meant":      {`boundary=--x`, "----x", "\r\n----x--\r\n"},
		"not in the header":          {``, "--x", "\r\n--x--\r\n"},
		"one that must be quoted":    {`boundary=a:b/c`, "--a:b/c", "\r\n--a:b/c--\r\n"},
		"line ends before the first": {`boundary=--x`, "\r\n\r\n--x", "\r\n--x--\r\n"},
		"bare line feeds":            {`boundary=--x`, "--x", "\n--x--\n"},
		"a preamble":                 {`boundary=x`, "This is a multipart message.\r\n--x", "\r\n--x--\r\n"},
		"no end":                     {`boundary=x`, "--x", ""},
		"a line end for an end":      {`boundary=x`, "--x", "\r\n"},
		"half an end":                {`boundary=x`, "--x", "\r\n--x"},
		"half an end, dashes":        {`boundary=--x`, "--x", "\r\n--x"},
		"another one":                {`boundary=y`, "--x", "\r\n--x--\r\n"},
		"more dashes in the body":    {`boundary=x`, "----x", "\r\n----x--\r\n"},
	} {
		eol := "\r\n"
		if name == "bare line feeds" {
			eol = "\n"
		}
		for _, sub := range []string{"form-data", "x-mixed-replace", "mixed", "related"} {
			for _, length := range []string{"", fmt.Sprintf("Content-Length: %d%s", len(one), eol)} {
				body := c.first + eol + `Content-Disposition: form-data; name="f"; filename="x.jpg"` + eol + "Content-Type: image/jpeg" + eol + length + eol + string(one) + c.end
				a := post(t, s, "?device=a", strings.NewReader(body), headers{"Content-Type": "multipart/" + sub + "; " + c.kind})
				if !a.OK || !bytes.Equal(read(t, dir, a.File), one) {
					t.Errorf("%s, %s, length %q: %+v", name, sub, length, a)
				}
			}
		}
	}
	for _, sub := range []string{"form-data", "form-data; boundary=x", "mixed"} {
		if a := post(t, s, "", bytes.NewReader(one), headers{"Content-Type": "multipart/" + sub}); !a.OK || !bytes.Equal(read(t, dir, a.File), one) {
			t.Errorf("a picture as multipart/%s: %+v", sub, a)
		}
	}
	for name, body := range map[string]string{
		"half a picture": "--x\r\nContent-Type: image/jpeg\r\n\r\n" + string(one[:len(one)/2]), "no picture": "--x\r\n\r\n", "nothing": "--x", "headers alone": "--x\r\nContent-Type: image/jpeg\r\n",
	} {
		for _, sub := range []string{"form-data", "mixed"} {
			if a := post(t, s, "?device=a", strings.NewReader(body), headers{"Content-Type": "multipart/" + sub + "; boundary=x"}); a.OK || a.code >= 500 {
				t.Errorf("%s, %s: %+v", name, sub, a)
			}
		}
	}
}

func TestTimestampFormats(t *testing.T) {
	s, _ := receiveIn(t)
	at := time.Now().Add(-90 * time.Minute).UTC().Truncate(time.Millisecond)
	for _, text := range []string{
		stampOf(at), fmt.Sprint(at.UnixMilli()), fmt.Sprint(at.UnixMicro()), fmt.Sprint(at.UnixNano()), at.Format(time.RFC3339Nano), at.In(time.FixedZone("", 7200)).Format(time.RFC3339Nano),
		at.Format("2006-01-02T15:04:05.999999"), at.Format("2006-01-02 15:04:05.999999+00:00"),
	} {
		a := postOK(t, s, "?device=a", jpegOf(t, 1), headers{"X-Timestamp": text})
		if want := "a/" + at.Format("2006-01-02/150405.000"); !strings.HasPrefix(a.File, want) {
			t.Errorf("%s: %s, want %s", text, a.File, want)
		}
	}
}

// Uploads from clients that half-close the connection after the request (nc -N, socat) are stored, and get a reply.
func TestHalfClosedUploads(t *testing.T) {
	s, dir := receiveIn(t)
	one, large := jpegOf(t, 1), noisy(t, 300<<10)
	body := string(form("--b--\r\n", file(one)))
	for name, request := range map[string]string{
		"small":       fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(one), one),
		"large":       fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(large), large),
		"PUT":         fmt.Sprintf("PUT /upload/x.jpg?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(one), one),
		"chunked":     fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(one), one),
		"a form":      fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		"HTTP/1.0":    fmt.Sprintf("POST /upload?device=a HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", len(one), one),
		"two in a go": fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(one), one) + fmt.Sprintf("POST /upload?device=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(one), one),
	} {
		before := s.State().Pictures
		conn, err := net.Dial("tcp", address(s))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		reply, err := io.ReadAll(conn)
		want := 1 + strings.Count(request, "POST")/2
		if err != nil || strings.Count(string(reply), " 200 OK\r\n") != want || s.State().Pictures != before+want {
			t.Errorf("%s: %q, %v, %d more stored", name, reply, err, s.State().Pictures-before)
		}
	}
	if n := len(files(t, dir)); n != 8 {
		t.Errorf("%d files", n)
	}
}
