package doctor

import (
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/maixstream/maixstream/hw/sg2002"
)

// nodeModules are the kernel modules that provide the nodes listed by sg2002.Nodes; /dev/mem and /dev/i2c-4 are the kernel's own.
var nodeModules = map[string]string{
	"/dev/cvi-base": "soph_base", "/dev/cvi-sys": "soph_sys", "/dev/cvi-vi": "soph_vi", "/dev/cvi-vpss": "soph_vpss",
	"/dev/cvi-rgn": "soph_rgn", "/dev/cvi-mipi-rx": "soph_mipi_rx", "/dev/cvi_vc_enc0": "soph_vc_driver",
}

// neededModules are those and the one that accesses the sensor's registers, in loading order.
var neededModules = []string{"soph_sys", "soph_base", "soph_mipi_rx", "soph_snsr_i2c", "soph_vi", "soph_vpss", "soph_rgn", "soph_vc_driver"}

func modules() Check {
	c := Check{Name: "kernel modules", Status: OK, Found: fmt.Sprintf("all %d loaded", len(neededModules)), Items: neededModules}
	var missing []string
	for _, module := range neededModules {
		if !sg2002.Loaded(module) {
			missing = append(missing, module)
		}
	}
	if len(missing) > 0 {
		c.Status, c.Items = Wrong, missing
		c.Found = "not loaded: " + strings.Join(missing, ", ")
		c.Remedy = "/etc/init.d/S00kmod start, or reboot; dmesg shows why a module fails to load (the files are in /mnt/system/ko)"
	}
	return c
}

// nodes distinguishes nodes missing although their module is loaded from those missing with their module.
func nodes() Check {
	c := Check{Name: "device nodes", Status: OK, Found: fmt.Sprintf("all %d there", len(sg2002.Nodes())), Items: sg2002.Nodes()}
	missing := sg2002.MissingNodes()
	var own, closed []string
	for _, node := range missing {
		if module := nodeModules[node]; module == "" || sg2002.Loaded(module) {
			own = append(own, node)
		}
	}
	for _, node := range sg2002.Nodes() {
		if !slices.Contains(missing, node) && !mayOpen(sg2002.Root(node)) {
			closed = append(closed, node)
		}
	}
	switch {
	case len(own) > 0:
		c.Status, c.Items = Wrong, missing
		c.Found = "missing although their modules are loaded: " + strings.Join(own, ", ")
		c.Remedy = "reboot; if they are still missing, update the board's image (the nodes are made by devtmpfs or mdev: dmesg, ls -l /dev)"
	case len(missing) > 0:
		c.Status, c.Items = Note, missing
		c.Found = "missing, like their modules: " + strings.Join(missing, ", ")
	case len(closed) > 0:
		c.Status, c.Items = Wrong, closed
		c.Found = "not accessible to this user: " + firstFew(closed)
		c.Remedy = "run as root"
	}
	return c
}

// cameraState describes who uses the camera.
type cameraState struct {
	pid    int
	name   string
	inUse  bool // by a live process, known or not
	pools  int  // existing VB pools
	leaked bool // pools without a live process
}

func whoHasCamera() cameraState {
	s := cameraState{pools: sg2002.Pools()}
	s.pid, s.name = sg2002.HolderProcess()
	s.inUse = s.pid != 0 || sg2002.InUse()
	s.leaked = s.pools > 0 && !s.inUse
	return s
}

func (s cameraState) holder() string {
	if s.pid == 0 {
		return "a process of another user"
	}
	return fmt.Sprintf("process %d (%s)", s.pid, s.name)
}

func camera(s cameraState) Check {
	c := Check{Name: "camera", Status: OK, Found: "free"}
	switch {
	case s.inUse && s.name == "maixstream":
		c.Found = "in use by " + s.holder()
	case s.inUse:
		c.Status, c.Found = Wrong, "in use by "+s.holder()
		c.Remedy = "only one program can use it: close the app on the board's screen, or kill " + fmt.Sprint(s.pid)
		if s.pid == 0 {
			c.Remedy = "run maixstream doctor as root to identify the process; only one program can use the camera"
		}
	case s.leaked:
		c.Status = Wrong
		c.Found = fmt.Sprintf("free, but %d VB pools are left by a program that died with it open", s.pools)
		c.Remedy = "start maixstream: it clears them, by calls or by reloading the kernel modules; if it reports that it cannot, stop what uses the screen (the " +
			"launcher) or reboot"
	default:
		if _, err := os.Stat(sg2002.Root("/proc/cvitek/vb")); err != nil && sg2002.Loaded("soph_base") {
			c.Status, c.Found = Note, "not in use; leftover pools unknown: /proc/cvitek/vb is missing"
		}
	}
	return c
}

func sorted(list []string) []string {
	sort.Strings(list)
	return list
}
