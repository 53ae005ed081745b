package fences_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

// documents are all Markdown files of the tree.
func documents(t *testing.T) (names []string) {
	t.Helper()
	root := testenv.Root(t)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "build" || d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 10 {
		t.Fatalf("%d documents", len(names))
	}
	return names
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	span    = regexp.MustCompile("`[^`\n]+`")
	// treePath is a path that begins with one of this tree's folders.
	treePath   = regexp.MustCompile(`(?:^|[\s"'(=])(?:\./)?((?:cmd|docs|examples|hw|internal|packaging|pipeline|server|third_party|toolchain)/[\w./*{},-]*[\w*}])`)
	makeTarget = regexp.MustCompile(`(?:^|\s)make ([a-z][a-z0-9-]*)`)
	notInLinks = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchor returns GitHub's anchor for a heading.
func anchor(heading string) string {
	text := notInLinks.ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(strings.TrimSpace(text), " ", "-")
}

func TestLinksInDocumentsResolve(t *testing.T) {
	root := testenv.Root(t)
	for _, name := range documents(t) {
		text := fence.ReplaceAllString(read(t, name), "")
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target := found[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, fragment, _ := strings.Cut(target, "#")
			where := name
			if file != "" {
				where = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(where))); err != nil {
				t.Errorf("%s: link %s: %v", name, target, err)
				continue
			}
			if fragment == "" {
				continue
			}
			known := false
			for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(read(t, where), ""), -1) {
				known = known || anchor(h[1]) == fragment
			}
			if !known {
				t.Errorf("%s: link %s: %s has no such heading", name, target, where)
			}
		}
	}
}

// profileRow is a row of pprof's table: two times with their shares, the sum between them, and the function.
var profileRow = regexp.MustCompile(`(?m)^ +\S+ +[\d.]+% +[\d.]+% +\S+ +[\d.]+% +.*$`)

func TestEveryPathAndTargetInTheDocumentsExists(t *testing.T) {
	targets := read(t, "Makefile")
	for _, name := range glob(t, "toolchain/make/*.mk") {
		targets += "\n" + read(t, name)
	}
	root := testenv.Root(t)
	for _, name := range documents(t) {
		text := read(t, name)
		code := strings.Join(fence.FindAllString(text, -1), "\n")
		for _, s := range span.FindAllString(fence.ReplaceAllString(text, ""), -1) {
			code += "\n" + strings.Trim(s, "`")
		}
		code = profileRow.ReplaceAllString(code, "") // names functions, many of them Go's own
		for _, found := range treePath.FindAllStringSubmatch(code, -1) {
			for _, one := range braces(found[1]) {
				if matches, _ := filepath.Glob(filepath.Join(root, filepath.FromSlash(one))); len(matches) == 0 {
					t.Errorf("%s: %s does not exist", name, one)
				}
			}
		}
		for _, found := range makeTarget.FindAllStringSubmatch(code, -1) {
			if !strings.Contains(targets, "\n"+found[1]+":") {
				t.Errorf("%s: no make target %s", name, found[1])
			}
		}
	}
}

// braces expands the first {a,b} of a path.
func braces(name string) []string {
	before, rest, ok := strings.Cut(name, "{")
	inner, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{name}
	}
	var all []string
	for part := range strings.SplitSeq(inner, ",") {
		all = append(all, before+part+after)
	}
	return all
}

// The README's table gives the reason for each dependency, and lists no other.
func TestTableOfDependenciesMatchesGoMod(t *testing.T) {
	direct := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require|\t)\s*(\S+\.\S+/\S+) v\S+$`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
		direct[m[1]] = true
	}
	if len(direct) < 15 {
		t.Fatalf("%d direct dependencies in go.mod", len(direct))
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([\w.-]+\.\w+/\S+) \|`).FindAllStringSubmatch(read(t, "README.md"), -1) {
		listed[m[1]] = true
		if !direct[m[1]] {
			t.Errorf("README.md lists %s, which go.mod does not require directly", m[1])
		}
	}
	for module := range direct {
		if !listed[module] {
			t.Errorf("README.md gives no reason for %s", module)
		}
	}
}
