package bench

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU is the CPU time of the calling thread, to which the caller has locked itself.
func threadCPU() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// threadTimes is the CPU time of each thread that lives now, by its number.
func threadTimes() map[string]threadTime {
	threads, _ := os.ReadDir("/proc/self/task")
	times := make(map[string]threadTime, len(threads))
	for _, t := range threads {
		name, _ := os.ReadFile("/proc/self/task/" + t.Name() + "/comm")
		// The first field of schedstat is time on the CPU in nanoseconds (Documentation/scheduler/sched-stats.rst).
		text, _ := os.ReadFile("/proc/self/task/" + t.Name() + "/schedstat")
		first, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		times[t.Name()] = threadTime{strings.TrimSpace(string(name)), time.Duration(ns)}
	}
	return times
}

// processCPU is the CPU time of this process, all threads that ever were together.
func processCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func residentBytes() int64 {
	text, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
