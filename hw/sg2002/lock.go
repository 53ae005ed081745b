//go:build linux && cgo

package sg2002

import (
	"os"
	"time"

	"github.com/maixstream/maixstream/internal/filelock"
)

// lockModules waits until nobody loads or unloads the kernel modules, and keeps others from it until unlock. A process that is killed while it does
// leaves rmmod or insmod running: these have the lock, too. It is a courtesy: without a place for the file, or after seconds, things go on.
func lockModules() (unlock func()) {
	file, err := os.OpenFile(Root("/tmp/maixstream-modules.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return func() {}
	}
	for until := time.Now().Add(changeWithin); filelock.Lock(file) != nil; {
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
