//go:build linux && vivid

// These tests start a virtual machine whose kernel has vivid, the kernel's webcam test driver (make test-vivid).
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/internal/testenv/browser"
	"github.com/maixstream/maixstream/server/stream"
)

// machine is a virtual machine with a webcam and the program.
type machine struct {
	*testing.T
	base  string // the program's URL, once it runs
	in    io.Writer
	lines chan string
}

func startMachine(t *testing.T) *machine {
	t.Helper()
	root := testenv.Root(t)
	program := filepath.Join(t.TempDir(), "maixstream")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	address := testenv.FreeAddress(t)
	vm := exec.Command(filepath.Join(root, "hw/source/internal/v4l2/vivid/vm.sh"), "--program", program, address[strings.LastIndex(address, ":")+1:])
	in, err := vm.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := vm.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	vm.Stderr = &problems
	if err := vm.Start(); err != nil {
		t.Fatal(err)
	}
	m := &machine{T: t, base: "http://" + address, in: in, lines: make(chan string, 4096)}
	go func() {
		defer close(m.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			m.lines <- strings.TrimRight(s.Text(), "\r")
		}
	}()
	t.Cleanup(func() {
		_, _ = io.WriteString(in, "poweroff -f\n")
		for range m.lines { //nolint:revive // to its end
		}
		if err := vm.Wait(); err != nil {
			t.Errorf("%v: %s", err, &problems)
		}
	})
	m.until("vm: ready")
	return m
}

// until returns the lines before one with that prefix, and the rest of that one.
func (m *machine) until(mark string) (before []string, rest string) {
	m.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		select {
		case line, ok := <-m.lines:
			if !ok {
				m.Fatalf("the virtual machine has ended: %q", before)
			}
			if rest, ok = strings.CutPrefix(line, mark); ok {
				return before, rest
			}
			before = append(before, line)
		case <-timeout:
			m.Fatalf("no %q: %q", mark, before)
		}
	}
}

// run runs a line in the machine's shell.
func (m *machine) run(line string) string {
	m.Helper()
	fmt.Fprintln(m.in, line)
	out, code := m.until("vm: exit ")
	if code != "0" {
		m.Fatalf("%s: exit code %s: %s", line, code, strings.Join(out, "\n"))
	}
	return strings.Join(out, "\n")
}

// serve starts the program there. --control: to this machine's tests it is not a local one.
func (m *machine) serve(args string) {
	m.Helper()
	m.run("maixstream serve --source v4l2:/dev/video0 --size 320x180 --fps 10 --listen :8000 --webrtc= --announce=false --report 0 --state-file /tmp/state.json " + args +
		" >/tmp/log 2>&1 & echo $! >/tmp/pid")
	testenv.Eventually(m.T, "the camera runs", func() bool {
		reply, err := http.Get(m.base + "/snapshot")
		if err != nil {
			return false
		}
		reply.Body.Close()
		return reply.StatusCode == http.StatusOK
	})
}

func (m *machine) stop() {
	m.Helper()
	m.run("kill $(cat /tmp/pid); while kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.1; done; grep -i panic /tmp/log && exit 1; exit 0")
}

var (
	listedControl = regexp.MustCompile(`^\s*(\w+) 0x[0-9a-f]+ \((\w+)\)\s*:\s*(.*)$`)
	listedValue   = regexp.MustCompile(`\bvalue=(0x[0-9a-f]+|-?\d+)`)
)

// theirs returns v4l2-ctl's view: the names of all controls with a single number, or with none (buttons), and the values.
func (m *machine) theirs() (names []string, values map[string]int64) {
	m.Helper()
	values = map[string]int64{}
	for line := range strings.Lines(m.run("v4l2-ctl -d /dev/video0 --list-ctrls-menus")) {
		c := listedControl.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if c == nil || c[2] == "str" || strings.HasPrefix(c[2], "u") || c[2] == "area" || strings.Contains(c[3], "dims=") || strings.Contains(c[3], "elems=") {
			continue
		}
		names = append(names, c[1])
		if v := listedValue.FindStringSubmatch(c[3]); v != nil {
			n, err := strconv.ParseInt(v[1], 0, 64)
			if err != nil {
				m.Fatal(line)
			}
			if c[2] == "bitmask" {
				n = int64(uint32(n))
			}
			values[c[1]] = n
		}
	}
	return names, values
}

