// Package usage reads resources used by threads and processes: CPU time, resident memory. Only Linux is supported; elsewhere every figure is 0.
package usage

import "time"

// ThreadTime is a thread's name and CPU time so far.
type ThreadTime struct {
	Name string
	CPU  time.Duration
}
