package pipeline_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/ring"
)

// passing is a source whose pictures are already JPEG.
type passing struct{ *camera }

func (p passing) ReadJPEG(ctx context.Context, dst []byte, picture *frame.Picture) error {
	var f frame.Frame
	if err := p.ReadFrame(ctx, &f); err != nil {
		return err
	}
	*picture = frame.Picture{Size: 8, Width: 8, Height: 8, Captured: f.Captured, Sequence: f.Sequence}
	return nil
}

// able supports everything itself, like a board's camera.
type able struct{ passing }

func (able) SetQuality(q int) (int, error)   { return q, nil }
func (able) SetOrientation(bool, bool) error { return nil }
func (able) SetOverlay(string) error         { return nil }
func (able) Resize(int, int) error           { return nil }
func (a able) Info() frame.Info {
	info := a.camera.Info()
	info.Sizes = []frame.Size{{Width: 8, Height: 8}, {Width: 16, Height: 16}, {Width: 4000, Height: 4000}}
	return info
}

// Can agrees with what Change accepts.
func TestCanAgreesWithChange(t *testing.T) {
	for name, source := range map[string]frame.Source{
		"raw": newCamera(10 * time.Millisecond), "passed through": passing{newCamera(10 * time.Millisecond)}, "able": able{passing{newCamera(10 * time.Millisecond)}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ring.New(ring.Config{Slots: 8, SlotSize: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			opened := make(chan frame.Source, 1)
			opened <- source
			p, err := pipeline.New(pipeline.Config{
				Open: func(ctx context.Context, _ pipeline.Settings) (frame.Source, error) {
					select {
					case s := <-opened:
						return s, nil
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				},
				NewEncoder: func() (frame.Encoder, error) { return &encoder{}, nil }, NewTransform: hw.NewTransform,
				Ring: r, Settings: pipeline.Settings{Quality: 80, FPS: 100, Width: 8, Height: 8},
			})
			if err != nil {
				t.Fatal(err)
			}
			if can := p.State().Can; can.FPS || can.Quality || can.Sizes != nil {
				t.Errorf("without a source: %+v", can)
			}
			p.Start()
			defer p.Close()
			for end := time.Now().Add(10 * time.Second); !p.State().Signal; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("no signal in 10 s")
				}
			}
			can := p.State().Can
			quality, fps, mirror, rotate, overlay := 42, 50.0, true, 180, "x"
			for _, c := range []struct {
				name   string
				can    bool
				change pipeline.Change
			}{
				{"quality", can.Quality, pipeline.Change{Quality: &quality}},
				{"fps", can.FPS, pipeline.Change{FPS: &fps}},
				{"mirror", can.Orient, pipeline.Change{Mirror: &mirror}},
				{"rotate", can.Rotate, pipeline.Change{Rotate: &rotate}},
				{"overlay", can.Overlay, pipeline.Change{Overlay: &overlay}},
			} {
				if _, err := p.Change(t.Context(), c.change); (err == nil) != c.can {
					t.Errorf("%s: can %v, but Change returns %v", c.name, c.can, err)
				}
			}
			want := []frame.Size{{Width: 8, Height: 8}}
			if name == "able" { // 4000x4000 does not fit into the ring
				want = append(want, frame.Size{Width: 16, Height: 16})
			}
			if !slices.Equal(can.Sizes, want) {
				t.Errorf("sizes %v, want %v", can.Sizes, want)
			}
			for _, size := range can.Sizes {
				if _, err := p.Change(t.Context(), pipeline.Change{Width: &size.Width, Height: &size.Height}); err != nil {
					t.Errorf("size %v: %v", size, err)
				}
			}
		})
	}
}
