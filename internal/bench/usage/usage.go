// Package usage reads what threads and processes use: CPU time, resident memory. Only Linux tells; elsewhere every figure is 0.
package usage

import "time"

// ThreadTime is one thread's name and its CPU time so far.
type ThreadTime struct {
	Name string
	CPU  time.Duration
}
