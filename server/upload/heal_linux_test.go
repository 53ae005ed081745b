package upload_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/upload"
)

func healthy(t *testing.T, s *upload.Server) (code int, text string) {
	t.Helper()
	reply, body := get(t, s, "/healthz")
	return reply.StatusCode, string(body)
}

// A directory that is deleted, moved away or unmounted is reported, and used again with its contents when it is back.
func TestRecoversWhenDirectoryReturns(t *testing.T) {
	testenv.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "pictures")
	for name, c := range map[string]struct {
		lose, back func() error
		there      int // pictures from before
	}{
		"removed":    {func() error { return os.RemoveAll(dir) }, func() error { return os.Mkdir(dir, 0o750) }, 0},
		"moved away": {func() error { return os.Rename(dir, dir+"-2") }, func() error { return os.Rename(dir+"-2", dir) }, 2},
		"a file instead": {
			func() error { return errors.Join(os.Rename(dir, dir+"-2"), os.WriteFile(dir, nil, 0o600)) },
			func() error { return errors.Join(os.Remove(dir), os.Rename(dir+"-2", dir)) },
			2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := receive(t, dir, nil)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			defer stop(t, s)
			for i := range 2 {
				postOK(t, s, "?device=a", jpegOf(t, i), nil)
			}
			if code, text := healthy(t, s); code != 200 || text != "ok\n" {
				t.Errorf("before: %d %q", code, text)
			}
			if err := c.lose(); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, "it is noticed", func() bool { code, _ := healthy(t, s); return code == 503 })
			if _, text := healthy(t, s); !strings.Contains(text, dir) || !strings.Contains(text, "cannot be stored") {
				t.Errorf("/healthz: %q", text)
			}
			a := post(t, s, "?device=a", bytes.NewReader(jpegOf(t, 3)), nil)
			if a.code != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.Error, dir) {
				t.Errorf("meanwhile: %+v", a)
			}
			if st := s.State(); st.Error == "" || st.Failed == 0 {
				t.Errorf("%+v", st)
			}
			if _, metrics := get(t, s, "/metrics"); !bytes.Contains(metrics, []byte("maixstream_receive_directory_usable 0\n")) {
				t.Error("/metrics does not report it")
			}
			if err := c.back(); err != nil {
				t.Fatal(err)
			}
			testenv.Eventually(t, "it is back", func() bool { code, _ := healthy(t, s); return code == 200 })
			if st := s.State(); st.Pictures != c.there || st.Error != "" {
				t.Errorf("%+v, want %d pictures", st, c.there)
			}
			after := postOK(t, s, "?device=a", jpegOf(t, 4), nil)
			if !bytes.Equal(read(t, dir, after.File), jpegOf(t, 4)) || s.State().Pictures != c.there+1 {
				t.Errorf("afterwards: %+v, %+v", after, s.State())
			}
			if _, body := get(t, s, "/snapshot/a"); !bytes.Equal(body, jpegOf(t, 4)) {
				t.Error("the newest picture is wrong")
			}
		})
	}
}

func TestUnwritableDirectory(t *testing.T) {
	testenv.Long(t, "takes a quarter of a minute")
	s, dir := receiveIn(t)
	defer stop(t, s)
	postOK(t, s, "?device=a", jpegOf(t, 1), nil)
	incoming := filepath.Join(dir, ".incoming") // pictures are written there
	if err := errors.Join(os.RemoveAll(incoming), os.WriteFile(incoming, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it is noticed", func() bool {
		code, text := healthy(t, s)
		return code == 503 && strings.Contains(text, "is not writable: ")
	})
	if a := post(t, s, "?device=a", bytes.NewReader(jpegOf(t, 1)), nil); a.code != 503 {
		t.Errorf("%+v", a)
	}
	if err := os.Remove(incoming); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it heals", func() bool { code, _ := healthy(t, s); return code == 200 })
	postOK(t, s, "?device=a", jpegOf(t, 1), nil)
}

