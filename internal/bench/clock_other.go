//go:build !linux

package bench

import "time"

// Only Linux tells a thread's CPU time; elsewhere there are times and rates, and no CPU figures.

func threadCPU() time.Duration { return 0 }

func processCPU() time.Duration { return 0 }

func threadTimes() map[string]threadTime { return nil }

func residentBytes() int64 { return 0 }
