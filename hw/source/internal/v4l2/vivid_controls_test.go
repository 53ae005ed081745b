//go:build linux && vivid

package v4l2_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source/internal/v4l2"
)

// v4l2ctl runs v4l2-ctl, the kernel developers' tool.
func v4l2ctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("/bin/v4l2-ctl", append([]string{"-d", device}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("v4l2-ctl %q: %v: %s", args, err, out)
	}
	return string(out)
}

// printed is v4l2-ctl's output for one control.
type printed struct {
	kind           string
	values         map[string]int64
	menu           map[int64]string
	flags, current string
}

var (
	controlLine = regexp.MustCompile(`^\s*(\w+) 0x[0-9a-f]+ \((\w+)\)\s*:\s*(.*)$`)
	menuLine    = regexp.MustCompile(`^\s+(\d+): (.*)$`)
	number      = regexp.MustCompile(`(\w+)=(0x[0-9a-f]+|-?\d+)`)
)

// theirs parses v4l2-ctl's list, in its order, without controls that have no single number: strings and arrays.
func theirs(t testing.TB) (names []string, all map[string]*printed) {
	all = map[string]*printed{}
	var last *printed
	for line := range strings.Lines(v4l2ctl(t, "--list-ctrls-menus")) {
		line = strings.TrimRight(line, "\n")
		if m := controlLine.FindStringSubmatch(line); m != nil {
			last = nil
			if slices.Contains([]string{"str", "u8", "u16", "u32", "area", "int", "int64", "bool", "menu", "intmenu", "button", "bitmask"}, m[2]) &&
				(m[2] == "str" || strings.HasPrefix(m[2], "u") || m[2] == "area" || strings.Contains(m[3], "dims=") || strings.Contains(m[3], "elems=")) {
				continue
			}
			last = &printed{kind: m[2], values: map[string]int64{}, menu: map[int64]string{}}
			for _, n := range number.FindAllStringSubmatch(m[3], -1) {
				v, err := strconv.ParseInt(n[2], 0, 64)
				if err == nil {
					last.values[n[1]] = v
				}
			}
			if _, flags, ok := strings.Cut(m[3], "flags="); ok {
				last.flags = flags
			}
			names, all[m[1]] = append(names, m[1]), last
		} else if m := menuLine.FindStringSubmatch(line); m != nil && last != nil {
			v, _ := strconv.ParseInt(m[1], 10, 64)
			last.menu[v] = m[2]
		}
	}
	return names, all
}

func want(name string, value int64) frame.ControlValue {
	return frame.ControlValue{Name: name, Value: value}
}

