package testenv_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// goTest runs the packages in testdata as on a command line.
func goTest(t *testing.T, ci string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"test", "-count=1"}, args...)...)
	cmd.Env = append(os.Environ(), "CI="+ci)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err = cmd.Run()
	return out.String(), problems.String(), err
}

func TestSkippedTestsAreReported(t *testing.T) {
	testenv.Long(t, "runs go test three times")
	const want = "internal/testenv/testdata/skips: 3 tests skipped (1: left out by -short; 2: no-such-program is missing (make setup-test))\n"
	packages := []string{"./testdata/skips", "./testdata/passes"}
	out, problems, err := goTest(t, "", append([]string{"-short"}, packages...)...)
	if err != nil || runtime.GOOS == "linux" && problems != want || strings.Contains(out, "skipped") {
		t.Errorf("several packages: %v, %s%s", err, out, problems)
	}
	// Redirected into one file, nothing is overwritten.
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("go", append([]string{"test", "-count=1", "-short"}, packages...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "CI="), log, log
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(log.Name()); runtime.GOOS == "linux" && (!strings.Contains(string(text), want) || strings.Count(string(text), "\nok  ")+strings.Count(string(text[:3]), "ok ") != 2) {
		t.Errorf("redirected: %s", text)
	}
	out, problems, err = goTest(t, "", "-short", "-v", "./testdata/skips")
	if err != nil || strings.Count(out+problems, want) != 1 || strings.Count(out, "--- SKIP") != 3 {
		t.Errorf("-v: %v, %s%s", err, out, problems)
	}
	out, problems, err = goTest(t, "true", packages...)
	if err == nil || strings.Count(out, "no-such-program is missing (make setup-test)") != 2 {
		t.Errorf("in CI: %v, %s%s", err, out, problems)
	}
}

func TestFreeAddressesCanBeListenedOn(t *testing.T) {
	for _, address := range []string{testenv.FreeAddress(t), testenv.FreeMediaAddress(t)} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
}
