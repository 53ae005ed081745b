package fences_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// layers are the module's folders and what each may import of this module besides itself: arrows point down only. The longest folder that holds a package counts.
var layers = []struct {
	folder string
	may    []string
}{
	{"cmd", []string{"server", "pipeline", "hw", "internal", "internal/bench", "internal/doctor", "packaging"}},
	{"server", []string{"pipeline", "hw", "internal"}},
	{"pipeline", []string{"hw", "internal"}},
	{"hw", []string{"internal"}},
	{"hw/frame", []string{}},
	{"internal", []string{"hw/frame"}}, // leaves, except for the two below
	{"internal/bench", []string{"server", "pipeline", "hw", "internal"}},
	{"internal/doctor", []string{"hw", "internal"}},
	{"examples", []string{"server", "pipeline", "hw"}},
	{"toolchain", []string{"internal"}},
	{"packaging", []string{}},
	{"docs", []string{}},
	{"third_party", []string{}},
}

// forTests are the packages that only tests import, from any layer. internal/bench counts as a test.
var forTests = []string{"internal/testenv", "internal/testenv/browser", "internal/encodertest", "hw/internal/sourcetest", "server/internal/testvideo", "internal/bench/load", "internal/bench/baseline"}

func layerOf(pkg string) (folder string, may []string) {
	for _, l := range layers {
		if below(pkg, l.folder) && len(l.folder) > len(folder) {
			folder, may = l.folder, l.may
		}
	}
	return folder, may
}

// refusal returns why a file of pkg must not import another package of this module, "" if it may.
func refusal(pkg, imported string, test bool) string {
	from, may := layerOf(pkg)
	to, _ := layerOf(imported)
	switch {
	case from == "":
		return "is in no layer: name its folder in this test"
	case below(imported, "third_party"):
		return "imports third_party"
	case slices.Contains(forTests, imported):
		if !test && from != "internal/bench" && !slices.Contains(forTests, pkg) {
			return "imports what is for tests"
		}
		return ""
	case from == to || slices.Contains(may, to) || slices.Contains(may, imported):
		return ""
	case from == "hw" && to == "hw/frame", slices.Contains(may, "hw") && to == "hw/frame":
		return ""
	}
	return "must not import it: " + from + " may know of " + strings.Join(append(may, "itself"), ", ")
}

func TestArrowsPointDown(t *testing.T) {
	files, _ := sources(t)
	for _, f := range files {
		for _, imported := range f.imports {
			inside, ok := strings.CutPrefix(imported, module)
			if !ok {
				continue
			}
			if why := refusal(f.pkg, inside, f.test); why != "" {
				t.Errorf("%s: %s: %s", f.path, inside, why)
			}
		}
	}
}

// The rules above reject the imports that they are meant to reject.
func TestFenceRejectsForbiddenImports(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		test, ok      bool
	}{
		{"cmd/maixstream", "server/rtsp", false, true},
		{"cmd/maixstream", "internal/bench", false, true},
		{"cmd/maixstream", "internal/testenv", true, true},
		{"cmd/maixstream", "internal/testenv", false, false},
		{"server", "pipeline/ring", false, true},
		{"server/upload", "hw/picture", false, true},
		{"server/upload", "hw/frame", false, true},
		{"server/stream", "internal/bench", false, false},
		{"server/stream", "internal/bench", true, false},
		{"server/stream", "internal/bench/load", true, true},
		{"server/stream", "internal/bench/load", false, false},
		{"server", "cmd/maixstream", false, false},
		{"server", "internal/doctor", false, false},
		{"pipeline", "server", false, false},
		{"pipeline/push", "server", true, false},
		{"pipeline", "hw", false, true},
		{"hw", "pipeline/ring", false, false},
		{"hw/source", "server", false, false},
		{"hw/frame", "hw/libjpeg", false, false},
		{"hw/libjpeg", "hw/frame", false, true},
		{"hw/sg2002", "third_party/sg2002/abi", false, false},
		{"hw/sg2002", "third_party/sg2002/abi", true, false},
		{"internal/jpegcheck", "hw/frame", false, true},
		{"internal/jpegcheck", "hw/picture", false, false},
		{"internal/discover", "server", false, false},
		{"internal/doctor", "hw/sg2002", false, true},
		{"internal/bench/load", "server", false, true},
		{"internal/bench/cmd", "cmd/maixstream", false, false},
		{"examples/serve-camera", "internal/discover", false, false},
		{"elsewhere", "hw", false, false},
	} {
		if why := refusal(c.pkg, c.imported, c.test); (why == "") != c.ok {
			t.Errorf("%s imports %s (test: %v): %q, want allowed: %v", c.pkg, c.imported, c.test, why, c.ok)
		}
	}
}