// keep restores the device's values at the end of a test.
func keep(t testing.TB) {
	c, done, err := v4l2.OpenControls(device)
	if err != nil {
		t.Fatal(err)
	}
	before := ours(t, c)
	t.Cleanup(func() {
		defer done()
		for _, control := range before {
			if control.Kind != frame.Button && control.Locked == "" && !dangerous(control.Name) {
				if err := c.SetControls(context.Background(), []frame.ControlValue{want(control.Name, control.Value)}); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func ours(t testing.TB, c frame.Controller) []frame.Control {
	t.Helper()
	list, err := c.Controls()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestControlsMatchV4L2Ctl(t *testing.T) {
	keep(t)
	c := open(t, v4l2.Config{Width: 320, Height: 180}).(frame.Controller)
	names, all := theirs(t)
	var got []string
	for _, control := range ours(t, c) {
		got = append(got, control.Name)
		want := all[control.Name]
		if want == nil {
			t.Errorf("%s: v4l2-ctl has no such control", control.Name)
			continue
		}
		kinds := map[string]frame.ControlKind{"int": frame.Integer, "int64": frame.Integer, "bitmask": frame.Integer, "bool": frame.Boolean, "menu": frame.Menu, "intmenu": frame.Menu, "button": frame.Button}
		if control.Kind != kinds[want.kind] {
			t.Errorf("%s: %s, v4l2-ctl: %s", control.Name, control.Kind, want.kind)
		}
		for name, v := range map[string]int64{"min": control.Min, "max": control.Max, "step": control.Step, "default": control.Default, "value": control.Value} {
			volatile := name == "value" && (strings.Contains(want.flags, "volatile") || strings.Contains(want.flags, "read-only"))
			if _, ok := want.values[name]; ok && want.kind == "bitmask" { // v4l2-ctl prints the same bits as a signed number
				want.values[name], v = int64(uint32(want.values[name])), int64(uint32(v))
			}
			if w, ok := want.values[name]; ok && w != v && want.kind != "button" && !volatile {
				t.Errorf("%s: %s is %d, v4l2-ctl: %d", control.Name, name, v, w)
			}
		}
		for _, item := range control.Menu {
			if name := want.menu[item.Value]; !strings.HasPrefix(name, item.Name) { // v4l2-ctl also prints numbers in hexadecimal
				t.Errorf("%s: choice %d is %q, v4l2-ctl: %q", control.Name, item.Value, item.Name, name)
			}
		}
		if len(control.Menu) != len(want.menu) {
			t.Errorf("%s: %d choices, v4l2-ctl: %d", control.Name, len(control.Menu), len(want.menu))
		}
		if inactive := strings.Contains(want.flags, "inactive"); control.Inactive != inactive {
			t.Errorf("%s: inactive is %v, v4l2-ctl: %q", control.Name, control.Inactive, want.flags)
		}
		if locked := strings.Contains(want.flags, "read-only") || strings.Contains(want.flags, "grabbed"); (control.Locked != "") != locked {
			t.Errorf("%s: locked %q, v4l2-ctl: %q", control.Name, control.Locked, want.flags)
		}
	}
	if !slices.Equal(got, names) || len(names) < 20 {
		t.Errorf("controls\n%q\nv4l2-ctl has\n%q", got, names)
	}
}

// dangerous controls break the device for later tests.
func dangerous(name string) bool {
	return strings.HasPrefix(name, "inject_") || strings.HasPrefix(name, "disconnect") || strings.HasPrefix(name, "timestamp_source") || name == "percentage_of_dropped_buffers"
}

func TestEveryControlsRange(t *testing.T) {
	keep(t)
	c := open(t, v4l2.Config{Width: 320, Height: 180}).(frame.Controller)
	if err := c.SetControls(t.Context(), []frame.ControlValue{want("gain_automatic", 0)}); err != nil { // otherwise gain changes by itself
		t.Fatal(err)
	}
	values := map[string][]int64{}
	rounds := 0
	for _, control := range ours(t, c) {
		if dangerous(control.Name) || control.Locked != "" || control.Kind == frame.Button || control.Name == "gain_automatic" {
			continue
		}
		choices := []int64{control.Min, control.Max, control.Default}
		if control.Kind == frame.Menu {
			choices = nil
			for _, item := range control.Menu {
				choices = append(choices, item.Value)
			}
		}
		values[control.Name] = choices
		rounds = max(rounds, len(choices))
	}
	if len(values) < 20 || rounds < 3 {
		t.Fatalf("%d controls in %d rounds", len(values), rounds)
	}
	for round := range rounds { // all of them in one call per round
		var all []frame.ControlValue
		for name, choices := range values {
			all = append(all, want(name, choices[round%len(choices)]))
		}
		if err := c.SetControls(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		_, current := theirs(t)
		for _, v := range all {
			if got := current[v.Name].values["value"]; got != v.Value && (current[v.Name].kind != "bitmask" || uint32(got) != uint32(v.Value)) {
				t.Errorf("%s = %d: v4l2-ctl reads %d", v.Name, v.Value, got)
			}
		}
	}
}

func TestChangesByOtherProgramsAreNoticed(t *testing.T) {
	keep(t)
	c := open(t, v4l2.Config{Width: 320, Height: 180}).(frame.Controller)
	for len(c.ControlsChanged()) > 0 {
		<-c.ControlsChanged()
	}
	for _, v := range []int64{10, 200} {
		v4l2ctl(t, "-c", fmt.Sprintf("brightness=%d", v))
		select {
		case <-c.ControlsChanged():
		case <-time.After(20 * time.Second):
			t.Fatal("no change was announced")
		}
		if got := frame.FindControl(ours(t, c), "brightness").Value; got != v {
			t.Errorf("brightness is %d, want %d", got, v)
		}
	}
}

func TestSetControlsIsAtomic(t *testing.T) {
	keep(t)
	s := open(t, v4l2.Config{Width: 320, Height: 180})
	c := s.(frame.Controller)
	value := func(name string) int64 { return frame.FindControl(ours(t, c), name).Value }
	before := value("brightness")
	for _, bad := range []frame.ControlValue{want("contrast", 1<<40), want("contrast", -1), want("no_such_control", 1)} {
		err := c.SetControls(t.Context(), []frame.ControlValue{want("brightness", before/2+1), bad})
		var refused *frame.ControlError
		if !errors.As(err, &refused) || refused.Name != bad.Name {
			t.Errorf("%v: %v", bad, err)
		}
		if got := value("brightness"); got != before {
			t.Errorf("%v: brightness was changed to %d nevertheless", bad, got)
		}
	}
	// gain is managed by autogain: in a single call, in any order, automatic is switched off first.
	if err := c.SetControls(t.Context(), []frame.ControlValue{want("gain", 77), want("gain_automatic", 0)}); err != nil {
		t.Error(err)
	}
	if gain := frame.FindControl(ours(t, c), "gain"); gain.Value != 77 || gain.Inactive || gain.Automatic != "gain_automatic" {
		t.Errorf("%+v", gain)
	}
	if err := c.SetControls(t.Context(), []frame.ControlValue{want("gain_automatic", 1)}); err != nil {
		t.Error(err)
	}
	if gain := frame.FindControl(ours(t, c), "gain"); !gain.Inactive {
		t.Errorf("%+v: not inactive while automatic", gain)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Controls(); err == nil {
		t.Error("controls of a closed device")
	}
	if err := c.SetControls(context.Background(), nil); err == nil {
		t.Error("controls of a closed device were set")
	}
}

func TestControlsWithoutStreaming(t *testing.T) {
	keep(t)
	open(t, v4l2.Config{Width: 320, Height: 180}) // streaming to another reader
	c, done, err := v4l2.OpenControls(device)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetControls(t.Context(), []frame.ControlValue{want("brightness", 33)}); err != nil {
		t.Error(err)
	}
	if got := strings.TrimSpace(v4l2ctl(t, "-C", "brightness")); got != "brightness: 33" {
		t.Errorf("%q", got)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	for _, device := range []string{"/dev/null", "/dev/video77"} {
		if _, _, err := v4l2.OpenControls(device); err == nil {
			t.Errorf("%s opened", device)
		}
	}
}
