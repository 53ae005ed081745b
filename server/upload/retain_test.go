package upload_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/server/upload"
)

func stampOf(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }

func TestOldPicturesExpire(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, func(c *upload.Config) { c.Keep = time.Hour })
	now := time.Now()
	for i := range 300 { // the day before yesterday, across two days, and more than one batch
		postOK(t, s, "?device=old", jpegOf(t, i), headers{"X-Timestamp": stampOf(now.Add(-48*time.Hour - time.Duration(i)*10*time.Minute))})
	}
	// Nearly expired, and new.
	postOK(t, s, "?device=some", jpegOf(t, 1), headers{"X-Timestamp": stampOf(now.Add(-59*time.Minute - 58*time.Second))})
	postOK(t, s, "?device=some", jpegOf(t, 2), headers{"X-Timestamp": stampOf(now.Add(-30 * time.Minute))})
	young := postOK(t, s, "?device=young", jpegOf(t, 3), nil)
	testenv.Eventually(t, "the old ones are gone", func() bool { return s.State().Expired == 301 })
	list := files(t, dir)
	if len(list) != 2 || list[1] != young.File {
		t.Errorf("left: %v", list)
	}
	if _, err := os.Stat(filepath.Join(dir, "old")); !os.IsNotExist(err) {
		t.Errorf("the empty device's directory: %v", err)
	}
	if st := s.State(); st.Devices != 2 || st.Pictures != 2 || st.Bytes != 2*4096 {
		t.Errorf("%+v", st)
	}
}

func TestOldestPicturesMakeRoom(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	const most = 40 * 4096
	s := receive(t, dir, func(c *upload.Config) { c.MaxBytes, c.MaxUpload = most, most })
	start := time.Now().Add(-24 * time.Hour)
	var sent []string
	for i := range 100 {
		a := postOK(t, s, fmt.Sprint("?device=d", i%3), jpegOf(t, i), headers{"X-Timestamp": stampOf(start.Add(time.Duration(i) * time.Minute))})
		sent = append(sent, a.File)
		if st := s.State(); st.Bytes > most {
			t.Fatalf("%d bytes after %d", st.Bytes, i)
		}
	}
	want := slices.Sorted(slices.Values(sent[60:]))
	if list := files(t, dir); !slices.Equal(list, want) {
		t.Errorf("stored %v, want %v", list, want)
	}
	large := noisy(t, 100<<10) // replaces many
	postOK(t, s, "?device=d0", large, nil)
	if st := s.State(); st.Bytes > most || st.PushedOut != uint64(60+(len(large)+4095)/4096) {
		t.Errorf("%+v", st)
	}
	if a := post(t, s, "?device=d0", bytes.NewReader(noisy(t, most)), nil); a.code != 413 {
		t.Errorf("%+v", a)
	}
	// One that needs all the room, from a device that loses its only picture to it.
	s2 := receive(t, t.TempDir(), func(c *upload.Config) { c.MaxBytes, c.MaxUpload = 4096, 4096 })
	for i := range 3 {
		if a := postOK(t, s2, "?device=only", jpegOf(t, i), headers{"Idempotency-Key": fmt.Sprint(i)}); a.Duplicate {
			t.Errorf("%+v", a)
		}
	}
	if st := s2.State(); st.Devices != 1 || st.Pictures != 1 || st.Bytes != 4096 {
		t.Errorf("%+v", st)
	}
}

func TestStartIndexesExistingPictures(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, nil)
	var last answer
	for i := range 20 {
		last = postOK(t, s, "?device=a", jpegOf(t, i), headers{"X-Timestamp": stampOf(time.Now().Add(time.Duration(i-20) * time.Hour))})
	}
	postOK(t, s, "?device=b", pngOf(t, 1), nil)
	before := s.Devices()
	if _, err := upload.New(upload.Config{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	second, err := upload.New(upload.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("two servers on one directory: %v", err)
	}
	stop(t, s)

	// Left by a crash, and foreign files.
	outside := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	day := time.Now().UTC().Format(time.DateOnly)
	write(".incoming/17", "half a picture")
	write("a/"+day+"/235959.999-000001.jpg", "") // renamed but never written
	write("a/"+day+"/notes.txt", "mine")
	write("a/"+day+"/235959.999-1.jpg", "not our name")
	write("a/readme", "mine")
	write("empty/"+day+"/x", "mine")
	for link, to := range map[string]string{"link": outside, "a/2020-01-01": outside, "a/" + day + "/000000.000-000009.jpg": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	write("c", "a file where a device's directory should be")

	s = receive(t, dir, nil)
	after := s.Devices()
	if len(after) != 2 || after[0].Pictures != before[0].Pictures || after[0].Bytes != before[0].Bytes || after[0].Newest.File != last.File || after[1].Newest.File != before[1].Newest.File {
		t.Errorf("after\n%+v, before\n%+v", after, before)
	}
	list := files(t, dir)
	for _, gone := range []string{".incoming/17", "a/" + day + "/235959.999-000001.jpg"} {
		if slices.Contains(list, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
	for _, there := range []string{"a/" + day + "/notes.txt", "a/readme", "c", last.File} {
		if !slices.Contains(list, there) {
			t.Errorf("%s is gone: %v", there, list)
		}
	}
	// Links are never followed for reading or writing.
	if a := post(t, s, "?device=link", bytes.NewReader(jpegOf(t, 1)), nil); a.code != 500 || !strings.Contains(a.Error, "not a directory") {
		t.Errorf("a device that is a link: %+v", a)
	}
	if a := post(t, s, "?device=c", bytes.NewReader(jpegOf(t, 1)), nil); a.code != 500 {
		t.Errorf("a device that is a file: %+v", a)
	}
	old := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	if a := post(t, s, "?device=a", bytes.NewReader(jpegOf(t, 1)), headers{"X-Timestamp": stampOf(old)}); a.code != 500 {
		t.Errorf("a day that is a link: %+v", a)
	}
	if reply, _ := get(t, s, "/files/a/"+day+"/000000.000-000009.jpg"); reply.StatusCode != 404 {
		t.Errorf("a picture that is a link: %s", reply.Status)
	}
	if left := files(t, outside); len(left) != 0 {
		t.Errorf("escaped: %v", left)
	}
	if a := postOK(t, s, "?device=a", jpegOf(t, 1), nil); a.OK && s.Devices()[0].Pictures != 21 {
		t.Errorf("%+v", s.Devices())
	}
}

// Pictures that a start missed would never expire.
func TestStartIndexesBeyondTheLastSequence(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	postOK(t, s, "?device=a", jpegOf(t, 1), headers{"X-Sequence": "9223372036854775807"})
	next := postOK(t, s, "?device=a", jpegOf(t, 2), nil)
	stop(t, s)
	s = receive(t, dir, nil)
	if d := s.Devices(); len(d) != 1 || d[0].Pictures != 2 || d[0].Newest.File != next.File {
		t.Errorf("%+v", d)
	}
}

// Directories deleted by hand while the server runs.
func TestRemovedDirectoriesAreRecreated(t *testing.T) {
	dir := t.TempDir()
	s := receive(t, dir, nil)
	postOK(t, s, "?device=a", jpegOf(t, 1), nil)
	for _, name := range []string{"a", ".incoming"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	a := postOK(t, s, "?device=a", jpegOf(t, 2), headers{"Idempotency-Key": "k"})
	if !bytes.Equal(read(t, dir, a.File), jpegOf(t, 2)) {
		t.Error("the picture differs")
	}
}
