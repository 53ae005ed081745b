package record

import (
	"context"
	"time"

	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
)

// feed is what is recorded. It holds the picture that it has filled in last, until release. One goroutine uses it.
type feed interface {
	tryNext(f *picture) bool
	next(ctx context.Context, f *picture) error
	release()
	requestKey()
	close()
}

func newFeed(c *Config) feed {
	if c.Video != nil {
		return &videoFeed{log: c.Video.Log(), reader: c.Video.Log().NewReader(videoLag), began: time.Now()}
	}
	return &jpegFeed{reader: c.Ring.NewReader()}
}

// jpegFeed is a ring's newest JPEGs.
type jpegFeed struct {
	reader *ring.Reader
	frame  ring.Frame
}

func (j *jpegFeed) tryNext(f *picture) bool {
	ok := j.reader.TryNext(&j.frame)
	if ok {
		j.fill(f)
	}
	return ok
}

func (j *jpegFeed) next(ctx context.Context, f *picture) error {
	if err := j.reader.Next(ctx, &j.frame); err != nil {
		return err
	}
	j.fill(f)
	return nil
}

func (j *jpegFeed) fill(f *picture) {
	m := j.frame.Meta()
	*f = picture{
		bytes: j.frame.JPEG(), width: m.Width, height: m.Height, captured: m.Captured, published: m.Published, key: true,
		substitute: m.Substitute, skipped: j.frame.Skipped,
	}
}

func (j *jpegFeed) release()    { j.frame.Release() }
func (j *jpegFeed) requestKey() {}
func (j *jpegFeed) close()      { j.reader.Close() }

// videoLag is how far behind a recording may be before it skips to a key frame: a memory card may take a second for a write, and nobody looks. The log's size
// is what bounds it.
const videoLag = 10 * time.Second

// videoFeed is all access units of a log from began on, as long as writing keeps up.
type videoFeed struct {
	log    *video.Log
	reader *video.Reader
	unit   video.Unit
	began  time.Time
}

func (v *videoFeed) tryNext(f *picture) bool {
	for v.reader.TryNext(&v.unit) {
		if v.fill(f) {
			return true
		}
	}
	return false
}

func (v *videoFeed) next(ctx context.Context, f *picture) error {
	for {
		if err := v.reader.Next(ctx, &v.unit); err != nil {
			return err
		}
		if v.fill(f) {
			return nil
		}
	}
}

// fill is false for what was there before.
func (v *videoFeed) fill(f *picture) bool {
	m := v.unit.Meta()
	if m.Published.Before(v.began) {
		v.unit.Release()
		return false
	}
	*f = picture{
		bytes: v.unit.Bytes(), width: m.Parameters.Width, height: m.Parameters.Height, captured: m.Captured, shown: m.Shown, published: m.Published, key: m.Key,
		parameters: m.Parameters, skipped: v.unit.Skipped,
	}
	return true
}

func (v *videoFeed) release()    { v.unit.Release() }
func (v *videoFeed) requestKey() { v.log.RequestKey() }
func (v *videoFeed) close()      { v.reader.Close() }
