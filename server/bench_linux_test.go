package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/pipeline/ring"
	"github.com/maixstream/maixstream/server"
	"github.com/maixstream/maixstream/server/fanbench"
)

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// pictures are bytes as incompressible as a JPEG's, sizes bytes each.
func benchPictures(size int) [][]byte {
	random := rand.NewChaCha8([32]byte{1})
	pictures := make([][]byte, 8)
	for i := range pictures {
		pictures[i] = make([]byte, size)
		_, _ = random.Read(pictures[i])
	}
	return pictures
}

// serverRole serves viewers in this process until standard input ends; each line on it is answered with the CPU time used so far.
func serverRole(kind, address string, viewers, size, fps int) {
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println(fanbench.CPU().Nanoseconds())
		}
		os.Exit(0)
	}()
	l, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	pictures := benchPictures(size)
	if kind == "bare" {
		runtime.LockOSThread()
		if err := fanbench.Bare(l.(*net.TCPListener), viewers, pictures, fps, func() bool { return false }); err != nil {
			panic(err)
		}
		return
	}
	r, err := ring.New(ring.Config{SlotSize: 1 << 20, Envelope: server.Envelope()})
	if err != nil {
		panic(err)
	}
	s, err := server.New(server.Config{Feed: &ringFeed{ring: r}, Listeners: []net.Listener{l}})
	if err != nil {
		panic(err)
	}
	if err := s.Start(); err != nil {
		panic(err)
	}
	ticker := time.NewTicker(time.Second / time.Duration(fps))
	for i := 0; ; i++ {
		<-ticker.C
		v, ok := r.Reserve()
		if !ok {
			panic("no free slot")
		}
		p := frame.Picture{Size: copy(v.Buffer(r), pictures[i%len(pictures)]), Captured: time.Now()}
		if err := r.Publish(v, &p, time.Now()); err != nil {
			panic(err)
		}
	}
}

// viewersRole reads, tells when it is warm (a line), measures when told to (a line) and prints its report.
func viewersRole(address string, n, seconds int) {
	v, err := fanbench.Connect(address, "/stream", n)
	if err == nil {
		_, err = v.Read(time.Second)
	}
	if err != nil {
		panic(err)
	}
	fmt.Println("warm")
	report, err := v.Read(time.Duration(seconds) * time.Second)
	if err != nil {
		panic(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(report)
}

type child struct {
	cmd *exec.Cmd
	in  *os.File
	out *bufio.Reader
}

// start runs this binary in a role; namespace "" is the machine's own network.
func start(tb testing.TB, namespace string, role ...any) *child {
	tb.Helper()
	exe, err := filepath.Abs(os.Args[0])
	if err != nil {
		tb.Fatal(err)
	}
	return run(tb, []string{roleVariable + "=" + strings.TrimSpace(fmt.Sprintln(role...))}, append(inNamespace(namespace), exe)...)
}

func inNamespace(name string) []string {
	if name == "" {
		return nil
	}
	return []string{"ip", "netns", "exec", name}
}

func run(tb testing.TB, environment []string, command ...string) *child {
	tb.Helper()
	c := &child{cmd: exec.Command(command[0], command[1:]...)}
	c.cmd.Env = append(os.Environ(), environment...)
	c.cmd.Stderr = os.Stderr
	in, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	c.cmd.Stdin, c.in = in, w
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	in.Close()
	return c
}

func (c *child) line(tb testing.TB) string {
	tb.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		tb.Fatalf("child: %v", err)
	}
	return strings.TrimSpace(line)
}

func (c *child) cpu(tb testing.TB) time.Duration {
	fmt.Fprintln(c.in)
	return time.Duration(number(c.line(tb)))
}

func (c *child) end() {
	c.in.Close()
	_ = c.cmd.Wait()
}

// measure runs a server with its viewers and returns its CPU time per delivered frame.
func measure(tb testing.TB, s *child, viewers int) (perFrame time.Duration, report fanbench.Report) {
	defer s.end()
	v := start(tb, "", "viewers", s.line(tb), viewers, 3)
	defer v.end()
	v.line(tb)
	before := s.cpu(tb)
	if err := json.Unmarshal([]byte(v.line(tb)), &report); err != nil {
		tb.Fatal(err)
	}
	return (s.cpu(tb) - before) / time.Duration(max(report.Frames, 1)), report
}

// idle returns the CPU time a second of a server that publishes 30 frames of size bytes and has no viewer: the ring's and the scheduler's share.
func idle(tb testing.TB, size int) time.Duration {
	s := start(tb, "", "server", "127.0.0.1:0", 0, size, 30)
	defer s.end()
	s.line(tb)
	time.Sleep(time.Second)
	before := s.cpu(tb)
	time.Sleep(3 * time.Second)
	return (s.cpu(tb) - before) / 3
}

// BenchmarkDelivery compares the server's CPU time per delivered frame, and a frame's way from its publication to its last byte read, with
// those of a bare loop in C (testdata/bare.c) in the same run. Run it with -benchtime 5x: five pairs of runs, whose medians it
// reports. Besides the ratio of everything that the server's process does there is that without what publishing costs it (publish-µs/frame),
// which is the same for no viewer and for a thousand.
func BenchmarkDelivery(b *testing.B) {
	bare := filepath.Join(b.TempDir(), "bare")
	if out, err := exec.Command("cc", "-O2", "-o", bare, "testdata/bare.c").CombinedOutput(); err != nil {
		b.Skipf("the bare loop cannot be compiled: %v\n%s", err, out)
	}
	const size, fps = 70 << 10, 30
	for _, viewers := range []int{8, 64, 256} {
		b.Run(fmt.Sprintf("viewers=%d", viewers), func(b *testing.B) {
			var all, net, limit, ours, publish, limitP99, p99 []float64
			publishing := float64(idle(b, size)) / float64(viewers*fps)
			for range b.N {
				least, leastReport := measure(b, run(b, nil, bare, strconv.Itoa(viewers), strconv.Itoa(size), strconv.Itoa(fps)), viewers)
				mine, report := measure(b, start(b, "", "server", "127.0.0.1:0", viewers, size, fps), viewers)
				all = append(all, float64(mine)/float64(least))
				net = append(net, (float64(mine)-publishing)/float64(least))
				limit = append(limit, float64(least)/1e3)
				ours = append(ours, float64(mine)/1e3)
				publish = append(publish, publishing/1e3)
				limitP99 = append(limitP99, float64(leastReport.P99)/1e6)
				p99 = append(p99, float64(report.P99)/1e6)
			}
			b.ReportMetric(median(all), "ratio")
			b.ReportMetric(median(net), "ratio-without-publishing")
			b.ReportMetric(median(limit), "bare-µs/frame")
			b.ReportMetric(median(ours), "µs/frame")
			b.ReportMetric(median(publish), "publish-µs/frame")
			b.ReportMetric(median(limitP99), "bare-p99-ms")
			b.ReportMetric(median(p99), "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
