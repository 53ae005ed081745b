package record

import (
	"fmt"
	"os"
	"time"

	"github.com/maixstream/maixstream/internal/disk"
	"github.com/maixstream/maixstream/pipeline/video"
)

// picture is what is recorded: a JPEG or an H.264 access unit. Its bytes are valid while the feed holds it.
type picture struct {
	bytes               []byte
	width, height       int // pixels
	captured, published time.Time
	shown               time.Duration     // how much later than captured it is displayed: B-frames
	key                 bool              // a file can begin with it: each JPEG, and each key frame
	parameters          *video.Parameters // nil: a JPEG
	substitute          bool              // it says "no signal"
	skipped             uint64            // published before it and lost
}

// piece is a file that is being written. It can be played at any time, up to its last whole picture.
type piece interface {
	about() *output
	// takes reports whether the file's header is valid for a picture, too.
	takes(f *picture) bool
	// need returns how much a picture adds to total, in bytes.
	need(f *picture) int64
	// add appends a picture; step is its time since the one before. After an error the file is as it was.
	add(f *picture, step time.Duration) error
	// refresh brings the header up to date, so that a file that is cut off plays at its right speed, and to its end.
	refresh() error
	// total is the file's size once it is finished.
	total() int64
	// finish writes the index, and the file through to the disk. dropOldest makes room on a full disk, see disk.Write. The file is closed in any case.
	finish(dropOldest func() (bool, error)) error
}

// output is the file of a piece.
type output struct {
	file    *os.File
	name    string
	number  uint64
	size    int64 // up to the last whole picture
	frames  int
	elapsed time.Duration // from the first frame to the last
}

func (o *output) about() *output { return o }

// append writes at the file's end, in one write. After an error the file is cut back.
func (o *output) append(b []byte) error {
	if _, err := o.file.WriteAt(b, o.size); err != nil {
		_ = o.file.Truncate(o.size)
		return err
	}
	o.size += int64(len(b))
	return nil
}

// overwrite writes the header again.
func (o *output) overwrite(header []byte) error {
	_, err := o.file.WriteAt(header, 0)
	return err
}

// count notes a picture that was written.
func (o *output) count(step time.Duration) {
	if o.frames > 0 {
		o.elapsed += step
	}
	o.frames++
}

// isThere reports whether the file still has its name: folders are removed, and disks pulled, while a file in them is open.
func (o *output) isThere() bool {
	named, err := os.Stat(o.name)
	open, err2 := o.file.Stat()
	return err == nil && err2 == nil && os.SameFile(named, open)
}

// touch shows other programs that the file is still being written; see beingWritten.
func (o *output) touch(now time.Time) {
	if o.isThere() {
		_ = os.Chtimes(o.name, now, now) // failing, it only looks older
	}
}

// end finishes the file with its index and its last header; one without a picture is removed.
func (o *output) end(index, header []byte, dropOldest func() (bool, error)) (err error) {
	defer func() {
		if closed := o.file.Close(); err == nil {
			err = closed
		}
	}()
	if o.frames == 0 {
		return os.Remove(o.name)
	}
	err = disk.Write(func() error {
		if _, err := o.file.WriteAt(index, o.size); err != nil {
			_ = o.file.Truncate(o.size)
			return fmt.Errorf("index: %w", err)
		}
		return nil
	}, dropOldest)
	if err != nil {
		return err
	}
	if err := o.overwrite(header); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	return o.file.Sync()
}