// An unreadable directory stops neither the start nor the other devices; it is counted, and nothing in it is overwritten.
func TestUnreadableDirectoryIsSkipped(t *testing.T) {
	if os.Getuid() != 0 {
		testenv.Unable(t, "needs root to switch users")
	}
	dir := t.TempDir()
	s := receive(t, dir, nil)
	at := time.Now().Add(-time.Hour)
	for _, device := range []string{"a", "b", "c"} {
		postOK(t, s, "?device="+device, jpegOf(t, 1), headers{"X-Timestamp": stampOf(at), "X-Sequence": "1"})
	}
	stop(t, s)
	day := at.UTC().Format(time.DateOnly)
	for _, name := range []string{"a", "b/" + day} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	for parent := dir; parent != "/"; parent = filepath.Dir(parent) { // accessible to others; t.TempDir is not
		if info, err := os.Stat(parent); err == nil && strings.Contains(parent, t.Name()) {
			_ = os.Chmod(parent, info.Mode()|0o055)
		}
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	}))
	// Start scans in this goroutine: it runs as nobody, to whom modes apply.
	runtime.LockOSThread()
	must(unix.Setfsuid(nobody))
	s, err := upload.New(upload.Config{Dir: dir, HTTP: webLoopback()})
	if err == nil {
		err = s.Start()
	}
	must(unix.Setfsuid(0))
	runtime.UnlockOSThread()
	must(err)
	defer stop(t, s)
	if st := s.State(); st.Devices != 1 || st.Pictures != 1 || st.Unreadable != 2 {
		t.Errorf("%+v", st)
	}
	for _, name := range []string{"a", "b/" + day} {
		must(os.Chmod(filepath.Join(dir, name), 0o750))
	}
	// A name that is not in the index is still not reused.
	a := postOK(t, s, "?device=a", jpegOf(t, 2), headers{"X-Timestamp": stampOf(at), "X-Sequence": "1"})
	if !strings.HasSuffix(a.File, "-000002.jpg") || !bytes.Equal(read(t, dir, strings.Replace(a.File, "-000002", "-000001", 1)), jpegOf(t, 1)) {
		t.Errorf("%+v", a)
	}
}

const nobody = 65534

// Whatever a sender's address, its pictures are found again: in lists, after a restart, and by retention. So is the directory that earlier versions
// created for ::1.
func TestUnnamedSendersSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		testenv.Unable(t, "no IPv6: "+err.Error())
	}
	l.Close()
	configure := func(c *upload.Config) { c.HTTP.Listen, c.Keep = []string{"[::1]:0", "127.0.0.1:0"}, time.Hour }
	s := receive(t, dir, configure)
	var files []string
	for _, url := range s.URLs() {
		r, err := http.NewRequest(http.MethodPost, url+"/upload", bytes.NewReader(jpegOf(t, 1)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, do(t, r).File)
	}
	if len(files) != 2 || !strings.HasPrefix(strings.Join(files, " "), "0--1/") && !strings.Contains(strings.Join(files, " "), " 0--1/") {
		t.Errorf("%v", files)
	}
	before := s.State()
	stop(t, s)
	old := filepath.Join(dir, "--1", "2026-01-01")
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "093015.250-000001.jpg"), jpegOf(t, 2), 0o644); err != nil {
		t.Fatal(err)
	}
	s = receive(t, dir, configure)
	if st := s.State(); st.Devices != before.Devices || st.Pictures != before.Pictures || st.Expired != 1 {
		t.Errorf("before %+v, after %+v", before, st)
	}
	if _, err := os.Stat(filepath.Join(dir, "--1")); !os.IsNotExist(err) {
		t.Errorf("the old directory: %v", err)
	}
	for _, f := range files {
		if reply, b := get(t, s, "/files/"+f); reply.StatusCode != 200 || !bytes.Equal(b, jpegOf(t, 1)) {
			t.Errorf("%s: %s", f, reply.Status)
		}
		device, _, _ := strings.Cut(f, "/")
		if reply, _ := get(t, s, "/snapshot/"+device); reply.StatusCode != 200 {
			t.Errorf("%s: %s", device, reply.Status)
		}
	}
}

func TestFilesAreNotWorldReadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	s := receive(t, dir, nil)
	for i, body := range [][]byte{jpegOf(t, 1), noisy(t, 100<<10)} {
		postOK(t, s, "?device=a", body, headers{"Idempotency-Key": fmt.Sprint(i)})
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]os.FileMode{true: 0o750, false: 0o640}[d.IsDir()]; err == nil && info.Mode().Perm()&^want != 0 {
			t.Errorf("%s: %v, want %o at most", path, info.Mode(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