// expect compares values with what v4l2-ctl reads.
func (m *machine) expect(how string, want map[string]int64) {
	m.Helper()
	_, now := m.theirs()
	for name, v := range want {
		if now[name] != v {
			m.Errorf("%s: %s = %d: v4l2-ctl reads %d", how, name, v, now[name])
		}
	}
}

func (m *machine) controls() []stream.Control {
	m.Helper()
	reply, err := http.Get(m.base + "/api/controls")
	if err != nil {
		m.Fatal(err)
	}
	defer reply.Body.Close()
	var list stream.ControlList
	if err := json.NewDecoder(reply.Body).Decode(&list); err != nil {
		m.Fatal(err)
	}
	return list.Controls
}

func (m *machine) patch(values map[string]int64) {
	m.Helper()
	body, _ := json.Marshal(values)
	request, _ := http.NewRequest(http.MethodPatch, m.base+"/api/controls", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		m.Fatal(err)
	}
	defer reply.Body.Close()
	if text, _ := io.ReadAll(reply.Body); reply.StatusCode != http.StatusOK {
		m.Fatalf("%s: %s", reply.Status, text)
	}
}

// extremes are the values that each control is set to, in rounds: minimum, maximum and default. Left out are controls that break the
// device, cannot be set, or change by themselves.
func extremes(list []stream.Control) (rounds []map[string]int64) {
	for i := range list {
		c := &list[i]
		if c.Kind == "button" || c.Locked != "" || ownZoom(c.Name) || c.Name == "gain_automatic" || strings.HasPrefix(c.Name, "timestamp_source") ||
			c.Name == "percentage_of_dropped_buffers" || strings.HasPrefix(c.Name, "inject_") || strings.HasPrefix(c.Name, "disconnect") {
			continue
		}
		values := []int64{*c.Minimum, *c.Maximum, *c.Default}
		if c.Kind == "menu" { // the ends of its range need not be choices
			values[0], values[1] = c.Menu[0].Value, c.Menu[len(c.Menu)-1].Value
		}
		for k, v := range values {
			if k == len(rounds) {
				rounds = append(rounds, map[string]int64{})
			}
			rounds[k][c.Name] = v
		}
	}
	return rounds
}

// ownZoom reports whether a control is our digital zoom's, not the driver's.
func ownZoom(name string) bool {
	return slices.Contains([]string{"zoom_absolute", "pan_absolute", "tilt_absolute"}, name)
}

func assignments(values map[string]int64) (texts []string) {
	for name, v := range values {
		texts = append(texts, fmt.Sprintf("%s=%d", name, v))
	}
	slices.Sort(texts)
	return texts
}

func TestWebcamsControls(t *testing.T) {
	m := startMachine(t)
	m.serve("--full-snapshot")
	list := m.controls()
	var ours []string
	for _, c := range list {
		if !ownZoom(c.Name) {
			ours = append(ours, c.Name)
		}
	}
	if theirs, _ := m.theirs(); !slices.Equal(ours, theirs) || len(ours) < 20 {
		t.Errorf("controls\n%q\nv4l2-ctl has\n%q", ours, theirs)
	}
	m.patch(map[string]int64{"gain_automatic": 0})
	rounds := extremes(list)
	if len(rounds) != 3 || len(rounds[0]) < 20 {
		t.Fatalf("%d rounds of %d controls", len(rounds), len(rounds[0]))
	}
	for i, values := range rounds {
		m.patch(values)
		m.expect(fmt.Sprint("API, round ", i), values)
	}
	for i, values := range rounds {
		if code, _, problem := maixstream(append([]string{"controls", "--source", m.base}, assignments(values)...)...); code != exitDone {
			t.Fatalf("code %d: %s", code, problem)
		}
		m.expect(fmt.Sprint("command to the server, round ", i), values)
	}
	for i, values := range rounds { // beside the server that streams
		m.run("maixstream controls --source v4l2:/dev/video0 '" + strings.Join(assignments(values), "' '") + "' >/dev/null")
		m.expect(fmt.Sprint("command to the device, round ", i), values)
	}
	m.inThePage(rounds)
	m.fullSnapshot()
	m.outlives()
	m.stop()
}

