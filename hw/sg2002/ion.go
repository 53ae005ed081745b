package sg2002

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/maixstream/maixstream/hw/frame"
)

// carveout is the kernel's summary of ION, the memory that camera, scaler and encoder work in.
type carveout struct {
	size, used int64 // bytes
	buffers    []ionBuffer
}

type ionBuffer struct {
	name string
	size int64
	phys uint64
}

var (
	heapLine   = regexp.MustCompile(`carveout heap size:(\d+) bytes, used:(\d+) bytes`)
	bufferLine = regexp.MustCompile(`(?m)^\s*\d+\s+(\d+)\s+([0-9a-f]+)\s+\d+\s+(\S+)\s*$`)
)

// readCarveout reads the kernel's summary; ok is false if there is none, as without debugfs.
func readCarveout() (ion carveout, ok bool) {
	const summary = "/sys/kernel/debug/ion/cvi_carveout_heap_dump/summary"
	text, err := os.ReadFile(Root(summary))
	if err != nil && mountDebugfs() == nil {
		text, err = os.ReadFile(Root(summary))
	}
	if err != nil {
		return ion, false
	}
	heap := heapLine.FindSubmatch(text)
	if heap == nil {
		return ion, false
	}
	ion.size, _ = strconv.ParseInt(string(heap[1]), 10, 64)
	ion.used, _ = strconv.ParseInt(string(heap[2]), 10, 64)
	for _, match := range bufferLine.FindAllSubmatch(text, -1) {
		size, err := strconv.ParseInt(string(match[1]), 10, 64)
		phys, again := strconv.ParseUint(string(match[2]), 16, 64)
		if err == nil && again == nil {
			ion.buffers = append(ion.buffers, ionBuffer{string(match[3]), size, phys})
		}
	}
	return ion, ion.size > 0
}

// Buffers of VI and the ISP, and our own probe for room: they outlive a process that dies, and even a reload of the modules.
const viBuffer, ispBuffer, ownBuffer = "VI_DMA_BUF", "ISP_SHARED_BUFFER_0", "maixstream"

// orphans returns the buffers left by dead processes. Call it only while no process has VI open: the kernel does not report their owners.
// ispKept: libisp in a live process, possibly this one, still has its buffer and will use it again, so it is left alone.
func (c carveout) orphans(ispKept bool) []ionBuffer {
	var list []ionBuffer
	for _, b := range c.buffers {
		if b.name == viBuffer || b.name == ownBuffer || b.name == ispBuffer && !ispKept {
			list = append(list, b)
		}
	}
	return list
}

// has reports whether a buffer of that name exists.
func (c carveout) has(name string) bool {
	return slices.ContainsFunc(c.buffers, func(b ionBuffer) bool { return b.name == name })
}

// errNoMemory refuses a start for lack of memory.
var errNoMemory = fmt.Errorf("not enough memory: %w", frame.ErrGone)

// checkRoom refuses a start that there is not enough memory for: without room for its shared buffer libisp.so crashes instead of failing.
// VI's own buffer is not counted, since only the driver knows its size. orphans will be freed first.
func checkRoom(need int64, ion carveout, orphans []ionBuffer) error {
	free := ion.size - ion.used
	for _, b := range orphans {
		free += b.size
	}
	if need <= free {
		return nil
	}
	const mega = 1 << 20
	return fmt.Errorf("camera: at least %.1f MiB of ION memory needed, %.1f of %.0f are free: %w: choose a smaller size, stop other users of camera, screen "+
		"and NPU, or reboot",
		float64(need)/mega, float64(free)/mega, float64(ion.size)/mega, errNoMemory)
}
