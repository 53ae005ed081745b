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

// The chip's libraries are closed source, and some of their errors are crashes that no program can catch. So the call in progress is recorded in a page
// of a file that outlives the process: the next start reads in which call the last one died, and does not repeat the crash for ever.

// notePath is a file in RAM on a board, gone after a reboot. Its lock is held for as long as libisp in a process may use its shared buffer.
const notePath = "/tmp/maixstream-camera"

const (
	crashesInARow = 3
	tuningImport  = "CVI_BIN_ImportBinData"
	crashPause    = 5 * time.Minute // pause before the next try
)

// The page: the call, the phase, and a crash as zero-terminated JSON.
const (
	noteCall  = C.NOTE_SIZE
	notePhase = noteCall
	noteCrash = 128
	noteSize  = 4096
)

// Phases of a session. Only a start that dies counts as a crash: a stream that dies in a call did run, and may have been killed.
const (
	noteClosed, noteStarting, noteStreaming = 0, 1, 2
)

type note struct {
	file   *os.File
	page   []byte
	crash  crash
	notice string // what the previous process left, to be logged once
}

// crash counts how many starts in a row died, and in which call.
type crash struct {
	Call  string        `json:"call"`
	Times int           `json:"times"`
	At    time.Duration `json:"at"` // since boot
	// Untuned: one of them died importing the tuning file, so the import is skipped until the next boot.
	Untuned bool `json:"untuned,omitempty"`
}

// openNote locks and reads the note. alone is false if another live process holds it. If the file cannot be created, n is nil and the start proceeds.
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

// parseNote decodes a page.
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

// read updates the note's crash from what the previous process left.
func (n *note) read() {
	call, phase, last := parseNote(n.page)
	n.crash = last
	if n.crash.At > sinceBoot() { // from another boot, if the file is not in RAM
		n.crash = crash{}
	}
	switch {
	case call == "" || phase == noteClosed:
	case phase == noteStreaming:
		n.notice = "the last run died in " + call + " of the chip's libraries while streaming: it crashed or was killed"
	default:
		if n.crash.Call != call {
			n.crash = crash{Call: call, Untuned: n.crash.Untuned}
		}
		n.crash.Times++
		n.crash.At = sinceBoot()
		n.crash.Untuned = n.crash.Untuned || call == tuningImport
		n.notice = fmt.Sprintf("the last start died in %s of the chip's libraries: it crashed or was killed (%d in a row)", call, n.crash.Times)
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

// enter records a phase.
func (n *note) enter(phase byte) {
	n.page[notePhase] = phase
	if phase == noteClosed {
		n.page[0] = 0
	}
}

// resetCrashes resets the crash count, after a picture or an orderly failure to start.
func (n *note) resetCrashes() {
	if n.crash.Times > 0 {
		n.crash = crash{Untuned: n.crash.Untuned}
		n.store()
	}
}

// check refuses another start after crashesInARow, until crashPause has passed.
func (n *note) check() error {
	if n.crash.Times < crashesInARow {
		return nil
	}
	if wait := n.crash.At + crashPause - sinceBoot(); wait > 0 {
		return &CrashError{Call: n.crash.Call, Times: n.crash.Times, Wait: wait, File: Root(notePath)}
	}
	return nil
}

// beginNote opens the note for a session and logs what the last process left in it. hardware is locked.
func (c *Camera) beginNote() error {
	c.alone = true
	if hardware.note == nil {
		hardware.note, c.alone = openNote()
	}
	n := hardware.note
	if n == nil {
		return nil
	}
	if n.notice != "" {
		c.log.Warn("camera: " + n.notice)
		n.notice = ""
	}
	if n.crash.Untuned {
		c.log.Warn("camera: skipping the tuning file, because a start died importing it; using default colours; reboot to try again")
	}
	if err := n.check(); err != nil {
		c.endNote()
		return err
	}
	n.enter(noteStarting)
	return nil
}

// endNote ends the session's note. This process keeps it for as long as libisp has its buffer. hardware is locked.
func (c *Camera) endNote() {
	n := hardware.note
	if n == nil {
		return
	}
	n.enter(noteClosed)
	if !c.mpi.table.isp_buffer {
		n.close()
		hardware.note = nil
	}
}

// firstPicture records that the start succeeded.
func (c *Camera) firstPicture() {
	c.streams = true
	if n := hardware.note; n != nil { // the note is ours while the camera is open
		n.resetCrashes()
		n.enter(noteStreaming)
	}
}

// call is where the C side writes the name of the call in progress.
func (n *note) call() *C.char { return (*C.char)(unsafe.Pointer(&n.page[0])) }

func (n *note) close() {
	n.enter(noteClosed)
	_ = unix.Munmap(n.page)
	_ = n.file.Close()
}

// LastCrash reports the starts that died in a library call; Times is 0 if none did.
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
