//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/casetest"
)

// wrongKind is data that is not a picture, or not one that can be shown.
type wrongKind struct {
	name string
	data []byte
}

func wrongKinds(t *testing.T) []wrongKind {
	base := casetest.Read(t, "base.jpg")
	change := func(marker byte, offset int, b ...byte) []byte {
		jpg := bytes.Clone(base)
		copy(jpg[bytes.Index(jpg, []byte{0xff, marker})+offset:], b)
		return jpg
	}
	scan := bytes.Index(base, []byte{0xff, 0xda})
	padded := func(head string) []byte { return append([]byte(head), make([]byte, 1000)...) }
	transport := bytes.Repeat(append([]byte{0x47}, make([]byte, 187)...), 5)
	return []wrongKind{
		{"nothing", nil},
		{"text", []byte(strings.Repeat("hello, hello. ", 50))},
		{"H.264", padded("\x00\x00\x00\x01\x67\x42\x00\x1e")},
		{"H.265", padded("\x00\x00\x00\x01\x40\x01\x0c\x01")},
		{"PNG", casetest.Read(t, "alpha.png")},
		{"WebP", padded("RIFF\x00\x10\x00\x00WEBPVP8 ")},
		{"HEIC", padded("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")},
		{"MP4", padded("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00")},
		{"transport stream", transport},
		{"gzip", padded("\x1f\x8b\x08")},
		{"Matroska", padded("\x1a\x45\xdf\xa3")},
		{"HTML", []byte("<!DOCTYPE html>\n<title>Not found</title>")},
		{"arithmetic coding", change(0xc0, 0, 0xff, 0xc9)},
		{"12 bits", change(0xc0, 4, 12)},
		{"no Huffman table", change(0xda, 6, 0x22)},
		{"no quantization table", change(0xc0, 12, 3)},
		{"cut off in its headers", base[:scan-40]},
		{"cut off in its scan", base[:len(base)-200]},
		{"Y4M, damaged", []byte("YUV4MPEG2 W2 H2 F25:1 C420p10\nFRAME\n")},
		{"AVI of H.264", append([]byte("RIFF\x40\x00\x00\x00AVI LIST\x58\x00\x00\x00hdrlLIST\x4c\x00\x00\x00strlstrh\x38\x00\x00\x00vidsH264"), append(make([]byte, 48), "LIST\x04\x00\x00\x00movi"...)...)},
	}
}

// The program's errors for data that it cannot show are in testdata/refusals.txt, written by go test ./cmd/maixstream -run Refusals -update.
func TestRefusalsNameTheInput(t *testing.T) {
	needOpenH264(t) // H.264 is refused by its decoder
	program, dir := buildProgram(t), t.TempDir()
	var said strings.Builder
	say := func(how string, stdin []byte, args ...string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		if stdin != nil {
			cmd.Stdin = bytes.NewReader(stdin) // a pipe, not a file
		}
		var problems bytes.Buffer
		cmd.Stderr = &problems
		err := cmd.Run()
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if code != exitFailed && code != exitUsage || ctx.Err() != nil {
			t.Errorf("%s: exit code %d, %v", how, code, ctx.Err())
		}
		lines := strings.Split(strings.TrimSpace(problems.String()), "\n")
		last := ""
		for _, line := range lines { // the log's lines begin with a time
			if strings.HasPrefix(line, "maixstream ") && !strings.HasPrefix(line, "maixstream help") {
				last = line
			}
		}
		last = strings.ReplaceAll(last, dir+string(filepath.Separator), "")
		last = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(last, "HOST:PORT")
		fmt.Fprintf(&said, "%s: exit %d\n    %s\n", how, code, last)
	}
	serve := []string{"serve", "--listen", "127.0.0.1:0", "--announce=false", "--log-level", "error", "--source"}
	for _, kind := range wrongKinds(t) {
		if kind.data == nil {
			kind.data = []byte{}
		}
		say("serve --source - <"+kind.name, kind.data, append(serve, "-")...)
		say("push --source - <"+kind.name, kind.data, "push", "http://127.0.0.1:9/upload", "--retry", "0", "--source", "-")
		say("snapshot --source - <"+kind.name, kind.data, "snapshot", "-", "--source", "-", "--log-level", "error")
		file := filepath.Join(dir, strings.ReplaceAll(kind.name, " ", "_"))
		if err := os.WriteFile(file, kind.data, 0o600); err != nil {
			t.Fatal(err)
		}
		say("snapshot --source FILE of "+kind.name, nil, "snapshot", "-", "--source", file, "--timeout", "20s")
	}
	for _, url := range []string{"rtsp://HOST:554/stream", "RTMP://host/live", "ftp://host/x.jpg", "http://"} {
		say("serve --source "+url, nil, append(serve, url)...)
	}
	golden := filepath.Join("testdata", "refusals.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(said.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if said.String() == string(want) {
		return
	}
	was, now := strings.Split(string(want), "\n"), strings.Split(said.String(), "\n")
	for i := range max(len(was), len(now)) {
		if i >= len(was) || i >= len(now) || was[i] != now[i] {
			t.Fatalf("line %d of %s:\n  want %q\n  got  %q", i+1, golden, at(was, i), at(now, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}
