package record

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/disk"
	"github.com/maixstream/maixstream/internal/mp4"
)

const (
	prefix    = "maixstream-"
	suffixAVI = ".avi"
	suffixMP4 = ".mp4"
	// digits of a piece's number, which makes names sort in the order of recording. The time behind it is for people: it is what the clock said, which may
	// have been 1970.
	digits     = 8
	nameLayout = "20060102-150405"

	folderMode = 0o750
	fileMode   = 0o640
)

// fileName is the name of a piece.
func fileName(number uint64, now time.Time, suffix string) string {
	return fmt.Sprintf("%s%0*d-%s%s", prefix, digits, number, now.Format(nameLayout), suffix)
}

// parseName returns a piece's number; 0 for pieces of versions that had none, which were all AVI. ok is false for files that are no pieces.
func parseName(name string) (number uint64, ok bool) {
	base, isPiece := strings.CutPrefix(name, prefix)
	base, isAVI := strings.CutSuffix(base, suffixAVI)
	base, isMP4 := strings.CutSuffix(base, suffixMP4)
	if !isPiece || isAVI == isMP4 {
		return 0, false
	}
	text, when, _ := strings.Cut(base, "-")
	if _, err := time.Parse(nameLayout, when); err != nil {
		return 0, isAVI
	}
	number, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, isAVI
	}
	return number, true
}

// stored is a piece in the folder that this recorder does not write.
type stored struct {
	path     string
	number   uint64 // 0: of an older version
	bytes    int64
	modified time.Time
}

// older orders pieces by when they were recorded: by their number; without one by when they were written last, before all that have one.
func older(a, b stored) int {
	if a.number == 0 && b.number == 0 {
		return cmp.Or(a.modified.Compare(b.modified), cmp.Compare(a.path, b.path))
	}
	return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.path, b.path))
}

// folder is the pieces on disk, those that other programs record among them: together they are below the limit. One goroutine uses it.
type folder struct {
	dir   string
	limit int64
	log   *zap.Logger
	// make begins a piece, whose name ends in suffix, with a picture that is added next.
	make   func(o output, first *picture) (piece, error)
	suffix string

	pieces  []stored // oldest first, without the one that this recorder writes
	bytes   int64    // of pieces
	others  int      // pieces that other programs are writing
	number  uint64   // the highest so far
	scanned time.Time
	written int64 // by this recorder since
}

const (
	scanEvery = 5 * time.Second
	// share is the part of the limit that a program may write before it looks what others have written.
	share = 64
)

// scan looks at what is in the folder. own is the piece that this recorder writes; "": none.
func (f *folder) scan(own string) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	f.pieces, f.bytes, f.others, f.scanned, f.written = f.pieces[:0], 0, 0, time.Now(), 0
	for _, e := range entries {
		number, ok := parseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		f.number = max(f.number, number)
		path := filepath.Join(f.dir, e.Name())
		info, err := e.Info()
		if err != nil || path == own {
			continue
		}
		p := stored{path, number, info.Size(), info.ModTime()}
		f.pieces = append(f.pieces, p)
		f.bytes += p.bytes
		if beingWritten(&p) {
			f.others++
		}
	}
	slices.SortFunc(f.pieces, older)
	return nil
}

// lately is how long ago a piece that is not finished was written to, if somebody still writes it: after a power cut nobody does.
const lately = time.Minute

// beingWritten reports whether another program is writing a piece.
func beingWritten(p *stored) bool {
	if age := time.Since(p.modified); age > lately || age < -lately {
		return false
	}
	file, err := os.Open(p.path)
	if err != nil {
		return false
	}
	defer file.Close()
	if strings.HasSuffix(p.path, suffixMP4) {
		info, err := file.Stat()
		if err != nil {
			return false
		}
		tail := make([]byte, mp4.TailSize)
		_, err = file.ReadAt(tail, max(info.Size()-mp4.TailSize, 0))
		return err == nil && !mp4.IsFinished(tail) || errors.Is(err, io.EOF)
	}
	var head [8]byte
	if _, err := io.ReadFull(file, head[:]); err != nil {
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) // made this moment
	}
	return bytes.HasPrefix(head[:], []byte("RIFF")) && binary.LittleEndian.Uint32(head[4:]) == openEnd
}

// makeRoom deletes the oldest pieces until this recorder's running piece may have own bytes, need of which are about to be written.
func (f *folder) makeRoom(running string, own, need int64) error {
	if time.Since(f.scanned) >= scanEvery || f.written > f.limit/share {
		if err := f.scan(running); err != nil {
			return err
		}
	}
	limit := f.limit - int64(f.others)*f.limit/share
	err := disk.MakeRoom(limit, own+need, func() int64 { return f.bytes }, f.dropOldest)
	if errors.Is(err, disk.ErrNoRoom) && f.others > 0 {
		return fmt.Errorf("%w in %s for %d bytes: other programs record into it, too, and all together may have %d bytes", disk.ErrNoRoom, f.dir, need, f.limit)
	}
	if errors.Is(err, disk.ErrNoRoom) {
		return fmt.Errorf("%w: a picture of %d bytes does not fit into %d for all recordings", disk.ErrNoRoom, need, f.limit)
	}
	return err
}

// dropOldest deletes the oldest piece that nobody is writing; it returns false if there is none.
func (f *folder) dropOldest() (bool, error) {
	for i, p := range f.pieces {
		if beingWritten(&p) {
			continue
		}
		if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("delete the oldest recording: %w", err)
		}
		f.log.Debug("deleted the oldest recording", zap.String("file", p.path))
		f.pieces = slices.Delete(f.pieces, i, i+1)
		f.bytes -= p.bytes
		return true, nil
	}
	return false, nil
}

// add adds a piece that this recorder has finished.
func (f *folder) add(p piece) {
	o := p.about()
	f.pieces = append(f.pieces, stored{o.name, o.number, p.total(), time.Now()})
	f.bytes += p.total()
}

// create starts the next piece.
func (f *folder) create(first *picture, now time.Time) (piece, error) {
	if err := f.scan(""); err != nil {
		return nil, err
	}
	var o output
	var err error
	for range 100 { // another program may make the same one at the same time
		f.number++
		o = output{name: filepath.Join(f.dir, fileName(f.number, now, f.suffix)), number: f.number}
		if o.file, err = os.OpenFile(o.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	p, err := f.make(o, first)
	if err != nil {
		_ = o.file.Close()
		_ = os.Remove(o.name)
		return nil, err
	}
	return p, nil
}
