package record_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/pipeline/record"
)

// A disk that does not return from a call is said to hang while it does. Here it is the log that keeps the recorder in the middle of making room.
func TestADiskThatHangsIsTold(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	hold, held := make(chan struct{}), make(chan struct{}, 100)
	core, _ := observer.New(zap.DebugLevel)
	log := zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
		if strings.HasPrefix(e.Message, "deleted the oldest") {
			held <- struct{}{}
			<-hold
		}
		return nil
	}))
	rec, err := record.Start(record.Config{Ring: r, Dir: dir, MaxBytes: 1 << 20, PieceBytes: 100 << 10, Patience: 50 * time.Millisecond, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	jpg := picture(t, 160, 120, 1)
	publish := func() {
		t.Helper()
		if v, ok := r.Reserve(); ok {
			if err := r.Publish(v, &frame.Picture{Size: copy(v.Buffer(r), jpg), Width: 160, Height: 120, Captured: time.Now()}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Millisecond)
	}
	testenv.Eventually(t, "it makes room", func() bool { publish(); return len(held) > 0 })
	testenv.Eventually(t, "it is told", func() bool { return strings.Contains(rec.State().Error, "the disk has not taken a picture for") })
	frames := rec.State().Frames
	close(hold)
	testenv.Eventually(t, "it goes on", func() bool { publish(); return rec.State().Error == "" && rec.State().Frames > frames })
}
