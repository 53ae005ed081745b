//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/internal/testenv"
)

// testReceiver is maixstream receive as a separate process, which can be killed and restarted at the same address.
type testReceiver struct {
	t                     *testing.T
	program, dir, address string
	cmd                   *exec.Cmd
}

func newReceiver(t *testing.T, program string) *testReceiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.86.0.3:0") // an address where nothing else takes the port while the server is away
	if err != nil {
		t.Fatal(err)
	}
	r := &testReceiver{t: t, program: program, dir: t.TempDir(), address: l.Addr().String()}
	l.Close()
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *testReceiver) url() string { return "http://" + r.address + "/upload" }

// start waits until it listens.
func (r *testReceiver) start() {
	r.t.Helper()
	r.cmd = exec.Command(r.program, "receive", "--listen", r.address, "--dir", r.dir, "--report", "0", "--log-level", "error")
	r.cmd.Stderr = os.Stderr
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("tcp", r.address); err == nil {
			conn.Close()
			return
		} else if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

func (r *testReceiver) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// kept returns a device's pictures by their sequence numbers.
func (r *testReceiver) kept(device string) map[int][]byte {
	r.t.Helper()
	all := map[int][]byte{}
	err := filepath.WalkDir(filepath.Join(r.dir, device), func(path string, d fs.DirEntry, err error) error {
		name, ok := strings.CutSuffix(filepath.Base(path), ".jpg")
		if err != nil || d.IsDir() || !ok {
			return err
		}
		_, sequence, _ := strings.Cut(name, "-")
		n, err := strconv.Atoi(sequence)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if all[n] != nil {
			return fmt.Errorf("%s: picture %d is there twice", path, n)
		}
		all[n], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// numbered creates a folder of n pictures, each containing its number.
func numbered(t *testing.T, n int) (dir string, pictures [][]byte) {
	t.Helper()
	dir = t.TempDir()
	for i := range n {
		img := picture.New(64, 32, picture.Grey)
		img.DrawText(2, 2, strconv.Itoa(i+1), picture.White, 16)
		jpg, err := img.JPEG(60)
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, jpg.Bytes())
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.jpg", i+1)), jpg.Borrow(), 0o600); err != nil {
			t.Fatal(err)
		}
		jpg.Release()
	}
	return dir, pictures
}

func TestEveryModeReachesReceive(t *testing.T) {
	server := newReceiver(t, buildProgram(t))
	dir, pictures := numbered(t, 5)
	for _, as := range []string{"raw", "form", "multipart"} {
		code, out, problems := verbRun(t, nil, "push", "--as", as, "--device", as, server.url(), dir)
		if code != exitDone || !strings.Contains(out, `200 OK {`) || !strings.Contains(out, `"ok":true`) {
			t.Fatalf("%s: code %d, %s %s", as, code, out, problems)
		}
		t.Logf("%s: %s", as, out[:strings.IndexByte(out, '\n')])
		kept := server.kept(as)
		for i, want := range pictures {
			if !bytes.Equal(kept[i+1], want) {
				t.Errorf("%s: picture %d: %d bytes, want %d", as, i+1, len(kept[i+1]), len(want))
			}
		}
		if len(kept) != len(pictures) {
			t.Errorf("%s: %d pictures", as, len(kept))
		}
	}
	code, _, problems := verbRun(t, nil, "push", "--retry", "0", strings.TrimSuffix(server.url(), "upload")+"elsewhere", dir)
	if code != exitFailed || !strings.Contains(problems, "40") {
		t.Errorf("code %d, %s", code, problems)
	}
}

func TestThousandPicturesReachReceiveThroughTenKills(t *testing.T) {
	testenv.Long(t, "takes some seconds")
	const total = 1000
	server := newReceiver(t, buildProgram(t))
	dir, pictures := numbered(t, total)
	type end struct {
		code          int
		out, problems string
	}
	done := make(chan end, 1)
	spool := t.TempDir()
	go func() {
		code, out, problems := verbRun(t, nil, "push", "--spool", spool, "--retry", "3m", "--device", "cam", server.url(), dir)
		done <- end{code, out, problems}
	}()
	for kill := 1; kill <= 10; kill++ {
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
			if files, _ := filepath.Glob(filepath.Join(server.dir, "cam", "*", "*.jpg")); len(files) >= kill*total/12 {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("%d pictures came", len(files))
			}
		}
		server.kill()
		time.Sleep(50 * time.Millisecond)
		server.start()
	}
	e := <-done
	if e.code != exitDone || strings.Count(e.out, "200 OK") != total {
		t.Errorf("code %d, %d times 200 OK, %s", e.code, strings.Count(e.out, "200 OK"), e.problems)
	}
	kept := server.kept("cam")
	for i, want := range pictures {
		if !bytes.Equal(kept[i+1], want) {
			t.Fatalf("picture %d: %d bytes, want %d", i+1, len(kept[i+1]), len(want))
		}
	}
	if len(kept) != total {
		t.Errorf("%d pictures kept", len(kept))
	}
	t.Logf("%d of them had been kept before the server was killed, and were told by their keys", strings.Count(e.out, `"duplicate":true`))
}

// The spool of a killed push still arrives, in order, and a picture sent twice has the same key.
func TestKilledPushLosesAndDuplicatesNothing(t *testing.T) {
	program := buildProgram(t)
	var mu sync.Mutex
	came := map[string]bool{} // keys
	var stamps []string       // of those that are new, in the order of their arrival
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		mu.Lock()
		if key := r.Header.Get("Idempotency-Key"); !came[key] {
			came[key] = true
			stamps = append(stamps, r.Header.Get("X-Timestamp"))
		}
		mu.Unlock()
		time.Sleep(20 * time.Millisecond) // slower than the source
	}))
	t.Cleanup(server.Close)
	arrived := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(stamps)
	}
	spool := t.TempDir()
	waiting := func() []string {
		files, _ := filepath.Glob(filepath.Join(spool, "0*"))
		return files
	}
	kept := map[string]bool{}
	for range 4 {
		cmd := exec.Command(program, "push", "--source", "testcard", "--size", "160x120", "--fps", "100", "--spool", spool, server.URL)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := arrived()
		for deadline := time.Now().Add(time.Minute); arrived() < before+10; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				_ = cmd.Process.Kill()
				t.Fatalf("%d came", arrived()-before)
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for _, name := range waiting() {
			kept[strings.Split(filepath.Base(name), "_")[2]] = true
		}
	}
	if len(kept) < 4 {
		t.Errorf("%d were kept when it was killed", len(kept))
	}
	if code, out, problems := verbRun(t, nil, "push", "--source", "testcard", "--size", "160x120", "--count", "1", "--spool", spool, server.URL); code != exitDone {
		t.Fatal(code, out, problems)
	}
	mu.Lock()
	defer mu.Unlock()
	for key := range kept {
		if !came[key] {
			t.Errorf("a picture that had been kept did not come: %s", key)
		}
	}
	last := 0.0
	for i, text := range stamps {
		stamp, err := strconv.ParseFloat(text, 64)
		if err != nil || stamp <= last {
			t.Fatalf("arrival %d of %s, behind one of %f (%v)", i, text, last, err)
		}
		last = stamp
	}
	if left := waiting(); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
	t.Logf("%d came, %d of them by way of a process that was killed", len(stamps), len(kept))
}

