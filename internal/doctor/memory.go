package doctor

import (
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/maixstream/maixstream/hw/sg2002"
)

const ionSummary = "/sys/kernel/debug/ion/cvi_carveout_heap_dump/summary"

// ion compares the memory for the hardware's buffers with what a stream of the requested size needs.
func ion(in *sg2002.Inspection, state cameraState, config Config) Check {
	c := Check{Name: "ION memory", Status: OK}
	if !in.ION.Known {
		c.Status, c.Found = Note, "free memory unknown: unexpected format of "+ionSummary
		if _, err := os.Stat(sg2002.Root(ionSummary)); err != nil {
			c.Found = fmt.Sprintf("free memory unknown: %v", err)
			c.Remedy = "mount -t debugfs none /sys/kernel/debug, as root"
		}
		return c
	}
	var need int64
	for _, part := range in.Memory {
		need += part.Bytes
		word := "needs"
		if part.Guess {
			word = "may need"
		}
		c.Items = append(c.Items, fmt.Sprintf("%s: %s %s", part.Name, word, mebibytes(part.Bytes)))
	}
	free := in.ION.Size - in.ION.Used + in.ION.Orphaned
	c.Found = fmt.Sprintf("%s of %s free", mebibytes(free), mebibytes(in.ION.Size))
	what := fmt.Sprintf("%dx%d (sensor %s) needs about %s", config.Width, config.Height, in.Mode, mebibytes(need))
	switch {
	case state.inUse:
		c.Found += " while the camera is in use"
		return c
	case state.leaked:
		c.Found += "; a crashed program's leftovers count as used until cleared (see camera)"
		return c
	case need > free:
		c.Status = Wrong
		c.Remedy = "choose a smaller --size, or a lower --fps with a smaller mode of the sensor; stop other users of it (" + ionSummary +
			" names the buffers): apps, the launcher's screen; or reboot"
	}
	c.Found += "; " + what
	if in.ION.Orphaned > 0 {
		c.Found += fmt.Sprintf("; %s are left by a program that died: the next start frees them", mebibytes(in.ION.Orphaned))
	}
	return c
}

// video checks whether the chip's H.264 encoder can run beside the stream. If not, that is no fault: JPEG works without it.
func video(in *sg2002.Inspection, state cameraState, config Config) Check {
	v := &in.Video
	c := Check{Name: "H.264", Status: OK}
	c.Found = fmt.Sprintf("hardware; %dx%d takes %s of ION memory while in use", config.Width, config.Height, mebibytes(v.Bytes))
	free := in.ION.Size - in.ION.Used + in.ION.Orphaned
	if !state.inUse {
		for _, part := range in.Memory {
			free -= part.Bytes
		}
	}
	switch {
	case v.Missing:
		c.Status, c.Found = Note, "none: "+v.Firmware+", the encoder's firmware, is missing"
		c.Remedy = "restore it from the board's image (NanoKVM's has it, too), for /video.mp4 and RTSP's /h264"
	case !v.Fits:
		c.Status, c.Found = Note, fmt.Sprintf("none of %dx%d: the encoder does not support this size", config.Width, config.Height)
		c.Remedy = "choose another --size, for /video.mp4 and RTSP's /h264"
	case in.ION.Known && !state.leaked && v.Bytes > free:
		c.Status = Note
		c.Found += fmt.Sprintf(", but only %s are left beside the stream", mebibytes(max(free, 0)))
		c.Remedy = "choose a smaller --size, for /video.mp4 and RTSP's /h264; JPEG works without it"
	}
	return c
}

// tightMemory is what Linux should have available for the program, in bytes: serve needs 19 MiB on the virtual board, without viewers.
const tightMemory = 24 << 20

var memoryLine = regexp.MustCompile(`(?m)^(MemTotal|MemAvailable):\s*(\d+) kB`)

func linuxMemory() Check {
	c := Check{Name: "memory", Status: OK}
	text, err := os.ReadFile(sg2002.Root("/proc/meminfo"))
	values := map[string]int64{}
	for _, m := range memoryLine.FindAllSubmatch(text, -1) {
		n, _ := strconv.ParseInt(string(m[2]), 10, 64)
		values[string(m[1])] = n << 10
	}
	available, known := values["MemAvailable"]
	if !known {
		c.Status, c.Found = Note, fmt.Sprintf("free memory unknown from /proc/meminfo (%v)", err)
		return c
	}
	c.Found = fmt.Sprintf("%s of %s available", mebibytes(available), mebibytes(values["MemTotal"]))
	if available < tightMemory {
		c.Status = Wrong
		c.Found += fmt.Sprintf(", but the program needs %s", mebibytes(tightMemory))
		c.Remedy = "stop apps that are not needed (ps, top); fewer viewers (--max-clients) and a smaller --size need less"
	}
	return c
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
