//go:build linux

package load_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/bench/load"
	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) {
	load.RunIfChild()
	os.Exit(m.Run())
}

// Every kind of server delivers complete pictures, and reports its usage.
func TestServersDeliverCompletePictures(t *testing.T) {
	for _, kind := range []string{"server", "bare"} {
		if kind == "bare" && !load.HasBare {
			continue
		}
		var d load.Delivered
		if err := d.Add(load.Delivery{Viewers: 3, FPS: 30, Size: 50_001, Duration: time.Second}, kind); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if d.Frames < 20 || d.Micros() <= 0 || d.Last.Bytes != int64(d.Frames)*50_001 || d.Last.P50 <= 0 {
			t.Errorf("%s: %+v", kind, d)
		}
	}
}

// Viewers detect every kind of broken picture.
func TestViewersDetectBrokenPictures(t *testing.T) {
	whole := load.Payload(1, 30_000)
	flipped := load.Payload(1, 30_000)
	flipped[15_000] ^= 1
	noEnd := load.Payload(1, 30_000)
	noEnd[len(noEnd)-1] = 0
	for _, c := range []struct {
		name    string
		picture []byte
		says    string
	}{
		{"whole", whole, ""},
		{"one bit flipped", flipped, "checksum"},
		{"no end marker", noEnd, "not a JPEG"},
		{"no start marker", append([]byte{0}, whole[1:]...), "not a JPEG"},
	} {
		file := filepath.Join(t.TempDir(), "pictures")
		if err := load.WritePictures(file, [][]byte{c.picture}); err != nil {
			t.Fatal(err)
		}
		s, err := load.Start("", load.Role{Kind: "server", Address: "127.0.0.1:0", FPS: 50, Pictures: file})
		if err != nil {
			t.Fatal(err)
		}
		v, err := load.Connect(s.Address, "/stream", 1)
		if err != nil {
			t.Fatal(err)
		}
		v.Sums = true
		_, err = v.Read(300 * time.Millisecond)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v, want one about %q", c.name, err, c.says)
		}
		v.Close()
		s.End()
	}
}

// The RTSP server of a film delivers it completely.
func TestFilmIsPlayed(t *testing.T) {
	address := testenv.FreeMediaAddress(t)
	file := filepath.Join(t.TempDir(), "film")
	units := []frame.AccessUnit{{NALs: [][]byte{{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4}, {0x68, 0xce, 0x3c, 0x80}, append([]byte{0x65}, make([]byte, 5000)...)}}}
	for range 9 {
		units = append(units, frame.AccessUnit{NALs: [][]byte{append([]byte{0x41}, make([]byte, 3000)...)}})
	}
	if err := load.WriteFilm(file, units); err != nil {
		t.Fatal(err)
	}
	server, err := load.Start("", load.Role{Kind: "film", Address: address, FPS: 30, Pictures: file})
	if err != nil {
		t.Fatal(err)
	}
	defer server.End()
	players, err := load.Start("", load.Role{Kind: "players", Address: address, Path: "/h264", Viewers: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer players.End()
	for end := time.Now().Add(time.Minute); ; {
		r, err := players.Read(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if r.Skipped != 0 {
			t.Errorf("%d packets are missing", r.Skipped)
		}
		if r.Least > 10 && r.Bytes > int64(r.Frames)*2900 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", r)
		}
	}
}