// public are the packages that programs outside of this module may import.
var public = []string{
	"hw", "hw/frame", "hw/libjpeg", "hw/openh264", "hw/picture", "hw/sg2002", "hw/source",
	"pipeline", "pipeline/publish", "pipeline/push", "pipeline/record", "pipeline/ring", "pipeline/video",
	"server", "server/rtsp", "server/stream", "server/upload", "server/web", "server/whep",
	"packaging", // the sample configuration, embedded: a file can be embedded only from its own folder or one above it
}

func TestPublicPackagesAreIntended(t *testing.T) {
	files, _ := sources(t)
	for _, f := range files {
		if f.test || strings.Contains(f.pkg+"/", "internal/") || f.syntax.Name.Name == "main" || slices.Contains(public, f.pkg) || f.pkg == "packaging" {
			continue
		}
		t.Errorf("%s: package %s is public: move it below the nearest internal/, or add it to this test's list", f.path, f.pkg)
	}
}

// elsewhere are third-party packages that only some folders may import.
var elsewhere = []struct {
	imported string
	only     []string
	why      string
}{
	{"runtime/pprof", []string{"internal/bench"}, "profiles are for benchmarks"},
	{"net/http/pprof", nil, "profiles are for benchmarks"},
	{"github.com/spf13/pflag", []string{"cmd", "toolchain", "internal/bench/board"}, "flags are the program's"},
	{"flag", []string{"cmd", "toolchain", "examples", "internal/bench/cmd"}, "flags are the program's"},
	{"net/http", []string{"cmd", "server", "pipeline/push", "hw/source", "internal", "toolchain", "examples"}, "HTTP is the server's, push's and that of sources by URL"},
}

func TestRestrictedThirdPartyImports(t *testing.T) {
	files, _ := sources(t)
	for _, f := range files {
		if f.test {
			continue
		}
		for _, rule := range elsewhere {
			if slices.Contains(f.imports, rule.imported) && !slices.ContainsFunc(rule.only, func(folder string) bool { return below(f.pkg, folder) }) {
				t.Errorf("%s imports %s: %s", f.path, rule.imported, rule.why)
			}
		}
	}
}

// The simulator has the real libraries' names, and is found only through the loader's path: no C file includes its headers, no cgo line links it.
func TestTheSimulatorIsNotPartOfTheProgram(t *testing.T) {
	files, _ := sources(t)
	for _, f := range files {
		for _, group := range f.syntax.Comments {
			for line := range strings.Lines(group.Text()) {
				if (strings.HasPrefix(line, "#cgo") || strings.HasPrefix(line, "#include")) && strings.Contains(line, "sg2002/sim") {
					t.Errorf("%s: %s", f.path, line)
				}
			}
		}
	}
	for _, name := range glob(t, "hw/*/*.[ch]") {
		for line := range strings.Lines(read(t, name)) {
			if strings.HasPrefix(line, "#include") && (strings.Contains(line, "/sim/") || strings.Contains(path.Base(line), "maixsim")) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}
