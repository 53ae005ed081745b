package testenv

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Eventually waits until f returns true, for up to a minute, which suffices on a loaded machine.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// NoLeaks checks that no goroutine started from now on remains when the test ends; call it first. It gives connections time to close.
func NoLeaks(t testing.TB) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := Leaked(ignore); err != nil {
			t.Error(err)
		}
	})
}

// Leaked returns an error naming the remaining goroutines, after giving them 20 seconds to end.
func Leaked(options ...goleak.Option) error {
	err := goleak.Find(options...)
	for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); {
		err = goleak.Find(options...)
	}
	return err
}

// Kill ends a process, given its number as text, as in a file.
func Kill(number string) error {
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		return err
	}
	process, err := os.FindProcess(n)
	if err != nil {
		return err
	}
	return process.Kill()
}
