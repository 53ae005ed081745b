//go:build linux

package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"runtime/pprof"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
	"github.com/maixstream/maixstream/server/rtsp"
)

// WriteFilm writes access units to a file for a Role: a sequence that begins with a key frame, and is repeated.
func WriteFilm(path string, units []frame.AccessUnit) error {
	var all [][]byte
	for i := range units {
		var unit []byte
		for _, nal := range units[i].NALs {
			unit = append(binary.BigEndian.AppendUint32(unit, uint32(len(nal))), nal...)
		}
		all = append(all, unit)
	}
	return WritePictures(path, all)
}

// serveFilm serves the film in Pictures over RTSP or WebRTC, as the source's own H.264, until its input ends.
func (r *Role) serveFilm() error {
	units, err := readPictures(r.Pictures)
	if err != nil {
		return err
	}
	frames, err := ring.New(ring.Config{Slots: 4, SlotSize: 64 << 10})
	if err != nil {
		return err
	}
	log, err := video.New(video.Config{})
	if err != nil {
		return err
	}
	p, err := pipeline.New(pipeline.Config{
		Open: func(context.Context, pipeline.Settings) (frame.Source, error) { return newFilm(units, r.FPS) },
		Ring: frames, Settings: pipeline.Settings{Quality: 80, FPS: float64(r.FPS), Width: 1280, Height: 720},
		Video: &pipeline.VideoConfig{Log: log},
	})
	if err != nil {
		return err
	}
	p.Start()
	defer p.Video().Watch()() // publish even without readers, as the other servers do
	if r.Kind == "film-whep" {
		end, err := serveWHEP(p, r.Address)
		if err != nil {
			return err
		}
		defer end()
	} else {
		server, err := rtsp.Start(rtsp.Config{Address: r.Address, Feed: p, MaxConns: 1000, MaxPerAddress: 1000})
		if err != nil {
			return err
		}
		defer server.Close()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r.Address); err != nil {
		return err
	}
	if err := r.profile(); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := json.NewEncoder(os.Stdout).Encode(Usage{Published: p.State().Video.Units}); err != nil {
			return err
		}
	}
	return nil
}

// film is a source with its own H.264. It delivers one JPEG per second, which nothing reads.
type film struct {
	units  [][]byte
	fps    int
	jpeg   []byte
	ticker *ticker
	number uint64
	closed chan struct{}
}

func newFilm(units [][]byte, fps int) (*film, error) {
	f := &film{units: units, fps: fps, closed: make(chan struct{})}
	var err error
	if f.ticker, err = newTicker(time.Second / time.Duration(fps)); err != nil {
		return nil, err
	}
	var b writer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		return nil, err
	}
	f.jpeg = b
	return f, nil
}

// writer collects written bytes.
type writer []byte

func (w *writer) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

func (f *film) Info() frame.Info {
	return frame.Info{Name: "film", Kind: "film", Width: 16, Height: 16, FPS: float64(f.fps), Encoder: "pass-through"}
}

func (f *film) Close() error {
	select {
	case <-f.closed:
	default:
		close(f.closed)
	}
	return nil
}

func (f *film) ReadJPEG(ctx context.Context, dst []byte, p *frame.Picture) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return frame.ErrGone
	}
	*p = frame.Picture{Size: copy(dst, f.jpeg), Width: 16, Height: 16, Captured: time.Now()}
	return nil
}

func (f *film) ReadUnit(ctx context.Context, u *frame.AccessUnit) error {
	if err := f.ticker.wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	i := int(f.number) % len(f.units)
	u.NALs = u.NALs[:0]
	for rest := f.units[i]; len(rest) >= 4; {
		n := int(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; n > len(rest) {
			return errors.New("film: truncated unit")
		}
		u.NALs, rest = append(u.NALs, rest[:n]), rest[n:]
	}
	f.number++
	u.Key, u.Captured, u.Sequence = i == 0, time.Now(), f.number
	return nil
}

var (
	_ frame.JPEGSource  = (*film)(nil)
	_ frame.VideoSource = (*film)(nil)
)
