package v4l2

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/frame"
)

// Controls of a device, from linux/v4l2-controls.h and linux/videodev2.h.
const (
	controlNext = 0x80000000 // V4L2_CTRL_FLAG_NEXT_CTRL

	controlInteger     = 1 // V4L2_CTRL_TYPE_…
	controlBoolean     = 2
	controlMenu        = 3
	controlButton      = 4
	controlInteger64   = 5
	controlBitmask     = 8
	controlIntegerMenu = 9

	controlDisabled = 0x1 // V4L2_CTRL_FLAG_…
	controlGrabbed  = 0x2
	controlReadOnly = 0x4
	controlInactive = 0x10
	controlPayload  = 0x100
)

// controlQuery is v4l2_query_ext_ctrl.
type controlQuery struct {
	id, kind          uint32
	name              [32]byte
	minimum, maximum  int64
	step              uint64
	standard          int64
	flags, _, _, dims uint32
	_                 [4]uint32
	_                 [32]uint32
}

// menuQuery is v4l2_querymenu, which is packed: name is also an integer menu's value.
type menuQuery struct {
	id, index uint32
	name      [32]byte
	_         uint32
}

// controlArg is v4l2_ext_control, which is packed: value has 64 bits, of which most controls use 32.
type controlArg struct {
	id, _, _ uint32
	value    [8]byte
}

// controlsArg is v4l2_ext_controls.
type controlsArg struct {
	_, count, _, _, _ uint32 // which, failed, request
	controls          *controlArg
}

var (
	vidiocQueryMenu    = number(readWrites, 37, unsafe.Sizeof(menuQuery{}))
	vidiocGetControls  = number(readWrites, 71, unsafe.Sizeof(controlsArg{}))
	vidiocSetControls  = number(readWrites, 72, unsafe.Sizeof(controlsArg{}))
	vidiocTryControls  = number(readWrites, 73, unsafe.Sizeof(controlsArg{}))
	vidiocQueryControl = number(readWrites, 103, unsafe.Sizeof(controlQuery{}))
)

// automatics maps each control to the one that manages it, by number: V4L2_CID_….
var automatics = map[uint32]uint32{
	0x980900: 0x980920, // brightness: autobrightness
	0x980903: 0x980919, // hue: hue_auto
	0x98090e: 0x98090c, // red_balance: auto_white_balance
	0x98090f: 0x98090c, // blue_balance: auto_white_balance
	0x98091a: 0x98090c, // white_balance_temperature: auto_white_balance
	0x980913: 0x980912, // gain: autogain
	0x980924: 0x98091d, // chroma_gain: chroma_agc
	0x9a0902: 0x9a0901, // exposure_absolute: exposure_auto
	0x9a090a: 0x9a090c, // focus_absolute: focus_auto
	0x9a0911: 0x9a0901, // iris_absolute: exposure_auto
	0x9a0917: 0x9a0918, // iso_sensitivity: iso_sensitivity_auto
}

// units are documented in videodev2.h.
var units = map[uint32]string{
	0x98091a: "K",       // white_balance_temperature
	0x9a0902: "100 µs",  // exposure_absolute
	0x9a0908: "arc sec", // pan_absolute
	0x9a0909: "arc sec", // tilt_absolute
	0x9a0913: "EV/1000", // auto_exposure_bias is a menu of these
}

// controls are the controls of an open device. Its methods may be called from any goroutine.
type controls struct {
	device  string
	changed chan struct{} // capacity 1

	mu     sync.Mutex // held for each change; none after close
	fd     int        // -1 after close
	listed []listed   // as last read
}

type listed struct {
	frame.Control
	id   uint32
	wide bool // 64 bits
}

func newControls(device string, fd int) *controls {
	return &controls{device: device, fd: fd, changed: make(chan struct{}, 1)}
}

var errControlsClosed = errors.New("device closed")

// Controls implements frame.Controller.
func (c *controls) Controls() ([]frame.Control, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("v4l2: %s: controls: %w", c.device, err)
	}
	return c.plain(), nil
}

func (c *controls) plain() []frame.Control {
	plain := make([]frame.Control, len(c.listed))
	for i := range c.listed {
		plain[i] = c.listed[i].Control
	}
	return plain
}

// ControlsChanged implements frame.Controller.
func (c *controls) ControlsChanged() <-chan struct{} { return c.changed }

func (c *controls) announce() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// attach sets the controls' device.
func (c *controls) attach(fd int) {
	c.mu.Lock()
	c.fd = fd
	c.mu.Unlock()
}

