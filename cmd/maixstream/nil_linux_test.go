//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/libjpeg"
	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/hw/sg2002"
	"github.com/maixstream/maixstream/hw/source"
	"github.com/maixstream/maixstream/internal/casetest"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/push"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/pipeline/video"
	"github.com/maixstream/maixstream/server"
	"github.com/maixstream/maixstream/server/rtsp"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/upload"
	"github.com/maixstream/maixstream/server/web"
	"github.com/maixstream/maixstream/server/whep"
)

// Library calls with nil for a picture, context, writer, source or destination return errors: they neither panic nor block.
func TestNilArgumentsReturnErrors(t *testing.T) {
	var none context.Context
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	camera, err := hw.OpenCamera(hw.CameraConfig{Source: "testcard", Width: 64, Height: 48})
	must(err)
	defer camera.Close()
	card, err := hw.OpenSource(hw.SourceConfig{Name: "testcard", Width: 64, Height: 48})
	must(err)
	defer card.Close()
	name := filepath.Join(t.TempDir(), "a.mjpeg")
	must(os.WriteFile(name, casetest.Read(t, "base.jpg"), 0o600))
	film, err := hw.OpenSource(hw.SourceConfig{Name: name})
	must(err)
	defer film.Close()
	encoder, err := hw.NewEncoder()
	must(err)
	defer encoder.Close()
	img := picture.New(64, 48, picture.RGB)
	jpg, err := img.JPEG(80)
	must(err)
	good, err := frame.Alloc(frame.YUV420, 64, 48)
	must(err)

	frames, err := ring.New(ring.Config{Slots: 4, SlotSize: 1 << 20})
	must(err)
	defer frames.Close()
	reader := frames.NewReader()
	defer reader.Close()
	units, err := video.New(video.Config{})
	must(err)
	defer units.Close()
	unitReader := units.NewReader(time.Second)
	defer unitReader.Close()
	settings := pipeline.Settings{Quality: 80, FPS: 10, Width: 64, Height: 48}
	never := func(context.Context, pipeline.Settings) (frame.Source, error) { return nil, errors.New("no source") }
	p, err := pipeline.New(pipeline.Config{Open: never, Ring: frames, Settings: settings})
	must(err)
	p.Start()
	defer p.Close()
	inbox := httptest.NewServer(http.NotFoundHandler())
	defer inbox.Close()
	pusher, err := push.New(push.Config{URL: inbox.URL})
	must(err)
	defer pusher.Close()
	fromRing := push.FromRing(push.RingConfig{Ring: frames})
	defer fromRing.Close()
	pictures, err := stream.NewPictures(stream.PicturesConfig{SlotSize: 1 << 20})
	must(err)
	defer pictures.Close()
	streamer := server.NewJPEGStreamer(server.StreamerConfig{Host: "127.0.0.1"})
	must(streamer.Start())
	defer func() { must(streamer.Stop()) }()
	inbound, err := upload.New(upload.Config{Dir: t.TempDir()})
	must(err)
	shell, err := web.New(web.Config{})
	must(err)

	for name, call := range map[string]func() error{
		"hw.Camera.Read(nil)":         func() error { _, err := camera.Read(none); return err },
		"hw.DecodeJPEG(nil)":          func() error { _, err := hw.DecodeJPEG(nil); return err },
		"hw.NoSignal 0x0":             func() error { _, err := hw.NoSignal("", 0, 0); return err },
		"RawSource.ReadFrame(nil)":    func() error { return card.(frame.RawSource).ReadFrame(none, new(frame.Frame)) },
		"RawSource.ReadFrame, no f":   func() error { return card.(frame.RawSource).ReadFrame(ctx, nil) },
		"JPEGSource.ReadJPEG(nil)":    func() error { return film.(frame.JPEGSource).ReadJPEG(none, make([]byte, 1<<20), new(frame.Picture)) },
		"JPEGSource.ReadJPEG, no p":   func() error { return film.(frame.JPEGSource).ReadJPEG(ctx, make([]byte, 1<<20), nil) },
		"Encoder.Encode, no frame":    func() error { _, err := encoder.Encode(make([]byte, 10), nil, 80); return err },
		"Encoder.Encode, empty frame": func() error { _, err := encoder.Encode(make([]byte, 10), new(frame.Frame), 80); return err },
		"Encoder.Encode, no room":     func() error { _, err := encoder.Encode(nil, good, 80); return err },
		"Transform.Apply, no frame":   func() error { _, err := hw.NewTransform().Apply(nil, &frame.Look{}); return err },
		"Transform.Apply, no look":    func() error { _, err := hw.NewTransform().Apply(good, nil); return err },
		"Frame.Check of nil":          func() error { return (*frame.Frame)(nil).Check() },
		"Frame.Map of nil":            func() error { return (*frame.Frame)(nil).Map() },
		"Frame.Flush of nil":          func() error { return (*frame.Frame)(nil).Flush() },
		"source.Open, no name":        func() error { _, err := source.Open("", source.Options{}); return err },
		"source.OpenControls, none":   func() error { _, _, err := source.OpenControls(""); return err },
		"source.Photographs, none":    func() error { _, err := source.Photographs("", false, nil); return err },
		"libjpeg.Decode(nil)":         func() error { _, err := libjpeg.Decode(nil, libjpeg.Limits{}); return err },
		"libjpeg.DecodeFrame(nil)":    func() error { _, err := libjpeg.DecodeFrame(nil, libjpeg.Limits{}); return err },
		"libjpeg.DecodeRGB(nil)":      func() error { _, err := libjpeg.DecodeRGB(nil, libjpeg.Limits{}); return err },
		"libjpeg.DecodeScaled(nil)":   func() error { _, err := libjpeg.DecodeScaled(nil, libjpeg.Limits{}, 8, 8); return err },
		"libjpeg.FrameOf(nil)":        func() error { _, err := libjpeg.FrameOf(nil); return err },
		"sg2002.Open(nil)":            func() error { _, err := sg2002.Open(none, sg2002.Config{}); return err },
		"picture.Decode(nil)":         func() error { _, err := picture.Decode(nil, picture.Limits{}); return err },
		"picture.Open, no name":       func() error { _, err := picture.Open("", picture.Limits{}); return err },
		"picture.FromImage(nil)":      func() error { _, err := picture.FromImage(nil); return err },
		"picture.FromFrame(nil)":      func() error { return picture.FromFrame(nil, nil).Err() },
		"picture.New 0x0":             func() error { return picture.New(0, 0, picture.RGB).Err() },
		"Image.JPEG of nil":           func() error { _, err := (*picture.Image)(nil).JPEG(80); return err },
		"Image.PNG of nil":            func() error { _, err := (*picture.Image)(nil).PNG(); return err },
		"Encoded.WriteTo(nil)":        func() error { _, err := jpg.WriteTo(nil); return err },
		"Encoded.WriteTo of nil":      func() error { _, err := (*picture.Encoded)(nil).WriteTo(httptest.NewRecorder()); return err },
		"pipeline.New, nothing":       func() error { _, err := pipeline.New(pipeline.Config{}); return err },
		"Pipeline.Change(nil)":        func() error { q := 50; _, err := p.Change(none, pipeline.Change{Quality: &q}); return err },
		"Pipeline.Controls(nil)":      func() error { _, err := p.Controls(none); return err },
		"Pipeline.SetControls(nil)":   func() error { _, err := p.SetControls(none, nil, nil); return err },
		"Pipeline.Snapshot(nil)":      func() error { return p.Snapshot(none, time.Time{}, new(ring.Frame)) },
		"Pipeline.Snapshot, no frame": func() error { return p.Snapshot(ctx, time.Time{}, nil) },
		"Pipeline.Still(nil)":         func() error { _, err := p.Still(none, nil, new(frame.Picture)); return err },
		"Pipeline.Still, no picture":  func() error { _, err := p.Still(ctx, nil, nil); return err },
		"push.New, nothing":           func() error { _, err := push.New(push.Config{}); return err },
		"push.Post(nil)":              func() error { _, err := push.Post(none, inbox.URL, jpg); return err },
		"push.Post, no picture":       func() error { _, err := push.Post(ctx, inbox.URL, nil); return err },
		"push.Post, nil picture":      func() error { _, err := push.Post(ctx, inbox.URL, (*picture.Encoded)(nil)); return err },
		"push.Post, empty file":       func() error { _, err := push.Post(ctx, inbox.URL, push.File(nil)); return err },
		"Pusher.Run(nil)":             func() error { return pusher.Run(none, fromRing) },
		"Pusher.Run, no source":       func() error { return pusher.Run(ctx, nil) },
		"RingSource.Next(nil)":        func() error { return fromRing.Next(none, new(push.Shot)) },
		"RingSource.Next, no shot":    func() error { return fromRing.Next(ctx, nil) },
		"record.Start, nothing":       func() error { _, err := record.Start(record.Config{}); return err },
		"ring.New, nothing":           func() error { _, err := ring.New(ring.Config{}); return err },
		"ring.Reader.Next(nil)":       func() error { return reader.Next(none, new(ring.Frame)) },
		"ring.Reader.Next, no frame":  func() error { return reader.Next(ctx, nil) },
		"video.Log.Append(nil)":       func() error { return units.Append(nil) },
		"video.Reader.Next(nil)":      func() error { return unitReader.Next(none, new(video.Unit)) },
		"video.Reader.Next, no unit":  func() error { return unitReader.Next(ctx, nil) },
		"JPEGStreamer.Write(nil)":     func() error { return streamer.Write(nil) },
		"JPEGStreamer.Write, nil JPEG": func() error {
			return streamer.Write((*picture.Encoded)(nil))
		},
		"JPEGStreamer.WriteBytes(nil)": func() error { return streamer.WriteBytes(nil) },
		"stream.New, nothing":          func() error { _, err := stream.New(stream.Config{}); return err },
		"Pictures.Write(nil)":          func() error { return pictures.Write(nil, 64, 48, time.Now()) },
		"Pictures.Snapshot(nil)":       func() error { return pictures.Snapshot(none, time.Time{}, new(ring.Frame)) },
		"Pictures.Snapshot, no frame":  func() error { return pictures.Snapshot(ctx, time.Time{}, nil) },
		"Pictures.Change(nil)":         func() error { _, err := pictures.Change(none, pipeline.Change{}); return err },
		"rtsp.Start, nothing":          func() error { _, err := rtsp.Start(rtsp.Config{}); return err },
		"rtsp.Start, no feed":          func() error { _, err := rtsp.Start(rtsp.Config{Address: "127.0.0.1:0"}); return err },
		"rtsp.Carries(nil)":            func() error { return rtsp.Carries(nil) },
		"upload.New, nothing":          func() error { _, err := upload.New(upload.Config{}); return err },
		"upload.Server.Close(nil)":     func() error { return inbound.Close(none) },
		"web.Server.Close(nil)":        func() error { return shell.Close(none) },
		"whep.Server.Offer(nil)": func() error {
			w, err := whep.New(whep.Config{Address: "127.0.0.1:0"})
			if err != nil {
				return err
			}
			defer w.Close()
			_, _, err = w.Offer(none, nil, "", "", func() {})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				defer func() {
					if panicked := recover(); panicked != nil {
						done <- fmt.Errorf("%w: %v", errPanic, panicked)
					}
				}()
				done <- call()
			}()
			select {
			case err := <-done:
				if err == nil || errors.Is(err, errPanic) {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Error("it waits")
			}
		})
	}
}

var errPanic = errors.New("panic")
