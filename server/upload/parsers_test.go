package upload

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"
)

func FuzzText(f *testing.F) {
	f.Add([]byte("data:image/jpeg;base64,/9j/4AAQ"))
	f.Add([]byte("image=%2F9j%2F4AAQ&x=1"))
	f.Add([]byte(`{"a":"\/9j\/4A\nAQ=="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		start, ok := findText(body)
		if !ok {
			return
		}
		if start < 0 || start > min(len(body), maxTextHead) {
			t.Fatalf("begins at %d of %d bytes", start, len(body))
		}
		whole, err := io.ReadAll(newText(bytes.NewReader(body[start:])))
		if err != nil || len(whole) > len(body)*3/4+3 {
			t.Errorf("%d bytes of %d (%v)", len(whole), len(body), err)
		}
		pieces, err := io.ReadAll(newText(iotest.OneByteReader(bytes.NewReader(body[start:]))))
		if err != nil || !bytes.Equal(whole, pieces) {
			t.Errorf("in one piece %q, in bytes %q (%v)", whole, pieces, err)
		}
	})
}

// A source error is not the end of the text.
func TestTruncatedText(t *testing.T) {
	for _, text := range []string{"/9j/4AA", "/9j/4AAQ", "/9j/4AAQSk"} {
		src := io.MultiReader(bytes.NewReader([]byte(text)), iotest.ErrReader(errCut))
		if _, err := io.ReadAll(newText(src)); err == nil || !isCut(err) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzBoundary(f *testing.F) {
	f.Add("x", []byte("--x\r\nContent-Type: image/jpeg\r\n\r\nabc\r\n--x--"))
	f.Add("--x", []byte("\r\n--x\r\n\r\nabc"))
	f.Add("", []byte("--y\r\n\r\nabc\r\n--y--"))
	f.Fuzz(func(t *testing.T, boundary string, data []byte) {
		if line := firstLine(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(data)), 4096)); len(line) > lineAhead || bytes.ContainsAny([]byte(line), "\n") {
			t.Fatalf("line %q", line)
		}
		in := &body{r: bytes.NewReader(data), connection: http.NewResponseController(nil), stall: time.Second, slot: new(slot)}
		parts, err := newParts(bufio.NewReaderSize(in, 4096), "multipart/mixed", boundary)
		for n := 0; err == nil; n++ {
			if n > len(data) {
				t.Fatal("more parts than bytes")
			}
			part, next := parts.NextPart()
			if err = next; err == nil {
				_, _ = io.Copy(io.Discard, part)
			}
		}
	})
}

// The keys file may contain anything after a power cut or an edit.
func FuzzKeys(f *testing.F) {
	good := appendKey(nil, keyOf("a"), kept{File: "cam/2026-11-28/093015.250-000001.jpg"})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(good[:20:20], good...))
	f.Add([]byte("\n00 ../../etc/passwd;"))
	dir := f.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { root.Close() })
	if err := os.Mkdir(filepath.Join(dir, "cam"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := root.WriteFile("cam/"+keysFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
		d := &device{name: "cam"}
		y := d.day("2026-11-28", true)
		e := newEntry(34215250, 1, 100, jpegFormat)
		y.entries = []entry{e}
		_ = d.keys.load(root, d) // a line that is too long is an error
		if len(d.keys.order) > maxKeys || len(d.keys.known) != len(d.keys.order) {
			t.Errorf("%d keys, %d in order", len(d.keys.known), len(d.keys.order))
		}
		for _, p := range d.keys.known {
			if p.File != "cam/2026-11-28/093015.250-000001.jpg" {
				t.Errorf("a key of %q, which does not exist", p.File)
			}
		}
		if err := d.keys.add(root, "cam", keyOf("another"), d.kept(y, e)); err != nil {
			t.Fatal(err)
		}
		again := &device{name: "cam", days: d.days}
		if err := again.keys.load(root, again); err == nil {
			if _, ok := again.keys.find(keyOf("another")); !ok {
				t.Error("an added key is lost")
			}
		}
	})
}

// Paths below DIR never lead out of it.
func FuzzLocalPath(f *testing.F) {
	for _, name := range []string{"2026-11-28/093015.250-000001.jpg", "../x", "2026-11-28/../../x.jpg", "/etc/passwd", "", "2026-11-28/"} {
		f.Add("cam", name)
	}
	f.Fuzz(func(t *testing.T, directory, name string) {
		d := &device{name: "cam"}
		y := d.day("2026-11-28", true)
		y.entries = []entry{newEntry(34215250, 1, 100, jpegFormat)}
		if k, ok := d.lookup(name); ok && (!filepath.IsLocal(k.File) || k.File != "cam/"+name) {
			t.Errorf("%q is %q", name, k.File)
		}
		if checkStored(directory) == nil && (!filepath.IsLocal(directory) || filepath.Base(directory) != directory) {
			t.Errorf("%q is accepted as a directory", directory)
		}
	})
}
