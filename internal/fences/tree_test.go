package fences_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

const module = "github.com/maixstream/maixstream/"

// source is one Go file of this module, regardless of its build constraints.
type source struct {
	path    string // below the module's root
	pkg     string // its folder
	test    bool
	syntax  *ast.File
	imports []string
}

// sources returns every Go file of the tree, parsed once.
func sources(t *testing.T) ([]*source, *token.FileSet) {
	t.Helper()
	root := testenv.Root(t)
	parsed.Do(func() { parsed.files, parsed.positions, parsed.err = parseAll(root) })
	if parsed.err != nil {
		t.Fatal(parsed.err)
	}
	if len(parsed.files) < 100 {
		t.Fatalf("%d Go files in %s", len(parsed.files), root)
	}
	return parsed.files, parsed.positions
}

var parsed struct {
	sync.Once
	files     []*source
	positions *token.FileSet
	err       error
}

func parseAll(root string) (files []*source, positions *token.FileSet, err error) {
	positions = token.NewFileSet()
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (rel == "build" || d.Name() == "testdata" || rel != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(rel, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(positions, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		f := &source{path: rel, pkg: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), syntax: syntax}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	return files, positions, err
}

// below reports whether a package is in that folder or below it.
func below(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
