// Command bench measures the board's program on the virtual board and writes the figures into a document: `make bench-board`.
//
// The virtual board's core is emulated: CPU figures are comparable with one another, and with earlier ones from the same
// machine, but not with a MaixCAM's. Memory and frames are as on a board.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

func main() {
	var b bench
	pflag.StringVar(&b.control, "control", "toolchain/board/board.sh", "the `SCRIPT` that controls the virtual board, which runs and has maixstream installed")
	pflag.StringVar(&b.base, "url", "http://127.0.0.1:8888", "address to which maixstream's port is forwarded")
	pflag.DurationVar(&b.length, "duration", 20*time.Second, "duration of each measurement")
	document := pflag.String("write", "", "document whose table is replaced; by default only print")
	pflag.Parse()
	table, err := b.run()
	if err == nil {
		fmt.Print(table)
		if *document != "" {
			err = replace(*document, table)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	control, base string
	length        time.Duration
}

// clip is the board's file of pictures that are sent without encoding.
const clip = "/tmp/clip.mjpeg"

func (b bench) run() (string, error) {
	if err := b.upload(); err != nil {
		return "", err
	}
	kept, err := b.board("cat /etc/default/maixstream 2>/dev/null; true", nil)
	if err != nil {
		return "", err
	}
	defer func() { // restore the board's settings
		_, err := b.board("cat >/etc/default/maixstream && /etc/init.d/S99maixstream restart", strings.NewReader(kept+"\n"))
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: restore the settings:", err)
		}
	}()
	program, err := b.board("/opt/maixstream/maixstream version", nil)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	load, _ := os.ReadFile("/proc/loadavg") // other work on this machine slows the emulated core down
	load, _, _ = bytes.Cut(load, []byte(" "))
	fmt.Fprintf(&out, "%s, %s, 640x480 at 30 fps, each over %v; the machine has %d cores and a load of %s:\n\n",
		program, time.Now().UTC().Format(time.DateOnly), b.length, runtime.NumCPU(), load)
	fmt.Fprintln(&out, "| source | time to first frame | viewers | fps per viewer | CPU | RSS |")
	fmt.Fprintln(&out, "|---|---|---|---|---|---|")
	for _, source := range []struct{ name, args string }{
		{"JPEG from a file (not encoded, as on a board with its hardware encoder)", "--source " + clip},
		{"test card (software encoder)", "--source testcard"},
	} {
		began, err := b.start(kept, source.args+" --size 640x480 --fps 30")
		if err != nil {
			return "", fmt.Errorf("%s: %w", source.name, err)
		}
		first := fmt.Sprintf("%.1f s", began.Seconds())
		for _, viewers := range []int{0, 1, 4} {
			f, err := b.measure(viewers)
			if err != nil {
				return "", fmt.Errorf("%s, %d viewers: %w", source.name, viewers, err)
			}
			fps := "(idle)"
			if viewers > 0 {
				fps = fmt.Sprintf("%.1f", f.fps)
			}
			fmt.Fprintf(&out, "| %s | %s | %d | %s | %.0f %% | %.1f MiB |\n", source.name, first, viewers, fps, f.cpu*100, f.rss)
			source.name, first = "", ""
		}
	}
	return out.String(), nil
}

// board runs a command on the board.
func (b bench) board(command string, in io.Reader) (string, error) {
	c := exec.Command(b.control, "ssh", command)
	c.Stdin = in
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("on the board: %s: %w: %s", command, err, strings.TrimSpace(problems.String()+string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

// upload creates a second of moving pictures, about 40 kB each.
func (b bench) upload() error {
	var movie bytes.Buffer
	for n := range 30 {
		picture := image.NewGray(image.Rect(0, 0, 640, 480))
		for y := range 480 {
			for x := range 640 {
				picture.SetGray(x, y, color.Gray{uint8((x+8*n)*y>>6 ^ x>>2)})
			}
		}
		if err := jpeg.Encode(&movie, picture, &jpeg.Options{Quality: 30}); err != nil {
			return err
		}
	}
	_, err := b.board("cat >"+clip, &movie)
	return err
}

// start starts the service with args and returns how long it took until a program on the board got a picture.
func (b bench) start(settings, args string) (time.Duration, error) {
	script := fmt.Sprintf("/etc/init.d/S99maixstream stop\nprintf '%%s\\n' 'ARGS=\"%s\"' >>/etc/default/maixstream\n", args) + `
read from _ </proc/uptime
/etc/init.d/S99maixstream start >/dev/null
n=0
until wget -q -O /tmp/first.jpg http://127.0.0.1:8000/snapshot 2>/dev/null; do n=$((n+1)); [ $n -gt 1000 ] && exit 1; done
read to _ </proc/uptime
echo $from $to`
	if _, err := b.board("cat >/etc/default/maixstream", strings.NewReader(settings+"\n")); err != nil {
		return 0, err
	}
	out, err := b.board("sh -s", strings.NewReader(script))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(out, "\n")
	var from, to float64
	if _, err := fmt.Sscan(lines[len(lines)-1], &from, &to); err != nil {
		return 0, fmt.Errorf("read the start's times %q: %w", out, err)
	}
	return time.Duration((to - from) * float64(time.Second)), nil
}

type figures struct {
	fps float64 // of one viewer, on average
	cpu float64 // 1 is the entire core
	rss float64 // MiB
}

func (b bench) measure(viewers int) (figures, error) {
	var f figures
	type result struct {
		frames int
		err    error
	}
	results := make(chan result, viewers)
	var seen sync.WaitGroup
	for range viewers {
		seen.Add(1)
		go func() {
			n, err := watch(b.base+"/stream", b.length, seen.Done)
			results <- result{n, err}
		}()
	}
	seen.Wait()
	if viewers == 0 {
		time.Sleep(5 * time.Second) // startup is over, and the last viewer gone
	}
	before, err := b.ticks()
	if err != nil {
		return f, err
	}
	time.Sleep(b.length - time.Second)
	after, err := b.ticks()
	if err != nil {
		return f, err
	}
	f.cpu = (after.cpu - before.cpu) / (after.uptime - before.uptime)
	f.rss = after.rss
	for range viewers {
		r := <-results
		if r.err != nil {
			return f, r.err
		}
		f.fps += float64(r.frames) / b.length.Seconds() / float64(viewers)
	}
	return f, nil
}

// watch counts a stream's frames over length, from the first one on, at which it calls first.
func watch(url string, length time.Duration, first func()) (int, error) {
	once := sync.OnceFunc(first)
	defer once()
	reply, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GET %s: %s", url, reply.Status)
	}
	parts := multipart.NewReader(reply.Body, "frame")
	var end time.Time
	for n := -1; ; n++ { // time starts with the first one
		part, err := parts.NextRawPart()
		if err != nil {
			return n, fmt.Errorf("GET %s: after %d frames: %w", url, n+1, err)
		}
		if _, err := io.Copy(io.Discard, part); err != nil {
			return n, fmt.Errorf("GET %s: after %d frames: %w", url, n+1, err)
		}
		if n < 0 {
			end = time.Now().Add(length)
			once()
		} else if time.Now().After(end) {
			return n, nil
		}
	}
}

// usage is what the board's program has used: seconds of CPU, MiB of memory, at this time of the board's clock.
type usage struct{ cpu, rss, uptime float64 }

func (b bench) ticks() (usage, error) {
	var u usage
	out, err := b.board("cd /proc/$(cat /var/run/maixstream/program) && cat stat /proc/uptime && grep VmRSS status", nil)
	if err != nil {
		return u, err
	}
	lines := strings.Split(out, "\n")
	if len(lines) != 3 {
		return u, fmt.Errorf("read usage: %q", out)
	}
	_, rest, _ := strings.Cut(lines[0], ") ") // after the program's name, beginning with the third field, the state
	stat, up, status := strings.Fields(rest), strings.Fields(lines[1]), strings.Fields(lines[2])
	if len(stat) < 13 || len(up) < 1 || len(status) < 2 {
		return u, fmt.Errorf("read usage: %q", out)
	}
	var values [4]float64
	for i, s := range []string{stat[11], stat[12], up[0], status[1]} {
		if values[i], err = strconv.ParseFloat(s, 64); err != nil {
			return u, fmt.Errorf("read usage: %w", err)
		}
	}
	const hz = 100 // USER_HZ, the same on every Linux
	return usage{cpu: (values[0] + values[1]) / hz, uptime: values[2], rss: values[3] / 1024}, nil
}

const (
	opening = "<!-- bench-board -->\n"
	closing = "<!-- /bench-board -->\n"
)

// replace puts the table between the document's markers.
func replace(document, table string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), opening)
	_, foot, foundToo := strings.Cut(rest, closing)
	if !found || !foundToo {
		return errors.New(document + " has no markers for the table: " + strings.TrimSpace(opening) + " and " + strings.TrimSpace(closing))
	}
	return os.WriteFile(document, []byte(head+opening+"\n"+table+"\n"+closing+foot), 0o644)
}
