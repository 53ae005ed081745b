package sg2002

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoFlags: a library does not know the flags of the program that uses it.
func TestNoFlags(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	flag, checked := regexp.MustCompile(`(^|[^-])--[a-z]`), 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				checked++
				if flag.MatchString(literal.Value) {
					t.Errorf("%s: %s names a flag", file, literal.Value)
				}
			}
			return true
		})
	}
	if checked < 100 {
		t.Errorf("only %d strings found", checked)
	}
}
