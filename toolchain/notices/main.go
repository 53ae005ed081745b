// Command notices prints the licences of everything linked into a program, as its distribution requires.
//
//	GOOS=linux GOARCH=arm64 notices PACKAGE [NAME=FILE…]
//
// The modules are those found by go list for the package under the environment's GOOS, GOARCH and CGO_ENABLED; each NAME=FILE is the
// licence text of something that is not a Go module.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type module struct {
	Path, Version, Dir string
	Main               bool
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: notices PACKAGE [NAME=FILE...]")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, pkg string, others []string) error {
	modules, root, err := linked(pkg)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("maixstream\nhttps://github.com/maixstream/maixstream\nCopyright the maixstream authors\nLicense: Apache-2.0\n\n")
	own, err := licences(root)
	if err != nil {
		return err
	}
	if len(own) == 0 {
		return fmt.Errorf("%s: no licence file", root)
	}
	for _, file := range own {
		if err := appendFile(&out, file); err != nil {
			return err
		}
	}
	out.WriteString("The program contains the following software of others.\n")
	for _, m := range modules {
		files, err := licences(m.Dir)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("module %s %s: no licence file in it", m.Path, m.Version)
		}
		heading(&out, strings.TrimSpace(m.Path+" "+m.Version))
		for _, file := range files {
			if err := appendFile(&out, file); err != nil {
				return err
			}
		}
	}
	for _, other := range others {
		name, file, ok := strings.Cut(other, "=")
		if !ok {
			return fmt.Errorf("%q: want NAME=FILE", other)
		}
		heading(&out, name)
		if err := appendFile(&out, file); err != nil {
			return err
		}
	}
	_, err = w.Write(out.Bytes())
	return err
}

func heading(out *bytes.Buffer, name string) {
	fmt.Fprintf(out, "\n%s\n%s\n\n", strings.Repeat("=", 80), name)
}

func appendFile(out *bytes.Buffer, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	out.Write(bytes.TrimSpace(text))
	out.WriteString("\n\n")
	return nil
}

// linked returns the modules linked into a program, including the standard library, and the main module's directory.
func linked(pkg string) (modules []module, root string, err error) {
	list := exec.Command("go", "list", "-deps", "-json=Module,Standard", pkg)
	list.Stderr = os.Stderr
	text, err := list.Output()
	if err != nil {
		return nil, "", fmt.Errorf("go list -deps %s: %w", pkg, err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, "", fmt.Errorf("go env: %w", err)
	}
	dir, version, _ := strings.Cut(strings.TrimSpace(string(goroot)), "\n")
	modules = []module{{Path: "The Go standard library", Version: version, Dir: dir}}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct{ Module *module }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("go list: %w", err)
		}
		switch {
		case p.Module == nil:
		case p.Module.Main:
			root = p.Module.Dir
		case !slices.Contains(modules, *p.Module):
			modules = append(modules, *p.Module)
		}
	}
	slices.SortStableFunc(modules[1:], func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return modules, root, nil
}

var licenceName = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([-.].*)?$`)

// licences returns the licence files in a directory.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && licenceName.MatchString(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}
