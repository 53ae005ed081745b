package fences_test

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

var flagName = regexp.MustCompile(`(^|[^-\w])--[a-z][a-z-]+`)

// Libraries report the problem; only the program knows which flag fixes it.
func TestLibrariesNameNoFlag(t *testing.T) {
	files, positions := sources(t)
	for _, f := range files {
		if f.test || !below(f.pkg, "hw") && !below(f.pkg, "pipeline") && !below(f.pkg, "server") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Error(err)
			}
			if name := flagName.FindString(text); name != "" {
				t.Errorf("%s: a library names %q", positions.Position(literal.Pos()), name)
			}
			return true
		})
	}
}

// glob lists files below the module's root.
func glob(t *testing.T, pattern string) (names []string) {
	t.Helper()
	root := testenv.Root(t)
	found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		rel, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.ToSlash(rel))
	}
	return names
}
