package testenv

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Output collects a running program's output. It is safe for concurrent use.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String returns what has been written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Axe returns the source of axe-core, a checker of web accessibility.
func Axe(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(t), "build", "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		Missing(t, "axe-core", "make setup-axe")
	}
	return string(text)
}
