package v4l2

import "unsafe"

// Changes of controls, also by other programs, are events on the device's descriptor (V4L2_EVENT_CTRL).
const (
	eventControl = 3
	// maxEvents limits how many are dequeued at once; the rest end the next wait at once.
	maxEvents = 256
)

type eventSubscription struct {
	kind, id uint32
	_        [6]uint32 // flags
}

// event is v4l2_event on 64-bit systems.
type event struct {
	_ [2]uint32 // type
	_ [8]uint64 // the union
	_ [2]uint32 // pending, sequence
	_ [2]uint64 // time
	_ [9]uint32 // id
}

var (
	vidiocDequeueEvent = number(reads, 89, unsafe.Sizeof(event{}))
	vidiocSubscribe    = number(writes, 90, unsafe.Sizeof(eventSubscription{}))
)

// subscribe subscribes to changes of all controls, and announces one, as there may have been some while nobody was subscribed. Without events (old
// drivers; 32-bit systems, where the event's layout differs), changes by other programs are noticed when controls are read next.
func (c *controls) subscribe() {
	defer c.announce()
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read() != nil {
		return
	}
	for i := range c.listed {
		_ = ioctl(c.fd, vidiocSubscribe, &eventSubscription{kind: eventControl, id: c.listed[i].id})
	}
}

// takeEvents empties the event queue and announces changes. fd is the caller's.
func (c *controls) takeEvents(fd int) {
	var e event
	for n := range maxEvents {
		if ioctl(fd, vidiocDequeueEvent, &e) != nil {
			if n > 0 {
				c.announce()
			}
			return
		}
	}
	c.announce()
}
