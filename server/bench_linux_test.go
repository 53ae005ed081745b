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

// The benchmarks run the test binary again in these roles, so that each part's CPU time is its process's.
const roleVariable = "MAIXSTREAM_BENCH_ROLE"

func TestMain(m *testing.M) {
	switch role := strings.Fields(os.Getenv(roleVariable)); {
	case len(role) == 0:
		os.Exit(m.Run())
	case role[0] == "viewers":
		viewersRole(role[1], number(role[2]), number(role[3]))
	default:
		serverRole(role[0], number(role[1]), number(role[2]), number(role[3]))
	}
}

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
func serverRole(kind string, viewers, size, fps int) {
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println(fanbench.CPU().Nanoseconds())
		}
		os.Exit(0)
	}()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	pictures := benchPictures(size)
	if kind == "bare" {
		runtime.LockOSThread()
		if err := fanbench.Bare(l, viewers, pictures, fps, func() bool { return false }); err != nil {
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

func start(tb testing.TB, role ...any) *child {
	tb.Helper()
	exe, err := filepath.Abs(os.Args[0])
	if err != nil {
		tb.Fatal(err)
	}
	c := &child{cmd: exec.Command(exe)}
	if role[0] == "c" {
		c.cmd = exec.Command("/tmp/bare", strings.Fields(fmt.Sprintln(role[1:]...))...)
	}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+strings.TrimSpace(fmt.Sprintln(role...)))
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

// measure runs one server with its viewers and returns its CPU time per delivered frame.
func measure(tb testing.TB, kind string, viewers, size, fps, seconds int) (perFrame time.Duration, report fanbench.Report) {
	s := start(tb, kind, viewers, size, fps)
	defer s.end()
	v := start(tb, "viewers", s.line(tb), viewers, seconds)
	defer v.end()
	v.line(tb)
	before := s.cpu(tb)
	if err := json.Unmarshal([]byte(v.line(tb)), &report); err != nil {
		tb.Fatal(err)
	}
	return (s.cpu(tb) - before) / time.Duration(max(report.Frames, 1)), report
}

// BenchmarkDelivery compares the server's CPU time per delivered frame, and a frame's way from its publication to its last byte read, with
// those of a bare loop in the same run. Run it with -benchtime 5x: five pairs of runs, whose medians it reports.
func BenchmarkDelivery(b *testing.B) {
	for _, viewers := range []int{8, 64, 256} {
		b.Run(fmt.Sprintf("viewers=%d", viewers), func(b *testing.B) {
			var ratios, bare, ours, bareP99, oursP99, oursP50 []float64
			for range b.N {
				cb, cr := measure(b, "c", viewers, 70<<10, 30, 3)
b.Logf("C    %v/frame %+v", cb, cr)
limit, limitReport := measure(b, "bare", viewers, 70<<10, 30, 3)
				mine, report := measure(b, "server", viewers, 70<<10, 30, 3)
				ratios = append(ratios, float64(mine)/float64(limit))
				bare = append(bare, float64(limit)/1e3)
				ours = append(ours, float64(mine)/1e3)
				bareP99 = append(bareP99, float64(limitReport.P99)/1e6)
				oursP99 = append(oursP99, float64(report.P99)/1e6)
				oursP50 = append(oursP50, float64(report.P50)/1e6)
				b.Logf("bare %v/frame %+v", limit, limitReport)
				b.Logf("ours %v/frame %+v", mine, report)
			}
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(median(bare), "bare-µs/frame")
			b.ReportMetric(median(ours), "µs/frame")
			b.ReportMetric(median(bareP99), "bare-p99-ms")
			b.ReportMetric(median(oursP99), "p99-ms")
			b.ReportMetric(median(oursP50), "p50-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
