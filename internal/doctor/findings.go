package doctor

import (
	"bytes"
	"crypto/md5" // identifies a vendor's build, as the vendor's lists do; not for security
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/maixstream/maixstream/hw/sg2002"
)

// lastStarts reports in which call of the chip's libraries the last starts died; ok is false if none did.
func lastStarts() (c Check, ok bool) {
	crash := sg2002.LastCrash()
	if crash.Times == 0 {
		return c, false
	}
	c = Check{Name: "last starts", Status: Wrong}
	c.Found = fmt.Sprintf("%d in a row ended inside the chip's libraries, in %s", crash.Times, crash.Call)
	if crash.Live {
		c.Found += "; a running maixstream waits or retries because of it"
	}
	c.Remedy = "see the lines above for missing memory, an absent sensor, or libraries of another version; reboot; if that fails, send maixstream doctor --report"
	return c, true
}

// WriteReport writes everything that a maintainer needs to help with a MaixCAM remotely, and nothing
// secret: no configuration, passwords, tokens or program log, and no network addresses.
func (r *Report) WriteReport(w io.Writer, version string) error {
	var text strings.Builder
	b := sg2002.DescribeBoard()
	fmt.Fprintf(&text, "maixstream %s %s/%s\nboard: %s (%s), image %s\nkernel: %s\n\n",
		version, runtime.GOOS, runtime.GOARCH, b.ID, b.Model, b.Image, firstLine("/proc/version"))
	for _, c := range r.Checks {
		if c.Name == "network" {
			continue
		}
		fmt.Fprintf(&text, "%-5s  %-14s %s\n", strings.ToUpper(string(c.Status)), c.Name, c.Found)
		for _, item := range c.Items {
			fmt.Fprintf(&text, "       %-14s   %s\n", "", item)
		}
	}
	fmt.Fprintf(&text, "\nlibraries (md5, bytes, date):\n")
	for _, file := range libraryFiles() {
		fmt.Fprintln(&text, "  "+describeFile(file))
	}
	loaders, _ := filepath.Glob(sg2002.Root("/lib/ld-musl*"))
	fmt.Fprintf(&text, "loaders: %s\n", strings.Join(loaders, " "))
	for _, file := range []string{ionSummary, "/proc/cvitek/vb", "/proc/modules", "/proc/meminfo", "/boot/board"} {
		fmt.Fprintf(&text, "\n%s:\n%s\n", file, excerpt(file))
	}
	if kernel, err := exec.Command("dmesg").Output(); err == nil && r.MaixCAM {
		fmt.Fprintf(&text, "\nkernel log of the camera's modules:\n%s\n", cameraLines(kernel))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func firstLine(path string) string {
	content, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(content), "\n")
	return line
}

// libraryFiles are the chip's libraries in all places where a board may have them.
func libraryFiles() []string {
	var files []string
	for _, pattern := range []string{
		"/mnt/system/usr/lib/lib*.so*", "/usr/lib/libmaixcam_lib.so", "/usr/lib/python3.*/site-packages/maix/dl_lib/lib*.so*", "/maixapp/apps/*/dl_lib/libsophgo-middleware.so",
	} {
		found, _ := filepath.Glob(sg2002.Root(pattern))
		files = append(files, found...)
	}
	return files
}

func describeFile(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	date := "?"
	if info, err := os.Stat(path); err == nil {
		date = info.ModTime().UTC().Format("2006-01-02")
	}
	return fmt.Sprintf("%x %8d %s %s", md5.Sum(content), len(content), date, path)
}

// excerpt returns a kernel file, shortened to what a report has room for.
func excerpt(path string) string {
	content, err := os.ReadFile(sg2002.Root(path))
	if err != nil {
		return err.Error()
	}
	const most = 8 << 10
	return strings.TrimSpace(string(content[:min(len(content), most)]))
}

// cameraLines returns the newest lines of the camera modules in the kernel log.
func cameraLines(log []byte) string {
	var lines []string
	for line := range bytes.Lines(log) {
		if slices.ContainsFunc([]string{"soph", "cvi", "vpss", "venc", "mipi", "_vb", "[vi]", "snsr"}, func(word string) bool {
			return bytes.Contains(bytes.ToLower(line), []byte(word))
		}) {
			lines = append(lines, strings.TrimRight(string(line), "\n"))
		}
	}
	return strings.Join(lines[max(len(lines)-60, 0):], "\n")
}
