package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/stream"
)

// H.264 is recorded without a viewer; kill -9 leaves a playable file, and the next start records beside it.
func TestRecordingOfH264OutlivesKill(t *testing.T) {
	needOpenH264(t)
	dir := t.TempDir()
	recorded := func(s *started) (now stream.State) {
		if err := json.Unmarshal(s.get(t, "/state"), &now); err != nil {
			t.Fatal(err)
		}
		return now
	}
	begin := func() *started {
		s := start(t, "--source", "testcard", "--size", "160x120", "--record", dir, "--record-as", "mp4", "--gop", "500ms")
		testenv.Eventually(t, "thirty pictures are recorded", func() bool {
			r := recorded(s).Recording
			return r.Frames >= 30 && r.As == "mp4" && r.On
		})
		return s
	}
	s := begin()
	if n := recorded(s).Video.Takers; n != 1 {
		t.Errorf("%d take H.264", n)
	}
	if code, out, said := runIn(t, []string{"links", "--qr", "no", s.url}, "", nil); code != 0 || !strings.Contains(out, "/video.mp4\n") {
		t.Errorf("links: %d\n%s%s", code, out, said)
	}
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.rest.Wait()
	_ = s.cmd.Wait()

	s = begin()
	request, err := http.NewRequest(http.MethodPatch, s.url+"/api/recording", bytes.NewReader([]byte(`{"on": false}`)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(request)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", reply, err)
	}
	reply.Body.Close()
	testenv.Eventually(t, "the encoder rests", func() bool { now := recorded(s); return now.Video.Takers == 0 && !now.Recording.On })
	s.end(t, os.Interrupt)

	films, err := filepath.Glob(filepath.Join(dir, "maixstream-*.mp4"))
	if err != nil || len(films) != 2 || !strings.HasPrefix(filepath.Base(films[1]), "maixstream-00000002-") {
		t.Fatalf("%v, %v", films, err)
	}
	for _, film := range films {
		out, err := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", film).CombinedOutput()
		if n, _ := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || n < 30 {
			t.Errorf("%s: %v: %s", film, err, out)
		}
	}
}
