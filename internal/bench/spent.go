package bench

import (
	"runtime"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/bench/usage"
)

// spent is what this process used in a window.
type spent struct {
	cpu     time.Duration // without what stands for hardware
	allocs  uint64
	threads map[string]usage.ThreadTime
}

// simulated begins the names of the threads with which the simulator of the chip's libraries does what sensor, scaler and encoder do on a board.
const simulated = "sim-"

func spentNow() (u spent) {
	u.threads, u.cpu = usage.Threads(), usage.Self() // both allocate
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.allocs = m.Mallocs
	return u
}

// since is what was spent between then and now.
func (then spent) since() spent {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := spent{cpu: usage.Self() - then.cpu, allocs: m.Mallocs - then.allocs, threads: map[string]usage.ThreadTime{}}
	for number, t := range usage.Threads() {
		t.CPU -= then.threads[number].CPU
		u.threads[number] = t
		if strings.HasPrefix(t.Name, simulated) {
			u.cpu -= t.CPU
		}
	}
	return u
}

// byName sums threads of one name up, in µs per frame.
func (u spent) byName(frames int) map[string]float64 {
	sums := map[string]float64{}
	for _, t := range u.threads {
		if t.CPU > 0 {
			sums[t.Name] += float64(t.CPU) / 1e3 / float64(max(frames, 1))
		}
	}
	return sums
}
