package bench

import (
	"bufio"
	"os"
	"runtime"
	"strings"
)

// Machine describes where a run took place.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Arch   string `json:"arch"`
	System string `json:"system"`
	Go     string `json:"go"`
	// Load is the load average over a minute when the run began: other work, which makes times longer. "" if unknown.
	Load string `json:"load_average"`
}

// ThisMachine describes this machine now.
func ThisMachine() Machine {
	m := Machine{CPU: "unknown", Cores: runtime.NumCPU(), Arch: runtime.GOARCH, System: runtime.GOOS, Go: runtime.Version()}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ":")
			if name = strings.TrimSpace(name); name == "model name" || name == "uarch" || name == "Hardware" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += " " + strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	return m
}
