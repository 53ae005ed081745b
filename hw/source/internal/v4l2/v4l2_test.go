package v4l2_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/v4l2"
	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

func TestInvalidConfigurationIsRejected(t *testing.T) {
	for _, c := range []v4l2.Config{{Width: -1, Height: 5}, {Width: 9000, Height: 1}, {Buffers: 1}, {Buffers: 33}, {Formats: []string{"H264"}}} {
		if s, err := v4l2.Open("/dev/video0", c); err == nil {
			s.Close()
			t.Errorf("%+v accepted", c)
		}
	}
	missing := filepath.Join(t.TempDir(), "video0")
	want := frame.ErrUnsupported
	if runtime.GOOS == "linux" {
		want = frame.ErrGone
	}
	if _, err := v4l2.Open(missing, v4l2.Config{}); !errors.Is(err, want) {
		t.Error(err)
	}
}
