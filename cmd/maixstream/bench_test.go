package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/bench"
	"github.com/maixstream/maixstream/internal/testenv"
)

// maixstream runs the program in this process.
func maixstream(args ...string) (code int, out, problem string) {
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), args, terminal{in: strings.NewReader(""), out: &stdout, err: &stderr, env: func(string) (string, bool) { return "", false }})
	return code, stdout.String(), stderr.String()
}

func TestBenchRefusesContradictions(t *testing.T) {
	noResult := filepath.Join(t.TempDir(), "no.json")
	if err := os.WriteFile(noResult, []byte(`{"stages":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		says string
	}{
		{"--frames 10 --duration 1s", "mutually exclusive"},
		{"--duration -1s", "--duration"},
		{"--frames -1", "--frames"},
		{"--clients many", "--clients"},
		{"--clients 5000", "--clients"},
		{"--source testcard --encoder hardware", "--encoder hardware"},
		{"--source /does/not/exist --clients 0", "/does/not/exist"},
		{"--baseline /does/not/exist.json", "--baseline"},
		{"--baseline " + noResult, "no stages"},
	} {
		code, _, problem := maixstream(append([]string{"bench"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(problem, c.says) {
			t.Errorf("bench %s: code %d, want %d; it says %q, want something about %q", c.args, code, exitUsage, problem, c.says)
		}
	}
}

// A benchmark's child processes are a hidden verb; no environment variable turns another verb into one.
func TestOnlyBenchHasChildren(t *testing.T) {
	code, out, problem := runIn(t, []string{"version"}, "", map[string]string{"MAIXSTREAM_BENCH_ROLE": `{"Kind":"viewers"}`})
	if code != exitDone || !strings.HasPrefix(out, "maixstream ") {
		t.Errorf("version: code %d, %q, %q", code, out, problem)
	}
	t.Setenv("MAIXSTREAM_BENCH_ROLE", "x")
	text, err := asProgram(t.Context(), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(text), "maixstream ") {
		t.Errorf("version as a process: %v, %q", err, text)
	}
	for _, args := range [][]string{{"bench", "child"}, {"bench", "child", "x"}, {"bench", "child", "{}"}, {"bench", "child", "{}", "more"}} {
		if code, _, problem := maixstream(args...); code != exitFailed || !strings.HasPrefix(problem, "maixstream bench child") {
			t.Errorf("%v: code %d, %q", args, code, problem)
		}
	}
}

func TestBenchMeasuresEachStageAndComparesWithABaseline(t *testing.T) {
	testenv.Long(t, "runs the benchmark twice")
	clients := "2"
	if !bench.DeliverySupported {
		clients = "0"
	}
	args := []string{"bench", "--source", "testcard", "--size", "320x240", "--fps", "30", "--frames", "20", "--clients", clients}
	code, out, problem := maixstream(append(args, "--json")...)
	if code != exitDone {
		t.Fatalf("code %d: %s", code, problem)
	}
	var r bench.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	stages := []string{bench.Capture, bench.Encode, bench.Publish, bench.Rest}
	if clients != "0" {
		stages = append(stages, bench.Deliver)
	}
	for _, name := range stages {
		s := r.Stage(name)
		if s.Name == "" {
			t.Errorf("no stage %s", name)
			continue
		}
		for what, v := range map[string]float64{"fps": s.FPS, "cpu": s.CPUMicros, "allocs": s.Allocs, "ratio": s.Ratio} {
			if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: %s is %g", name, what, v)
			}
		}
		if name == bench.Rest {
			continue
		}
		if s.FPS == 0 || s.Bytes < 100 || s.MS == nil || s.MS.P50 > s.MS.P95 || s.MS.P95 > s.MS.P99 {
			t.Errorf("%s: %+v", name, s)
		}
		if runtime.GOOS == "linux" && (s.CPUMicros == 0 || (s.LimitMicros == 0 && s.Limit != "")) {
			t.Errorf("%s: no CPU time: %+v", name, s)
		}
	}
	if n := float64(r.Stage(bench.Publish).FPS) * r.Seconds; n < 10 { // a loaded machine publishes fewer
		t.Errorf("%.1f frames were measured, want about 20", n)
	}
	if want := (bench.Setup{Source: "testcard", Kind: "testcard", Encoder: r.Setup.Encoder, Width: 320, Height: 240, FPS: 30, Quality: 80, Workers: r.Setup.Workers, Clients: r.Setup.Clients}); r.Setup != want {
		t.Errorf("setup %+v, want %+v", r.Setup, want)
	}

	file := filepath.Join(t.TempDir(), "before.json")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, problem = maixstream(append(args, "--baseline", file)...)
	if code != exitDone {
		t.Fatalf("code %d: %s", code, problem)
	}
	for _, want := range []string{"capture", "encode", "publish", "after/before", "of limit", "resident"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table has no %q:\n%s", want, out)
		}
	}
}
