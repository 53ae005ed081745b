package sg2002

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Root returns the path of a file on the board: path itself, or path below MAIXSTREAM_ROOT, where the simulator lays out its board.
func Root(path string) string {
	if root := os.Getenv("MAIXSTREAM_ROOT"); root != "" {
		return filepath.Join(root, path)
	}
	return path
}

// OnBoard reports whether this is a MaixCAM or MaixCAM-Pro, going by the device tree's model. A MaixCAM2 has another chip.
func OnBoard() bool {
	model, err := os.ReadFile(Root("/proc/device-tree/model"))
	if err != nil {
		return false
	}
	text := strings.ToLower(string(model))
	return !strings.Contains(text, "maixcam2") && (strings.Contains(text, "maixcam") || strings.Contains(text, "licheerv nano"))
}

// board holds the settings of the board that the camera depends on.
type board struct {
	id           string // maixcam or maixcam_pro
	pro          bool
	mclk         int  // the clock output that feeds the sensor: 0, 1, or any other number for none
	mirror, flip bool // how the sensor is mounted
	lanes        *[5]int
	swaps        *[5]int
}

// readBoard reads /boot/board, then fills in missing keys from /boot/boards/board.ID. Without these files the result is a MaixCAM.
func readBoard() board {
	values := parseBoard(Root("/boot/board"))
	id := values["id"]
	if id == "" {
		id = "maixcam"
	}
	for key, value := range parseBoard(Root("/boot/boards/board." + filepath.Base(id))) {
		if _, ok := values[key]; !ok {
			values[key] = value
		}
	}
	b := board{id: id, pro: id == "maixcam_pro"}
	defaults := map[string]int{"cam_mclk": 1, "cam_mirror": 0, "cam_flip": 0}
	if b.pro {
		defaults = map[string]int{"cam_mclk": 0, "cam_mirror": 1, "cam_flip": 1}
	}
	number := func(key string) int {
		if n, err := strconv.Atoi(values[key]); err == nil {
			return n
		}
		return defaults[key]
	}
	b.mclk, b.mirror, b.flip = number("cam_mclk"), number("cam_mirror") != 0, number("cam_flip") != 0
	b.lanes, b.swaps = parseFive(values["lane_id"]), parseFive(values["pn_swap"])
	return b
}

func parseBoard(path string) map[string]string {
	values := map[string]string{}
	text, err := os.ReadFile(path)
	if err != nil {
		return values
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, "="); ok {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return values
}

// parseFive parses exactly five numbers; for anything else it returns nil, which keeps the table's values.
func parseFive(text string) *[5]int {
	parts := strings.Split(text, ",")
	if len(parts) != 5 {
		return nil
	}
	var list [5]int
	for i, part := range parts {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < -1 || n > 4 {
			return nil
		}
		list[i] = n
	}
	return &list
}