// hold blocks all calls until release, while the device is off.
func (c *controls) hold() {
	c.mu.Lock()
	c.fd = -1
}

// release ends hold; fd is the device's new descriptor, or -1.
func (c *controls) release(fd int) {
	c.fd = fd
	c.mu.Unlock()
}

func (c *controls) close() {
	c.mu.Lock()
	c.fd = -1
	c.mu.Unlock()
}

// read lists the device's controls with their current values. mu is held.
func (c *controls) read() error {
	if c.fd < 0 {
		return errControlsClosed
	}
	c.listed = c.listed[:0]
	q := controlQuery{id: controlNext}
	for range maxListed {
		err := ioctl(c.fd, vidiocQueryControl, &q)
		if err != nil {
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) { // after the last one, and if there are none
				break
			}
			return explain("list controls", err)
		}
		if l, ok := c.describe(&q); ok {
			c.listed = append(c.listed, l)
		}
		q = controlQuery{id: q.id | controlNext}
	}
	c.nameAutomatics()
	for i := range c.listed {
		l := &c.listed[i]
		if l.Kind == frame.Button {
			continue
		}
		if v, err := c.get(l); err == nil {
			l.Value = v
		} else if l.Locked == "" {
			l.Locked = "reading its value failed: " + err.Error()
		}
	}
	return nil
}

// describe converts the driver's description of a control; false: it has no single value.
func (c *controls) describe(q *controlQuery) (l listed, ok bool) {
	if q.flags&(controlDisabled|controlPayload) != 0 || q.dims > 0 {
		return l, false
	}
	l.id, l.Unit, l.Label = q.id, units[q.id], text(q.name[:])
	l.Min, l.Max, l.Step, l.Default = q.minimum, q.maximum, int64(min(max(q.step, 1), 1<<62)), q.standard
	switch q.kind {
	case controlInteger:
	case controlInteger64:
		l.wide = true
	case controlBitmask: // unsigned; the driver reports no minimum
		l.Min, l.Max, l.Step, l.Default = 0, int64(uint32(q.maximum)), 1, int64(uint32(q.standard))
	case controlBoolean:
		l.Kind = frame.Boolean
	case controlButton:
		l.Kind = frame.Button
		l.Min, l.Max, l.Step, l.Default = 0, 0, 0, 0
	case controlMenu, controlIntegerMenu:
		l.Kind = frame.Menu
		l.Menu = c.menu(q)
	default:
		return l, false
	}
	switch {
	case q.flags&controlReadOnly != 0:
		l.Locked = "read-only"
	case q.flags&controlGrabbed != 0:
		l.Locked = "locked by the driver, for example while streaming"
	}
	l.Inactive = q.flags&controlInactive != 0
	l.Name = c.unique(variable(l.Label))
	return l, l.Name != ""
}

// variable converts a label to the name that v4l2-ctl prints: lower-case letters and digits, anything else one underscore between them.
func variable(label string) string {
	words := strings.FieldsFunc(strings.ToLower(label), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(words, "_")
}

// unique appends a number to a name that is already taken.
func (c *controls) unique(name string) string {
	for n, wanted := 2, name; ; n++ {
		if !slices.ContainsFunc(c.listed, func(l listed) bool { return l.Name == name }) {
			return name
		}
		name = wanted + "_" + strconv.Itoa(n)
	}
}

func (c *controls) menu(q *controlQuery) (items []frame.ControlItem) {
	for i := max(0, q.minimum); i <= q.maximum && i-q.minimum < maxListed; i++ {
		m := menuQuery{id: q.id, index: uint32(i)}
		if ioctl(c.fd, vidiocQueryMenu, &m) != nil {
			continue // menus may have gaps
		}
		name := text(m.name[:])
		if q.kind == controlIntegerMenu {
			name = strconv.FormatInt(int64(binary.NativeEndian.Uint64(m.name[:])), 10)
		}
		items = append(items, frame.ControlItem{Value: i, Name: name})
	}
	return items
}

// nameAutomatics sets the control that manages each; automatic exposure also manages a gain without an automatic control.
func (c *controls) nameAutomatics() {
	byID := map[uint32]string{}
	for i := range c.listed {
		byID[c.listed[i].id] = c.listed[i].Name
	}
	for i := range c.listed {
		l := &c.listed[i]
		l.Automatic = byID[automatics[l.id]]
		if l.id == 0x980913 && l.Automatic == "" && l.Inactive {
			l.Automatic = byID[0x9a0901]
		}
	}
}

func (c *controls) get(l *listed) (int64, error) {
	one := controlArg{id: l.id}
	arg := controlsArg{count: 1, controls: &one}
	if err := ioctl(c.fd, vidiocGetControls, &arg); err != nil {
		return 0, err
	}
	return l.number(&one), nil
}

func (l *listed) number(a *controlArg) int64 {
	switch {
	case l.wide:
		return int64(binary.NativeEndian.Uint64(a.value[:]))
	case l.Kind == frame.Integer && l.Min == 0 && l.Max > 1<<31-1: // a bitmask
		return int64(binary.NativeEndian.Uint32(a.value[:]))
	}
	return int64(int32(binary.NativeEndian.Uint32(a.value[:])))
}

// call sets or tries a control.
func (c *controls) call(request uintptr, l *listed, value int64) error {
	one := controlArg{id: l.id}
	if l.wide {
		binary.NativeEndian.PutUint64(one.value[:], uint64(value))
	} else {
		binary.NativeEndian.PutUint32(one.value[:], uint32(value))
	}
	arg := controlsArg{count: 1, controls: &one}
	return ioctl(c.fd, request, &arg)
}

// SetControls implements frame.Controller.
func (c *controls) SetControls(_ context.Context, values []frame.ControlValue) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.set(values); err != nil {
		return fmt.Errorf("v4l2: %s: %w", c.device, err)
	}
	return nil
}

