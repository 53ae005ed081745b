package sg2002

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// order lists the C files from the bottom up: each uses only those before it. calls.h and session.h are below all of them: they declare no functions of ours.
var order = []string{"mpi", "atomics", "memory", "isp", "tone", "input", "scaler", "video", "encoder", "overlay", "raw", "picture", "output", "bringup", "camera"}

// TestOrder: the C files call each other in one direction only. Each declares its functions for others in a header of the same name, and includes only
// headers of files below it; the compiler rejects calls of undeclared functions.
func TestOrder(t *testing.T) {
	files, err := filepath.Glob("*.[ch]")
	if err != nil || len(files) == 0 {
		t.Fatalf("no C files: %v", err)
	}
	declaration := regexp.MustCompile(`(?m)^[a-zA-Z].*?[ *](\w+)\([^{}]*\);`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(file, filepath.Ext(file))
		headerOnly := name == "calls" || name == "session"
		if !headerOnly && !slices.Contains(order, name) {
			t.Errorf("%s is not in the order", file)
			continue
		}
		for _, include := range regexp.MustCompile(`(?m)^#include "(\w+)\.h"`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(include[1] + ".h"); err != nil {
				continue // the MPI's declarations
			}
			if include[1] != name && !headerOnly && slices.Index(order, include[1]) >= slices.Index(order, name) {
				t.Errorf("%s includes %s.h, which is not below it", file, include[1])
			}
		}
		if filepath.Ext(file) != ".h" {
			if regexp.MustCompile(`(?m)^extern |^[a-z].*\);$`).Match(text) && name != "atomics" {
				t.Errorf("%s declares a function that it does not define", file)
			}
			continue
		}
		for _, function := range declaration.FindAllStringSubmatch(string(text), -1) {
			code, err := os.ReadFile(name + ".c")
			if err != nil {
				t.Errorf("%s declares %s and has no C file", file, function[1])
				continue
			}
			if !regexp.MustCompile(`(?m)^[a-zA-Z].*\b` + function[1] + `\(`).Match(code) {
				t.Errorf("%s declares %s, which %s.c does not define", file, function[1], name)
			}
		}
	}
}
