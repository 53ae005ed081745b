package bench_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/internal/bench"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

func result() *bench.Result {
	return &bench.Result{
		Version: "v1", Commit: "abc", Began: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), Machine: bench.Machine{CPU: "one", Cores: 1},
		Setup: bench.Setup{Source: "testcard", Width: 640, Height: 480, FPS: 30, Clients: 8},
		Stages: []bench.Stage{
			{Name: bench.Encode, FPS: 30, MS: &bench.Quantiles{P50: 1, P95: 2, P99: 3}, CPUMicros: 1000, Limit: "straight", LimitMicros: 950, Ratio: 1.05},
			{Name: bench.Deliver, FPS: 240, CPUMicros: 12, Allocs: 0},
		},
		Seconds: 5, CPUPercent: 4, RSS: 20 << 20,
	}
}

func TestResultRoundTripsThroughJSON(t *testing.T) {
	want := result()
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := bench.ReadResult(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestCompareReturnsRatiosOfCommonStages(t *testing.T) {
	before, after := result(), result()
	before.Stages = before.Stages[:1]
	after.Stages[0].CPUMicros, after.Setup.Clients = 500, 64
	found := false
	for _, c := range after.Compare(before) {
		if c.Stage == bench.Deliver {
			t.Errorf("%+v: the run before had no such stage", c)
		}
		if c.Stage == bench.Encode && c.Figure == "CPU µs/frame" {
			found = true
			if c.Ratio() != 0.5 {
				t.Errorf("%+v: ratio %g, want 0.5", c, c.Ratio())
			}
		}
	}
	if !found {
		t.Error("no ratio of the encoder's CPU time")
	}
	if r := (bench.Change{Before: 0, After: 1}).Ratio(); r != 0 {
		t.Errorf("ratio to nothing is %g, want 0", r)
	}
	var table bytes.Buffer
	if err := after.WriteTable(&table, before); err != nil {
		t.Fatal(err)
	}
	if text := table.String(); !strings.Contains(text, "0.50") || !strings.Contains(text, "caution: the setup before") {
		t.Errorf("the comparison lacks the ratio or the warning:\n%s", text)
	}
}
