package fences_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

var (
	goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")
	patch   = regexp.MustCompile("curl [^\n]*PATCH[^\n]*")
)

// Go programs copied from a document compile.
func TestGoProgramsInTheDocumentsCompile(t *testing.T) {
	root, dir, count := testenv.Root(t), t.TempDir(), 0
	for _, name := range documents(t) {
		for _, block := range goBlock.FindAllStringSubmatch(read(t, name), -1) {
			count++
			if !strings.HasPrefix(block[1], "package ") && !strings.HasPrefix(block[1], "// Command ") {
				t.Errorf("%s: incomplete Go program:\n%s", name, block[1])
				continue
			}
			program := filepath.Join(dir, "main.go")
			if err := os.WriteFile(program, []byte(block[1]), 0o644); err != nil {
				t.Fatal(err)
			}
			vet := exec.Command("go", "vet", program)
			vet.Dir = root
			if out, err := vet.CombinedOutput(); err != nil {
				t.Errorf("%s: %v:\n%s", name, err, out)
			}
			if formatted, err := exec.Command("gofmt", "-l", program).CombinedOutput(); err != nil || len(formatted) > 0 {
				t.Errorf("%s: gofmt would change a program: %v", name, err)
			}
		}
	}
	if count < 4 {
		t.Errorf("found %d Go programs in the documents", count)
	}
}

func TestLibraryDocumentMatchesTheExamples(t *testing.T) {
	shown := map[string]bool{}
	for _, block := range goBlock.FindAllStringSubmatch(read(t, "docs/library.md"), -1) {
		shown[block[1]] = true
	}
	for _, name := range []string{"examples/serve-camera/main.go", "examples/push-picture/main.go"} {
		if !shown[read(t, name)] {
			t.Errorf("docs/library.md differs from %s: copy it into its block", name)
		}
	}
}

// The server rejects a PATCH without a JSON content type: another site's page could send it.
func TestEveryPatchInTheDocumentsHasItsType(t *testing.T) {
	count := 0
	for _, name := range documents(t) {
		for _, line := range patch.FindAllString(read(t, name), -1) {
			count++
			if !strings.Contains(line, "-H 'Content-Type: application/json'") {
				t.Errorf("%s: without -H 'Content-Type: application/json': %s", name, line)
			}
		}
	}
	if count == 0 {
		t.Error("no document has a curl PATCH command: nothing was checked")
	}
}
