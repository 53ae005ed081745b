//go:build linux && cgo

package main

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

const pushDocument = "../../docs/push.md"

var shellBlock = regexp.MustCompile("(?s)```sh( serve)?\n(.*?)```")

func TestPushDocumentNamesEveryFlag(t *testing.T) {
	text, err := os.ReadFile(pushDocument)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verbs() {
		for _, f := range flagsOf(v) {
			if v.name != "push" && (v.name != "serve" || !strings.HasPrefix(f.Name, "push")) || f.Name == "help" {
				continue
			}
			if !regexp.MustCompile("--" + f.Name + `\b`).Match(text) {
				t.Errorf("%s does not say what %s --%s is", pushDocument, v.name, f.Name)
			}
		}
	}
}

// Every command of the document is run unchanged, in a folder with the files it names, against receive, and a server that accepts PUT.
func TestCommandsOfThePushDocument(t *testing.T) {
	testenv.Long(t, "takes half a minute")
	text, err := os.ReadFile(pushDocument)
	if err != nil {
		t.Fatal(err)
	}
	program := buildProgram(t)
	server := newReceiver(t, program)
	camera := serveInBackground(t, "--source", "testcard", "--size", "160x120")
	dav := newDAV(t)

	dir, jpg, png := samples(t)
	if err := os.Mkdir(filepath.Join(dir, "photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"photo.jpg": jpg, "photos/1.jpg": jpg, "photos/2.png": png, "login": []byte("cam:secret\n"), "ca.pem": dav.ca} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "maixstream")); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("http://server:8080", "http://"+server.address, "http://camera:8000", camera, "https://server", dav.URL)
	ran := 0
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[2]) {
			line = strings.TrimSpace(line)
			ran++
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+here.Replace(line))
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
				out, problems := &testenv.Output{}, &testenv.Output{}
				cmd.Stdout, cmd.Stderr = out, problems
				endless := block[1] != "" || !strings.Contains(line, "--count") && strings.Contains(line, "--every 500ms")
				before := dav.requests.Load() + int64(len(server.files()))
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if endless { // until something arrives; serve does not report its pushes
					came := func() bool { return strings.HasPrefix(out.String(), "20") }
					if block[1] != "" {
						came = func() bool {
							files, _ := filepath.Glob(filepath.Join(server.dir, "second", "*", "*.jpg"))
							return len(files) > 0
						}
					}
					for !came() && ctx.Err() == nil {
						time.Sleep(20 * time.Millisecond)
					}
					_ = cmd.Process.Signal(syscall.SIGTERM)
				}
				if err := cmd.Wait(); err != nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Fatalf("%v: %s%s", err, out.String(), problems.String())
				}
				if block[1] == "" && !strings.HasPrefix(out.String(), "20") {
					t.Errorf("it printed %q %s", out.String(), problems.String())
				}
				if after := dav.requests.Load() + int64(len(server.files())); after == before {
					t.Error("nothing came")
				}
			})
		}
	}
	if ran < 15 {
		t.Errorf("only %d commands found", ran)
	}
}

// davServer accepts pictures by PUT, over TLS, with a password. (The package push is tested against nginx itself.)
type davServer struct {
	*httptest.Server
	ca       []byte
	requests atomic.Int64
}

func newDAV(t *testing.T) *davServer {
	t.Helper()
	d := &davServer{}
	d.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_, _ = io.Copy(io.Discard, r.Body)
		switch {
		case user != "cam" || password != "secret":
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method != http.MethodPut || !strings.HasPrefix(r.URL.Path, "/dav/") || !strings.HasSuffix(r.URL.Path, ".jpg"):
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			d.requests.Add(1)
			w.WriteHeader(http.StatusCreated)
		}
	}))
	t.Cleanup(d.Close)
	d.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
	return d
}
