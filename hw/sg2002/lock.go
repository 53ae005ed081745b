//go:build linux && cgo

package sg2002

import (
	"os"
	"time"

	"github.com/maixstream/maixstream/internal/filelock"
)

// lockModules waits until no other process is loading or unloading the kernel modules, and keeps others out until unlock. If a process is killed while
// it does so, its rmmod or insmod still runs and holds the lock. The lock is advisory: if the file cannot be created, or after a timeout, the start proceeds.
func lockModules() (unlock func()) {
	file, err := os.OpenFile(Root("/tmp/maixstream-modules.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return func() {}
	}
	for until := time.Now().Add(changeTimeout); filelock.Lock(file) != nil; {
		if time.Now().After(until) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	moduleLock = file
	return func() {
		moduleLock = nil
		_ = file.Close()
	}
}
