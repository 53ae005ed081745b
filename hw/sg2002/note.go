//go:build linux && cgo

package sg2002

/*
#include "camera.h"
*/
import "C"

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/internal/filelock"
)

// The chip's libraries are closed, and some of their errors are crashes that no program can catch. So the call that is under way stands in a page of
// a file that outlives the process: who starts next reads which one it died in, and does not run into it for ever.

// notePath is a file in memory on a board, gone with the next boot. Its lock is held for as long as libisp of a process may use its shared buffer.
const notePath = "/tmp/maixstream-camera"

const (
	crashesInARow = 3
	tuningImport  = "CVI_BIN_ImportBinData"
	crashPause    = 5 * time.Minute // then it is tried once more
)

// The page: the call, the phase, and a crash as JSON, ended by a zero.
const (
	noteCall  = C.NOTE_SIZE
	notePhase = noteCall
	noteCrash = 128
	noteSize  = 4096
)

// Phases of a session. Only a start that dies counts as a crash: a stream that dies in a call may have been killed, and it did run.
const (
	noteClosed, noteStarting, noteStreams = 0, 1, 2
)

type note struct {
	file  *os.File
	page  []byte
	crash crash
	news  string // what a process before this one has left in it, to be told once
}

// crash is how often in a row starts died, and in which call.
type crash struct {
	Call  string        `json:"call"`
	Times int           `json:"times"`
	At    time.Duration `json:"at"` // since the boot
	// Untuned: the import of the tuning file was the call of one of them, so it is left out until the next boot.
	Untuned bool `json:"untuned,omitempty"`
}

// openNote takes the note. alone is false when another process that lives has it. Without a place for it n is nil, and things go on.
func openNote() (n *note, alone bool) {
	file, err := filelock.Open(Root(notePath), 0o600)
	if err != nil {
		return nil, !errors.Is(err, filelock.ErrHeld)
	}
	if err = file.Truncate(noteSize); err == nil {
		n = &note{file: file}
		n.page, err = unix.Mmap(int(file.Fd()), 0, noteSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		_ = file.Close()
		return nil, true
	}
	n.read()
	return n, true
}

// parseNote reads a page.
func parseNote(page []byte) (call string, phase byte, last crash) {
	text := func(b []byte) []byte {
		b, _, _ = bytes.Cut(b, []byte{0})
		return b
	}
	if json.Unmarshal(text(page[noteCrash:]), &last) != nil {
		last = crash{}
	}
	return string(text(page[:noteCall])), page[notePhase], last
}

// read makes what a process before this one has left the note's crash.
func (n *note) read() {
	call, phase, last := parseNote(n.page)
	n.crash = last
	if n.crash.At > sinceBoot() { // of another boot, where the file is not in memory
		n.crash = crash{}
	}
	switch {
	case call == "" || phase == noteClosed:
	case phase == noteStreams:
		n.news = "the last run died in " + call + " of the chip's libraries while it streamed: a crash there, or it was killed"
	default:
		if n.crash.Call != call {
			n.crash = crash{Call: call, Untuned: n.crash.Untuned}
		}
		n.crash.Times++
		n.crash.At = sinceBoot()
		n.crash.Untuned = n.crash.Untuned || call == tuningImport
		n.news = fmt.Sprintf("the last start died in %s of the chip's libraries: a crash there, or it was killed (%d in a row)", call, n.crash.Times)
	}
	n.store()
	n.enter(noteClosed)
}

func sinceBoot() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

func (n *note) store() {
	text, err := json.Marshal(n.crash)
	if err != nil || len(text) >= noteSize-noteCrash {
		return
	}
	clear(n.page[noteCrash:])
	copy(n.page[noteCrash:], text)
}

// enter notes a phase.
func (n *note) enter(phase byte) {
	n.page[notePhase] = phase
	if phase == noteClosed {
		n.page[0] = 0
	}
}

// forgive ends a row of crashes, as a picture does and a start that fails in order.
func (n *note) forgive() {
	if n.crash.Times > 0 {
		n.crash = crash{Untuned: n.crash.Untuned}
		n.store()
	}
}

// check refuses a start that would be the next in a row of crashes, until some time has passed.
func (n *note) check() error {
	if n.crash.Times < crashesInARow {
		return nil
	}
	if wait := n.crash.At + crashPause - sinceBoot(); wait > 0 {
		return &CrashError{Call: n.crash.Call, Times: n.crash.Times, Wait: wait, File: Root(notePath)}
	}
	return nil
}

// takeNote takes the note for a session, with one held, and tells what the last process left in it.
func (c *Camera) takeNote() error {
	c.alone = true
	if one.note == nil {
		one.note, c.alone = openNote()
	}
	n := one.note
	if n == nil {
		return nil
	}
	if n.news != "" {
		c.log.Warn("camera: " + n.news)
		n.news = ""
	}
	if n.crash.Untuned {
		c.log.Warn("camera: the tuning file is left out, because a start died while the libraries took it: colours are the default's; reboot to try it again")
	}
	if err := n.check(); err != nil {
		c.giveNote()
		return err
	}
	n.enter(noteStarting)
	return nil
}

// giveNote ends the session's note, with one held. It stays this process's for as long as libisp has its buffer.
func (c *Camera) giveNote() {
	n := one.note
	if n == nil {
		return
	}
	n.enter(noteClosed)
	if !c.mpi.table.isp_buffer {
		n.close()
		one.note = nil
	}
}

// firstPicture notes that the start has succeeded.
func (c *Camera) firstPicture() {
	c.streams = true
	if n := one.note; n != nil { // ours while the camera is open
		n.forgive()
		n.enter(noteStreams)
	}
}

// call is where the C side writes the call that is under way.
func (n *note) call() *C.char { return (*C.char)(unsafe.Pointer(&n.page[0])) }

func (n *note) close() {
	n.enter(noteClosed)
	_ = unix.Munmap(n.page)
	_ = n.file.Close()
}

// LastCrash reads what starts that died have left; Times is 0 when none did.
func LastCrash() Crash {
	file, err := os.Open(Root(notePath))
	if err != nil {
		return Crash{}
	}
	defer file.Close()
	page := make([]byte, noteSize)
	if _, err := io.ReadFull(file, page); err != nil {
		return Crash{}
	}
	live := filelock.Lock(file) != nil
	call, phase, last := parseNote(page)
	if !live && phase == noteStarting && call != "" {
		if last.Call != call {
			last = crash{Call: call}
		}
		last.Times++
	}
	return Crash{last.Call, last.Times, live}
}
