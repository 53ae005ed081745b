package sg2002

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/maixstream/maixstream/hw/frame"
)

// Nodes returns the device nodes that the camera needs.
func Nodes() []string {
	return []string{
		"/dev/cvi-base", "/dev/cvi-sys", "/dev/cvi-vi", "/dev/cvi-vpss", "/dev/cvi-rgn", "/dev/cvi-mipi-rx", "/dev/cvi_vc_enc0", "/dev/mem", "/dev/i2c-4",
	}
}

// MissingNodes returns those that do not exist. Check first: CVI_SYS_Init succeeds without some of them, and then no frame arrives.
func MissingNodes() []string {
	var missing []string
	for _, node := range Nodes() {
		if _, err := os.Stat(Root(node)); err != nil {
			missing = append(missing, node)
		}
	}
	return missing
}

// Pools returns the number of VB pools, of a running process or left by a dead one.
func Pools() int {
	text, err := os.ReadFile(Root("/proc/cvitek/vb"))
	if err != nil {
		return 0
	}
	return strings.Count(string(text), "PoolId(")
}

// users returns a module's use count, the third column of /proc/modules; -1 if it is not loaded.
func users(module string) int {
	file, err := os.Open(Root("/proc/modules"))
	if err != nil {
		return -1
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) >= 3 && f[0] == module {
			n, err := strconv.Atoi(f[2])
			if err != nil {
				return -1
			}
			return n
		}
	}
	return -1
}

// Loaded reports whether a kernel module is loaded.
func Loaded(module string) bool { return users(module) >= 0 }

// Holder names the other process that has the camera's device open, "" if there is none.
func Holder() string {
	if pid, name := HolderProcess(); pid != 0 {
		return fmt.Sprintf("process %d (%s)", pid, name)
	}
	return ""
}

// HolderProcess returns the other process that has the camera's device open, and its name of at most 15 bytes; 0 if there is none,
// or none that this user may inspect.
func HolderProcess() (pid int, name string) {
	nodes, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	self := strconv.Itoa(os.Getpid())
	for _, fd := range nodes {
		target, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(strings.TrimPrefix(target, os.Getenv("MAIXSTREAM_ROOT")), "/dev/cvi-vi") {
			continue
		}
		owner := strings.Split(fd, "/")[2]
		if owner == self {
			continue
		}
		comm, _ := os.ReadFile(filepath.Join("/proc", owner, "comm"))
		pid, _ = strconv.Atoi(owner)
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}

// InUse reports whether any other process has the camera's device open, going by the kernel's use count.
func InUse() bool { return inUse() }

// busyError names the process that holds the camera.
func busyError() error {
	holder := Holder()
	if holder == "" {
		holder = "another process"
	}
	return fmt.Errorf("camera: in use by %s: stop it first (on a MaixCAM an app of the launcher, or another maixstream): %w", holder, frame.ErrGone)
}

// The kernel modules that keep a dead process's state, in unload and load order. soph_sys stays loaded.
var (
	unload = []string{
		"soph_ive", "soph_vc_driver", "soph_rgn", "soph_dwa", "soph_vo", "soph_vpss", "soph_vi", "soph_snsr_i2c", "soph_mipi_rx",
		"soph_fast_image", "soph_rtos_cmdqu", "soph_base",
	}
	load = []string{
		"soph_base", "soph_rtos_cmdqu", "soph_fast_image", "soph_mipi_rx", "soph_snsr_i2c", "soph_vi", "soph_vpss", "soph_vo", "soph_dwa",
		"soph_rgn", "soph_vc_driver", "soph_ive",
	}
	// Without these the encoder has 16 nodes instead of the image's 9.
	arguments = map[string][]string{"soph_vc_driver": {"MaxVencChnNum=9", "MaxVdecChnNum=9"}}
)

// reloadModules resets the kernel's state. Only modules that were loaded are reloaded, and those unloaded are loaded again even after a failure.
func reloadModules() error {
	var unloaded []string
	var problem error
	for _, module := range unload {
		if !Loaded(module) {
			continue
		}
		if err := tool("rmmod", module); err != nil {
			problem = err
			break
		}
		unloaded = append(unloaded, module)
	}
	if err := loadModules(unloaded); problem == nil {
		problem = err
	}
	return problem
}

// loadModules loads modules in dependency order.
func loadModules(modules []string) (problem error) {
	for _, module := range load {
		if !slices.Contains(modules, module) {
			continue
		}
		if err := tool("insmod", append([]string{Root("/mnt/system/ko/" + module + ".ko")}, arguments[module]...)...); err != nil && problem == nil {
			problem = err
		}
	}
	return problem
}

// finishReload loads the modules that a process left unloaded when it was killed during a reload. On a board that loads no modules at all it does
// nothing: soph_sys, which a reload never unloads, tells the two apart.
func finishReload() error {
	if !Loaded("soph_sys") {
		return nil
	}
	var missing []string
	for _, module := range load {
		if _, err := os.Stat(Root("/mnt/system/ko/" + module + ".ko")); err == nil && !Loaded(module) {
			missing = append(missing, module)
		}
	}
	return loadModules(missing)
}

// moduleLock is the file that lockModules holds. Only the goroutine that opens the camera uses it.
var moduleLock *os.File

// tool runs one of the board's programs.
func tool(name string, args ...string) error {
	path := name
	if root := os.Getenv("MAIXSTREAM_ROOT"); root != "" {
		path = filepath.Join(root, "bin", name)
	}
	command := exec.Command(path, args...) //nolint:gosec // the variable relocates the board for tests; whoever sets it already runs this program
	if moduleLock != nil {
		command.ExtraFiles = []*os.File{moduleLock} // it may outlive us
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// inUse reports whether another process has VI open. This process may itself keep the device open after the camera was closed, which
// is up to the libraries; that is subtracted from the kernel's count.
func inUse() bool {
	count := users("soph_vi")
	if count < 0 {
		return Holder() != ""
	}
	own := 0
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == Root("/dev/cvi-vi") {
			own++
		}
	}
	return count > own
}
