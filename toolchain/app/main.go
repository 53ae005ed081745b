// Command app builds the package that installs maixstream as an app of MaixCAM's launcher: `make app`.
//
// The package is a zip with one folder, named by the app's ID, as the board's app store tool expects (app_store_cli install FILE).
package main

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/maixstream/maixstream/toolchain/internal/loader"
	"github.com/spf13/pflag"
)

const id = "maixstream"

//go:embed files/main.sh
var mainScript []byte

func main() {
	program := pflag.String("program", "build/riscv64/maixstream", "the program for the board")
	version := pflag.String("version", "", "its version, from git describe")
	dir := pflag.String("dir", "build", "output directory")
	pflag.Parse()
	file, err := write(*program, *version, *dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
	fmt.Println(file)
}

var release = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)`)

// appVersion returns major.minor.patch, all that the app store accepts: a commit before the first release is 0.0.0.
func appVersion(described string) string {
	if m := release.FindStringSubmatch(described); m != nil {
		return m[1]
	}
	return "0.0.0"
}

func manifest(version string) []byte {
	return fmt.Appendf(nil, `id: %s
name: Maixstream
version: %s
icon: icon.png
author: maixstream
desc: The camera's picture as a JPEG stream over HTTP
files:
  app.yaml: app.yaml
  icon.png: icon.png
  main.sh: main.sh
  maixstream: maixstream
`, id, version)
}

// write writes the package and returns its name. The same program and version yield the same bytes.
func write(program, described, dir string) (string, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return "", fmt.Errorf("read the program: %w (make device builds it)", err)
	}
	if _, err := loader.Of(text); err != nil {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	picture, err := icon()
	if err != nil {
		return "", fmt.Errorf("draw the icon: %w", err)
	}
	version := appVersion(described)
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for _, f := range []struct {
		name string
		mode os.FileMode
		text []byte
	}{
		{"app.yaml", 0o644, manifest(version)},
		{"icon.png", 0o644, picture},
		{"main.sh", 0o755, mainScript},
		{"maixstream", 0o755, text},
	} {
		head := &zip.FileHeader{Name: id + "/" + f.name, Method: zip.Deflate, Modified: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
		head.SetMode(f.mode)
		w, err := z.CreateHeader(head)
		if err != nil {
			return "", fmt.Errorf("pack %s: %w", f.name, err)
		}
		if _, err := w.Write(f.text); err != nil {
			return "", fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return "", fmt.Errorf("pack: %w", err)
	}
	file := filepath.Join(dir, id+"_v"+version+".zip")
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		return "", fmt.Errorf("write the package: %w", err)
	}
	return file, nil
}
