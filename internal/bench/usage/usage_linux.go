package usage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Thread returns the calling thread's CPU time. The caller must be locked to that thread.
func Thread() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// Threads returns each live thread of this process by its ID.
func Threads() map[string]ThreadTime {
	threads, _ := os.ReadDir("/proc/self/task")
	times := make(map[string]ThreadTime, len(threads))
	for _, t := range threads {
		name, _ := os.ReadFile("/proc/self/task/" + t.Name() + "/comm")
		// The first field of schedstat is time on the CPU in nanoseconds (Documentation/scheduler/sched-stats.rst).
		text, _ := os.ReadFile("/proc/self/task/" + t.Name() + "/schedstat")
		first, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		times[t.Name()] = ThreadTime{strings.TrimSpace(string(name)), time.Duration(ns)}
	}
	return times
}

// Self returns this process's CPU time, ended threads included.
func Self() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Process returns another process's CPU time, user and system, ended threads included, without costing that process anything.
func Process(pid int) (time.Duration, error) {
	var t unix.Timespec
	clock := ^int32(pid)<<3 | 2 // the scheduler's clock of a process (CPUCLOCK_SCHED in the kernel's include/linux/posix-timers_types.h)
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// Resident returns a process's resident memory in bytes, 0 if it cannot be read.
func Resident(pid int) int64 { return statm(pid, 1) }

// Anonymous returns the part of Resident that is no file's. Of files, the system can discard unmodified pages and read them again.
func Anonymous(pid int) int64 { return statm(pid, 1) - statm(pid, 2) }

// statm returns one of the sizes in /proc/PID/statm (proc_pid_statm(5)), in bytes.
func statm(pid, field int) int64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	fields := strings.Fields(string(text))
	if len(fields) <= field {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[field], 10, 64)
	return pages * int64(os.Getpagesize())
}
