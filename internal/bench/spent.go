package bench

import (
	"runtime"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/bench/usage"
)

// spent is this process's usage in a window.
type spent struct {
	cpu     time.Duration // without simulated hardware
	allocs  uint64
	threads map[string]usage.ThreadTime
}

// simulated is the name prefix of the threads in which the simulator of the chip's libraries does the work of sensor, scaler and encoder.
const simulated = "sim-"

func spentNow() (u spent) {
	u.threads, u.cpu = usage.Threads(), usage.Self() // both allocate
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.allocs = m.Mallocs
	return u
}

// since returns the usage between then and now.
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

// byName sums up threads of the same name, in µs per frame.
func (u spent) byName(frames int) map[string]float64 {
	sums := map[string]float64{}
	for _, t := range u.threads {
		if t.CPU > 0 {
			sums[t.Name] += float64(t.CPU) / 1e3 / float64(max(frames, 1))
		}
	}
	return sums
}
