//go:build dist

// Package packaging_test installs, runs and removes the output of make dist: make test-dist.
package packaging_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) {
	if signal.Ignored(syscall.SIGHUP) { // under nohup: child processes must not inherit the ignored signal
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(testenv.Main(m).Run())
}

// dist returns the only release file that matches a pattern.
func dist(t *testing.T, pattern string) string {
	t.Helper()
	dir := os.Getenv("MAIXSTREAM_DIST")
	if dir == "" {
		t.Fatal("MAIXSTREAM_DIST does not name the release files' directory: run make test-dist")
	}
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %v, %v; want one file", pattern, dir, found, err)
	}
	return found[0]
}

// command runs a program of this machine and returns its output; a failure ends the test.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, stderr.String())
	}
	return string(out)
}

// unpacked returns the folder inside a release archive.
func unpacked(t *testing.T, pattern string) string {
	t.Helper()
	dir := t.TempDir()
	command(t, "tar", "-xzf", dist(t, pattern), "-C", dir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		t.Fatalf("%s: %v, %v; want one folder in it", pattern, entries, err)
	}
	return filepath.Join(dir, entries[0].Name())
}

func TestChecksumsCoverAllFiles(t *testing.T) {
	sums := dist(t, "SHA256SUMS")
	text, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := os.ReadFile(filepath.Join(filepath.Dir(sums), name))
		if err != nil {
			t.Fatal(err)
		}
		if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s: another checksum", name)
		}
		listed = append(listed, name)
	}
	entries, err := os.ReadDir(filepath.Dir(sums))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "SHA256SUMS" && !slices.Contains(listed, e.Name()) {
			t.Errorf("%s has no checksum", e.Name())
		}
	}
	if len(listed) != 8 { // two packages, three archives and their SBOMs
		t.Errorf("%d files: %v", len(listed), listed)
	}
}

// A second run, with a different user environment, yields the same bytes.
func TestReleaseFilesAreReproducible(t *testing.T) {
	testenv.Long(t, "packs everything again")
	again := filepath.Join(t.TempDir(), "dist")
	script := fmt.Sprintf("umask 077; cd .. && toolchain/dist/dist.sh %q >/dev/null", again)
	cmd := exec.Command("bash", "-c", script)
	cmd.Env = append(os.Environ(), "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "ARCHES=amd64") // one represents all
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, err := os.ReadFile(dist(t, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(again, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(second)) {
		if lines++; !strings.Contains(string(first), line) {
			t.Errorf("another checksum than in\n%s: %s", first, line)
		}
	}
	if lines != 3 { // package, archive, SBOM
		t.Errorf("%d files", lines)
	}
}

// The bill of materials lists every module recorded in the program, and all their licences are included.
func TestBillOfMaterialsIsComplete(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "riscv64-musl"} {
		folder := unpacked(t, "*-linux-"+arch+".tar.gz")
		text, err := os.ReadFile(dist(t, "*-linux-"+arch+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		var bill struct {
			BOMFormat string
			Metadata  struct {
				Component struct {
					Licenses []struct{ License struct{ ID string } }
				}
			}
			Components []struct{ Name, Version string }
		}
		if err := json.Unmarshal(text, &bill); err != nil || bill.BOMFormat != "CycloneDX" {
			t.Fatalf("%s: %v, format %q", arch, err, bill.BOMFormat)
		}
		listed := map[string]string{}
		for _, c := range bill.Components {
			listed[c.Name] = c.Version
		}
		notices, err := os.ReadFile(filepath.Join(folder, "NOTICES"))
		if err != nil {
			t.Fatal(err)
		}
		if own := bill.Metadata.Component.Licenses; len(own) != 1 || own[0].License.ID != "Apache-2.0" {
			t.Errorf("%s: the bill gives %+v as the program's licence", arch, own)
		}
		license, err := os.ReadFile(filepath.Join(folder, "LICENSE"))
		if err != nil || !bytes.Contains(license, []byte("the maixstream authors")) || !bytes.Contains(notices, []byte("Copyright the maixstream authors\nLicense: Apache-2.0\n")) {
			t.Errorf("%s: the licence is not named (%v)", arch, err)
		}
		modules := 0
		for line := range strings.Lines(command(t, "go", "version", "-m", filepath.Join(folder, "maixstream"))) {
			part := strings.Fields(line)
			if len(part) < 3 || part[0] != "dep" {
				continue
			}
			modules++
			if listed[part[1]] != part[2] {
				t.Errorf("%s: %s %s is in the program; the bill says %q", arch, part[1], part[2], listed[part[1]])
			}
			if !bytes.Contains(notices, []byte("\n"+part[1]+" "+part[2]+"\n")) {
				t.Errorf("%s: no licence of %s %s", arch, part[1], part[2])
			}
		}
		if modules < 20 || listed["libjpeg-turbo"] == "" || listed["std"] == "" || !bytes.Contains(notices, []byte("libjpeg-turbo")) {
			t.Errorf("%s: %d modules, libjpeg-turbo %q, standard library %q", arch, modules, listed["libjpeg-turbo"], listed["std"])
		}
	}
}

var lintianLine = regexp.MustCompile(`^([EW]): maixstream: (\S+)`)

// Every Lintian finding is a known one, with a reason.
func TestLintian(t *testing.T) {
	known := map[string]string{
		"copyright-file-contains-full-apache-2-license":  "the archives have the same file, where no /usr/share/common-licenses is",
		"copyright-not-using-common-license-for-apache2": "the same",
		"embedded-library":                  "libjpeg-turbo is inside, so that one package fits every distribution",
		"maintainer-script-calls-systemctl": "disabling at removal, also where init-system-helpers is not used",
		"non-standard-dir-perm":             "/etc/maixstream is for passwords",
		"initial-upload-closes-no-bugs":     "not an upload to Debian",
	}
	cmd := exec.Command("lintian", "--allow-root", "--tag-display-limit", "0", dist(t, "maixstream_*_amd64.deb"))
	out, _ := cmd.Output() // exits non-zero for errors, known ones too
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > 2 {
		t.Fatalf("lintian did not run: %v\n%s", cmd.ProcessState, out)
	}
	for line := range strings.Lines(string(out)) {
		if m := lintianLine.FindStringSubmatch(line); m != nil && known[m[2]] == "" {
			t.Error(strings.TrimSpace(line))
		}
	}
}