// files lists all stored pictures.
func (r *testReceiver) files() []string {
	files, _ := filepath.Glob(filepath.Join(r.dir, "*", "*", "*.*g"))
	return files
}

// A source that ends without a picture is an error, however its pictures would have been sent.
func TestPushOfASourceWithoutAPictureFails(t *testing.T) {
	in, program := newInbox(t), buildProgram(t)
	for name, flags := range map[string][]string{
		"raw": nil, "form": {"--as", "form"}, "multipart": {"--as", "multipart"}, "png": {"--format", "png"}, "counted": {"--count", "1"}, "spooled": {"--spool", "SPOOL"},
	} {
		for what, text := range map[string]string{"nothing": "", "no picture": "hello\n", "half a picture": "\xff\xd8\xff\xe0"} {
			args := append([]string{"push", "--source", "-", in.URL}, flags...)
			for i := range args {
				if args[i] == "SPOOL" {
					args[i] = t.TempDir()
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			cmd := exec.CommandContext(ctx, program, args...)
			cmd.Stdin = strings.NewReader(text)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if ctx.Err() != nil || !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "without a single picture") {
				t.Errorf("%s, %s: %v, %q", name, what, err, out)
			}
			cancel()
		}
	}
	if n := len(in.list()); n != 0 {
		t.Errorf("%d pictures came", n)
	}
}

// A pipe that stays open does not keep push from ending.
func TestPushOfAPipeEndsWhenSignalled(t *testing.T) {
	program, pipe := buildProgram(t), filepath.Join(t.TempDir(), "pipe.jpg")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "push", "http://127.0.0.1:9/", pipe)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // returns once push has opened it
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