// inThePage moves every control of the page's panel, and checks that it follows another program's changes.
func (m *machine) inThePage(rounds []map[string]int64) {
	m.Helper()
	ctx := browser.Start(m.T, 900, 1200)
	eval := func(expression string) string {
		m.Helper()
		asking, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		value, err := chromedp.Run(asking, chromedp.Evaluate[string]("String("+expression+")"))
		if err != nil {
			m.Fatalf("%s: %v", expression, err)
		}
		return value
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(m.base+"/")); err != nil {
		m.Fatal(err)
	}
	testenv.Eventually(m.T, "the panel", func() bool { return eval(`document.getElementById("control-brightness") !== null`) == "true" })
	testenv.Eventually(m.T, "the panel can be used", func() bool { return eval(`!document.getElementById("camera-set").disabled`) == "true" })
	for i, values := range rounds {
		for _, c := range m.controls() {
			if c.Inactive { // greyed
				delete(values, c.Name)
			}
		}
		const exact = 1<<53 - 1 // in JavaScript
		for name, v := range values {
			values[name] = min(max(v, -exact), exact)
		}
		wanted, _ := json.Marshal(values)
		missing := eval(fmt.Sprintf(`(() => {
			const missing = [];
			for (const [name, value] of Object.entries(%s)) {
				const e = document.getElementById("control-" + name);
				if (!e || e.disabled) { missing.push(name); continue; }
				if (e.type === "checkbox") e.checked = value === 1; else e.value = value;
				e.dispatchEvent(new Event("input"));
			}
			return missing;
		})()`, wanted))
		if missing != "" {
			m.Errorf("page, round %d: these cannot be moved: %s", i, missing)
		}
		for start := time.Now(); ; time.Sleep(200 * time.Millisecond) {
			var others []string
			for _, c := range m.controls() {
				if v, ok := values[c.Name]; ok && *c.Value != v {
					others = append(others, fmt.Sprintf("%s is %d, not %d", c.Name, *c.Value, v))
				}
			}
			if others == nil {
				break
			}
			if time.Since(start) > time.Minute {
				m.Fatalf("page, round %d: %s; it says %q", i, strings.Join(others, ", "), eval(`document.getElementById("problem").textContent`))
			}
		}
		m.expect(fmt.Sprint("page, round ", i), values)
	}
	for _, v := range []string{"77", "130"} {
		m.run("v4l2-ctl -d /dev/video0 -c brightness=" + v)
		testenv.Eventually(m.T, "the page shows what another program has set", func() bool { return eval(`document.getElementById("control-brightness").value`) == v })
	}
}

// fullSnapshot takes a picture of the largest size beside the small stream.
func (m *machine) fullSnapshot() {
	m.Helper()
	for query, width := range map[string]int{"?full=1": 3840, "": 320, "?width=160": 160} {
		reply, err := http.Get(m.base + "/snapshot" + query)
		if err != nil {
			m.Fatal(err)
		}
		body, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil {
			m.Fatal(err)
		}
		if picture, err := jpeg.DecodeConfig(bytes.NewReader(body)); err != nil || picture.Width != width {
			m.Errorf("/snapshot%s: %s, %v, %d wide: %.300q", query, reply.Status, err, picture.Width, body)
		}
	}
}

// outlives unplugs and replugs the webcam, and restarts the program: the settings are restored.
func (m *machine) outlives() {
	m.Helper()
	set := map[string]int64{"brightness": 11, "contrast": 222, "hue": -100, "gain_automatic": 0, "gain": 55, "horizontal_flip": 1, "test_pattern": 3}
	m.patch(set)
	m.expect("before it is unplugged", set)
	m.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind")
	testenv.Eventually(m.T, "no signal", func() bool {
		reply, err := http.Get(m.base + "/api/controls")
		if err == nil {
			reply.Body.Close()
		}
		return err == nil && reply.StatusCode == http.StatusServiceUnavailable
	})
	settled := func(what string) {
		testenv.Eventually(m.T, what, func() bool {
			_, now := m.theirs()
			for name, v := range set {
				if now[name] != v {
					return false
				}
			}
			return true
		})
	}
	m.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/bind; while ! v4l2-ctl -d /dev/video0 --info >/dev/null 2>&1; do sleep 0.1; done")
	settled("the values are set again when it is plugged in again")
	m.stop()
	m.run("v4l2-ctl -d /dev/video0 -c brightness=128,contrast=128,hue=0,gain=100,horizontal_flip=0,test_pattern=0")
	m.serve("")
	settled("the values are set again at the next start")
}
