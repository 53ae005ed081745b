package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/stream"
)

// ourLine is what serve prints to standard output.
var ourLine = regexp.MustCompile(`^(https?://\S+|\d\d:\d\d:\d\d .* fps .*)$`)

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	out, err := exec.Command(testenv.Program(t, "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=camera",
		"-addext", "subjectAltName=IP:127.0.0.1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return cert, key
}

// RTSP and RTSPS beside HTTPS, with a stalled reader and others that connect and leave: every log line is ours, /state shows both servers,
// and there is one warning about the unencrypted one.
func TestLibrariesDoNotLogPastOurLogger(t *testing.T) {
	testenv.Long(t, "waits for a stalled reader")
	cert, key := selfSigned(t)
	plain, secure := testenv.FreeMediaAddress(t), testenv.FreeMediaAddress(t)
	cmd := asProgram(t.Context(), "serve", "--listen", "127.0.0.1:0", "--source", "testcard", "--size", "1280x720", "--quality", "100", "--rtsp", plain, "--rtsps", secure,
		"--tls-cert", cert, "--tls-key", key, "--stall-timeout", "5s", "--log-format", "json", "--report", "200ms")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatalf("no URL: %s", stderr.String())
	}
	url := lines.Text()
	printed := make(chan []string)
	go func() {
		list := []string{url}
		for lines.Scan() {
			list = append(list, lines.Text())
		}
		printed <- list
	}()

	stalled, err := net.Dial("tcp", plain)
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	_ = stalled.(*net.TCPConn).SetReadBuffer(4 << 10)
	replies := bufio.NewReader(stalled)
	ask := func(request string) (session string) {
		fmt.Fprint(stalled, request+"\r\n\r\n")
		for {
			line, err := replies.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if id, ok := strings.CutPrefix(line, "Session: "); ok {
				session, _, _ = strings.Cut(strings.TrimSpace(id), ";")
			}
			if line == "\r\n" {
				return session
			}
		}
	}
	session := ask("SETUP rtsp://" + plain + "/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1")
	ask("PLAY rtsp://" + plain + "/ RTSP/1.0\r\nCSeq: 2\r\nSession: " + session)
	fmt.Fprint(stalled, "$\x01\x00\x04????") // RTCP that is none

	out, err := exec.Command(testenv.Program(t, "ffmpeg"), "-v", "error", "-rtsp_transport", "tcp", "-i", "rtsps://"+secure+"/jpeg", "-frames:v", "5", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Errorf("ffmpeg over RTSPS: %v: %s", err, out)
	}
	var state stream.State
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		text, err := exec.Command(testenv.Program(t, "curl"), "-sk", url+"/state").Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &state); err != nil || len(state.RTSP) != 2 {
			t.Fatalf("%v: %s", err, text)
		}
		if state.RTSP[0].Lost > 0 && state.RTSP[0].Readers == 0 || time.Now().After(end) {
			break
		}
	}
	if state.RTSP[0].Lost == 0 || state.RTSP[0].Readers != 0 || state.RTSP[0].TLS || !state.RTSP[1].TLS {
		t.Errorf("%+v", state.RTSP)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	list := <-printed
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	for _, line := range list {
		if !ourLine.MatchString(line) {
			t.Errorf("printed: %q", line)
		}
	}
	warned := 0
	for line := range strings.Lines(stderr.String()) {
		var entry struct{ Level, Msg, Logger string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level == "" || entry.Logger == "library" {
			t.Errorf("logged: %q (%v)", line, err)
		}
		if strings.Contains(entry.Msg, "RTSP is not encrypted") {
			warned++
		}
	}
	if warned != 1 || strings.Count(stderr.String(), "\n") > 15 {
		t.Errorf("%d warnings of what is not encrypted, in\n%s", warned, stderr.String())
	}
}

// A library that logs by itself bypasses --log-level and --log-format. Review packages that import a logger before using them: add them here with the
// reason why they are silent, or how we redirect them.
func TestLibrariesThatCanLogAreKnown(t *testing.T) {
	known := map[string]string{
		"github.com/bluenviron/gortsplib/v5":          "writes only where callbacks are missing: server/rtsp has them",
		"github.com/brutella/dnssd/log":               "internal/discover discards it",
		"github.com/pion/logging":                     "only srtp.Session makes a logger, and gortsplib uses srtp.Context",
		"github.com/vishvananda/netlink":              "Go's log, which is redirected to ours",
		"github.com/vishvananda/netlink/nl":           "Go's log, which is redirected to ours",
		"go.uber.org/zap":                             "redirects Go's log to ours",
		"github.com/maixstream/maixstream/server/web": "net/http's errors, which it passes on to ours",
		"github.com/pion/stun/v4":                     "only its client logs, which ice makes for STUN servers alone; none are used",
	}
	out, err := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{end}}`, ".").Output()
	if err != nil {
		testenv.Unable(t, "go list: "+err.Error())
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !slices.Contains(fields[1:], "log") && !slices.Contains(fields[1:], "log/slog") {
			continue
		}
		if known[fields[0]] == "" {
			t.Errorf("%s imports a logger: see that it writes nothing by itself", fields[0])
		}
	}
}

// needOpenH264 skips a test that needs H.264 where it cannot be made.
func needOpenH264(t *testing.T) {
	t.Helper()
	if err := openh264.Available(); errors.Is(err, openh264.ErrMissing) {
		testenv.Missing(t, "OpenH264's library", "make setup-test")
	} else if err != nil {
		testenv.Unable(t, err.Error())
	}
}
