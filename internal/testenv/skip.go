package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// CI reports whether all prerequisites of tests must be present.
func CI() bool {
	set := os.Getenv("CI")
	return set != "" && set != "false" && set != "0"
}

// Missing skips the test because this machine lacks what; remedy is what to run or who to be ("make setup-test", "root"). With CI=true it fails instead.
func Missing(t testing.TB, what, remedy string) {
	t.Helper()
	if CI() {
		t.Fatalf("%s is missing (%s)", what, remedy)
	}
	skip(t, fmt.Sprintf("%s is missing (%s)", what, remedy))
}

// Long skips a test that is too long for -short; why says how long.
func Long(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		skip(t, "left out by -short", why)
	}
}

// Unable skips a test that this machine can never run, even in CI; why says what is different here.
func Unable(t testing.TB, why string) {
	t.Helper()
	skip(t, why)
}

// OnRequest returns the value of an environment variable, and skips the test without it; who says who sets it. It does not count as skipped.
func OnRequest(t testing.TB, variable, who string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Skip("needs " + variable + ": " + who)
	}
	return value
}

// Program returns the path of the first of these programs that is installed; setup-test installs them all.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, names[0], "make setup-test")
	return ""
}

var skipped struct {
	sync.Mutex
	count map[string]int // by reason
}

func skip(t testing.TB, reason string, more ...string) {
	t.Helper()
	skipped.Lock()
	if skipped.count == nil {
		skipped.count = map[string]int{}
	}
	skipped.count[reason]++
	skipped.Unlock()
	t.Skip(strings.Join(append([]string{reason}, more...), ": "))
}

// summary returns one line about the tests skipped so far, "" for none.
func summary() string {
	skipped.Lock()
	defer skipped.Unlock()
	total := 0
	var reasons []string
	for reason, n := range skipped.count {
		total += n
		reasons = append(reasons, fmt.Sprintf("%d: %s", n, reason))
	}
	if total == 0 {
		return ""
	}
	slices.Sort(reasons)
	noun := "tests"
	if total == 1 {
		noun = "test"
	}
	return fmt.Sprintf("%d %s skipped (%s)", total, noun, strings.Join(reasons, "; "))
}
