package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Runner runs a package's tests. It also implements goleak.TestingM.
type Runner struct{ m *testing.M }

// Main returns a Runner that reports skipped tests.
func Main(m *testing.M) Runner { return Runner{m} }

// Run runs the tests, reports what was skipped, and returns the process's exit code.
func (r Runner) Run() int {
	code := r.m.Run()
	if text := summary(); text != "" {
		tell(packageName() + ": " + text + "\n")
	}
	return code
}

// packageName returns the path of the package under test below the module's root: tests run in its directory.
func packageName() string {
	dir, err := os.Getwd()
	if err != nil {
		return "?"
	}
	root, err := moduleRoot(dir)
	if err != nil {
		return filepath.Base(dir)
	}
	name, err := filepath.Rel(root, dir)
	if err != nil {
		return filepath.Base(dir)
	}
	return filepath.ToSlash(name)
}
