package film

import (
	"os"
	"sync"
)

// File is a film's file, which is closed once and never while it is read.
type File struct {
	*os.File
	mu     sync.Mutex
	closed bool
}

// Hold keeps the file open until Release. It returns false if it is closed; Release must not be called then.
func (f *File) Hold() bool {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return false
	}
	return true
}

// Release ends Hold.
func (f *File) Release() { f.mu.Unlock() }

// Close waits until the file is released. Further calls return nil.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	return f.File.Close()
}
