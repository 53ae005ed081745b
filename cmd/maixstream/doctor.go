package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/sg2002"
	"github.com/maixstream/maixstream/internal/doctor"
)

func setupDoctor(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	source := choice("auto", "camera")
	size, fps := sizeValue{640, 480}, fpsValue(30)
	flags.VarP(source, "source", "s", "source to check; camera: fail unless this is a MaixCAM")
	flags.Var(&size, "size", "picture size to check memory for, in pixels")
	flags.Var(&fps, "fps", "frames per second, which select the sensor's mode")
	overlay := flags.String("overlay", "", "overlay `TEXT` to check memory for")
	sensor := flags.String("sensor", "auto", "expected sensor `NAME`")
	libDir := flags.String("mpi-lib-dir", "", "`DIR` with the chip's libraries, if not in the usual places")
	asJSON := flags.Bool("json", false, "print JSON")
	full := flags.Bool("report", false, "print details for a bug report: libraries and their checksums, memory, modules; no secrets")
	// Used by doctor itself: libraries are opened in a separate process.
	inspect := flags.Bool("inspect", false, "")
	_ = flags.MarkHidden("inspect")
	return func(ctx context.Context, _ []string, t terminal) error {
		if *inspect {
			return doctor.Inspect(t.in, t.out)
		}
		known := func(name string) bool { return *sensor == name || strings.HasSuffix(*sensor, "_"+name) }
		if *sensor != "auto" && !slices.ContainsFunc(sg2002.Sensors(), known) {
			return usagef("--sensor %s: unknown: auto, or one of %s", *sensor, strings.Join(sg2002.Sensors(), ", "))
		}
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("locate the executable: %w", err)
		}
		report := doctor.Examine(ctx, doctor.Config{
			Source: source.value, Width: size.width, Height: size.height, FPS: float64(fps), Overlay: *overlay, Sensor: *sensor, LibDir: *libDir,
			Inspector: []string{self, "doctor", "--inspect"},
		})
		if c, ok := serviceCheck(ctx); ok {
			report.Add(c)
		}
		if *full {
			err = report.WriteReport(t.out, thisProgram().version)
		} else if *asJSON {
			err = json.NewEncoder(t.out).Encode(struct {
				OK      bool   `json:"ok"`
				Version string `json:"version"`
				*doctor.Report
			}{report.Wrong() == 0, thisProgram().version, report})
		} else {
			err = report.Write(t.out)
		}
		if err == nil && report.Wrong() > 0 {
			return errReported
		}
		return err
	}
}

// advise adds a remedy to a source's error.
func (s *sourceFlags) advise(err error) error {
	switch camera := *s.source == "camera" || *s.source == "auto"; {
	case errors.Is(err, sg2002.ErrNoBoard):
		return fmt.Errorf("%w; --source testcard works on every machine", err)
	case camera && sg2002.OnBoard() && (errors.Is(err, frame.ErrGone) || errors.Is(err, frame.ErrUnsupported)):
		return fmt.Errorf("%w; maixstream doctor looks for the cause", err)
	case errors.Is(err, sg2002.ErrLibraries):
		return fmt.Errorf("%w; --mpi-lib-dir says where they are on a MaixCAM, --source testcard works on every machine", err)
	}
	return err
}