func (c *controls) set(values []frame.ControlValue) error {
	if err := c.read(); err != nil {
		return err
	}
	if err := frame.CheckControls(c.plain(), values); err != nil {
		return err
	}
	ordered := c.inOrder(values)
	for _, v := range ordered {
		l := c.find(v.Name)
		if err := c.call(vidiocTryControls, l, v.Value); err != nil && !errors.Is(err, unix.ENOTTY) && l.Kind != frame.Button {
			return c.refused(l, v.Value, err)
		}
	}
	for i, v := range ordered {
		l := c.find(v.Name)
		if err := c.call(vidiocSetControls, l, v.Value); err != nil {
			for _, earlier := range slices.Backward(ordered[:i]) {
				if was := c.find(earlier.Name); was.Kind != frame.Button {
					_ = c.call(vidiocSetControls, was, was.Value)
				}
			}
			return c.refused(l, v.Value, err)
		}
	}
	if len(values) > 0 {
		c.announce()
	}
	return nil
}

func (c *controls) find(name string) *listed {
	i := slices.IndexFunc(c.listed, func(l listed) bool { return l.Name == name })
	return &c.listed[i]
}

// inOrder puts automatic controls before those that they manage, and buttons last: managed controls are refused or overwritten while automatic.
func (c *controls) inOrder(values []frame.ControlValue) []frame.ControlValue {
	manages := map[string]bool{}
	for i := range c.listed {
		manages[c.listed[i].Automatic] = true
	}
	rank := func(v frame.ControlValue) int {
		switch l := c.find(v.Name); {
		case manages[v.Name]:
			return 0
		case l.Kind == frame.Button:
			return 2
		}
		return 1
	}
	ordered := slices.Clone(values)
	slices.SortStableFunc(ordered, func(a, b frame.ControlValue) int { return rank(a) - rank(b) })
	return ordered
}

// refused explains why a driver refused a value.
func (c *controls) refused(l *listed, value int64, err error) error {
	reason := "the device refuses it"
	switch {
	case errors.Is(err, unix.ENODEV):
		return explain("set "+l.Name, err)
	case l.Inactive && l.Automatic != "":
		reason = "the device refuses it while " + l.Automatic + " is automatic"
	case errors.Is(err, unix.ERANGE), errors.Is(err, unix.EINVAL):
		reason = "the device does not accept this value"
	case errors.Is(err, unix.EBUSY):
		reason = "locked by the driver, for example while streaming"
	}
	return &frame.ControlError{Name: l.Name, Value: value, Reason: reason, Err: err}
}

// OpenControls opens only a device's controls: another program may stream from it meanwhile. close must be called.
func OpenControls(device string) (c frame.Controller, close func() error, err error) {
	fd, err := openDevice(device)
	if err != nil {
		return nil, nil, fmt.Errorf("v4l2: %s: %w", device, err)
	}
	if _, _, _, err := queryCapture(fd); err != nil {
		_ = unix.Close(fd)
		return nil, nil, fmt.Errorf("v4l2: %s: %w", device, explain("open", err))
	}
	own := newControls(device, fd)
	return own, func() error {
		own.close()
		return unix.Close(fd)
	}, nil
}
