package upload

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/disk"
)

var (
	errFull    = errors.New("the disk is full")
	errDevices = errors.New("too many devices")
	errLarge   = errors.New("larger than the limit for all pictures")
	errUnknown = errors.New("no such device")
)

// store holds the pictures. One lock guards the index and all name changes in the directory, so that the two agree; pictures are
// written without it.
type store struct {
	dir        string
	opened     atomic.Pointer[opened]
	clock      clock
	keep       time.Duration
	maxBytes   int64
	maxDevices int
	sync       bool
	began      time.Time
	log        *zap.Logger

	incoming atomic.Uint64 // names of files in .incoming

	mu         sync.Mutex
	trouble    error // why nothing can be stored now; nil: it can
	devices    map[string]*device
	bytes      int64  // on disk, in blocks, including pictures about to be stored
	unreadable int    // directories whose pictures are not in the index
	version    uint64 // incremented with each change that /events reports

	counts struct{ kept, keptBytes, duplicates, aged, evictedPictures atomic.Uint64 }
}

// opened is the opened directory; replaced when that was deleted and recreated.
type opened struct {
	root *os.Root
	lock *os.File
}

func (o *opened) close() {
	_ = o.root.Close()
	_ = o.lock.Close()
}

func (s *store) root() *os.Root { return s.opened.Load().root }

// device is one sender and its stored pictures. The store's lock guards it.
type device struct {
	name     string
	days     []*day // by date, no empty ones
	pictures int
	bytes    int64 // on disk, in blocks
	sequence uint64
	newest   kept      // last to arrive; after a start the newest. Size 0: deleted
	arrived  time.Time // when newest arrived
	received uint64    // since the start
	rate     rate
	keys     keys
	version  uint64
}

// day is a directory of pictures.
type day struct {
	name    string
	begin   time.Time
	entries []entry // by time, then sequence
}

// entry is a stored picture in 16 bytes; its name is derived from it.
type entry struct {
	sequence uint64
	ms       uint32 // of the day
	size     uint32 // bytes<<1 | format
}

func newEntry(ms uint32, sequence uint64, size int64, f format) entry {
	return entry{sequence, ms, uint32(size)<<1 | uint32(f)}
}

func (e entry) bytes() int64   { return int64(e.size >> 1) }
func (e entry) format() format { return format(e.size & 1) }

func (e entry) compare(other entry) int {
	return cmp.Or(cmp.Compare(e.ms, other.ms), cmp.Compare(e.sequence, other.sequence))
}

// maxPicture is the largest size that fits entry.size.
const maxPicture = 1<<31 - 1

// onDisk is the disk space of a file of size bytes, in whole blocks. It bounds the number of pictures, and with it the index, by MaxBytes.
func onDisk(size int64) int64 {
	const block = 4096
	return (size + block - 1) / block * block
}

// kept is a stored picture.
type kept struct {
	File     string // DEVICE/DAY/NAME
	Time     time.Time
	Sequence uint64
	Bytes    int64
	Format   format
}

func (d *device) kept(y *day, e entry) kept {
	return kept{
		File: path.Join(d.name, y.name, fileNameOf(e.ms, e.sequence, e.format())),
		Time: y.begin.Add(time.Duration(e.ms) * time.Millisecond), Sequence: e.sequence, Bytes: e.bytes(), Format: e.format(),
	}
}

// day returns a day; add creates it if necessary.
func (d *device) day(name string, add bool) *day {
	i, found := slices.BinarySearchFunc(d.days, name, func(y *day, name string) int { return cmp.Compare(y.name, name) })
	if found {
		return d.days[i]
	}
	begin, ok := parseDay(name)
	if !add || !ok {
		return nil
	}
	y := &day{name: name, begin: begin}
	d.days = slices.Insert(d.days, i, y)
	return y
}

func (y *day) find(e entry) (int, bool) { return slices.BinarySearchFunc(y.entries, e, entry.compare) }

const (
	folderMode  = 0o750
	fileMode    = 0o640
	incomingDir = ".incoming"
	lockFile    = ".lock"
	keysFile    = ".keys"
)

// incoming is a picture being written. Exactly one of commit and discard must be called.
type incoming struct {
	store *store
	file  *os.File // nil: sealed
	name  string
	size  int64
}

// begin creates a file for a picture.
func (s *store) begin() (*incoming, error) {
	if err := s.problem(); err != nil {
		return nil, err
	}
	name := path.Join(incomingDir, strconv.FormatUint(s.incoming.Add(1), 10))
	f, err := s.root().OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrNotExist) { // somebody deleted the directory
		_ = s.root().Mkdir(incomingDir, folderMode)
		f, err = s.root().OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	}
	if err != nil {
		return nil, diskError("begin a picture", err)
	}
	return &incoming{store: s, file: f, name: name}, nil
}

// Write appends to the file.
func (in *incoming) Write(b []byte) (int, error) {
	n, err := in.file.Write(b)
	in.size += int64(n)
	if err != nil {
		return n, diskError("write a picture", err)
	}
	return n, nil
}

// truncate cuts off trailing data.
func (in *incoming) truncate(size int) error {
	if int64(size) == in.size {
		return nil
	}
	in.size = int64(size)
	if err := in.file.Truncate(in.size); err != nil {
		return diskError("write a picture", err)
	}
	return nil
}

// discard deletes the file.
func (in *incoming) discard() {
	if in.file != nil {
		_ = in.file.Close()
	}
	if err := in.store.root().Remove(in.name); err != nil {
		in.store.log.Warn("removing an unfinished picture failed", zap.Error(err))
	}
}

// seal closes the file: nothing more is written to it. On an error the file is deleted.
func (in *incoming) seal() (err error) {
	if in.store.sync {
		err = in.file.Sync()
	}
	err = errors.Join(err, in.file.Close())
	in.file = nil
	if err != nil {
		_ = in.store.root().Remove(in.name)
		return diskError("write a picture", err)
	}
	return nil
}

// errDisk means that the disk or its file system failed.
var errDisk = errors.New("disk error")

// diskError wraps errFull for a full disk, and other errors with the operation.
func diskError(what string, err error) error {
	if disk.IsFull(err) {
		return fmt.Errorf("%s: %w: %w", what, errFull, err)
	}
	return &diskFault{what, err}
}

// diskFault is a disk error other than a full disk. It wraps errDisk without showing its text.
type diskFault struct {
	what string
	err  error
}

// Error returns the operation and its error.
func (e *diskFault) Error() string { return e.what + ": " + e.err.Error() }

// Unwrap returns the cause, and errDisk.
func (e *diskFault) Unwrap() []error { return []error{e.err, errDisk} }

// label is a picture's metadata from the sender.
type label struct {
	device   string
	time     time.Time
	sequence uint64
	numbered bool // sequence is the sender's
	key      key  // zero: none
}

// commit gives the picture its name, unless the label's key is known: then duplicate is true and k is the earlier picture. On an error the file
// is deleted.
func (in *incoming) commit(l *label, f format) (k kept, duplicate bool, err error) {
	s := in.store
	if in.file != nil {
		if err := in.seal(); err != nil {
			return kept{}, false, err
		}
	}
	s.mu.Lock()
	k, duplicate, err = s.take(in, l, f)
	s.mu.Unlock()
	if duplicate || err != nil {
		_ = s.root().Remove(in.name)
		return k, duplicate, err
	}
	if s.sync {
		err = s.syncDirectory(path.Dir(k.File))
	}
	return k, false, err
}

// take is commit with the lock held.
func (s *store) take(in *incoming, l *label, f format) (kept, bool, error) {
	d, err := s.device(l.device)
	if err != nil {
		return kept{}, false, err
	}
	if k, ok := d.keys.find(l.key); ok {
		s.counts.duplicates.Add(1)
		return k, true, nil
	}
	if err := s.makeRoom(d, onDisk(in.size)); err != nil {
		s.forgetEmpty(d)
		return kept{}, false, err
	}
	s.devices[d.name] = d // making room may have removed it
	utc := l.time.UTC()
	y := d.day(utc.Format(dayLayout), true)
	k, err := s.place(in, d, y, l, f)
	if len(y.entries) == 0 { // it failed, and the day is new
		_ = s.root().Remove(path.Join(d.name, y.name))
		d.days = slices.DeleteFunc(d.days, func(other *day) bool { return other == y })
	}
	s.forgetEmpty(d)
	if err != nil {
		return kept{}, false, err
	}
	now := time.Now()
	s.bytes += onDisk(in.size)
	d.bytes += onDisk(in.size)
	d.pictures++
	d.received++
	d.newest, d.arrived = k, now
	d.rate.add(now)
	s.touch(d)
	s.counts.kept.Add(1)
	s.counts.keptBytes.Add(uint64(in.size))
	return k, false, nil
}

// place renames the file to an unused name and indexes it.
func (s *store) place(in *incoming, d *device, y *day, l *label, f format) (kept, error) {
	e := newEntry(uint32(l.time.UTC().Sub(y.begin)/time.Millisecond), l.sequence, in.size, f)
	if !l.numbered {
		e.sequence = d.sequence + 1
	}
	at, taken := y.find(e)
	k := d.kept(y, e)
	for taken || s.exists(k.File) { // the sender restarted its sequence; or a file that the scan could not see
		e.sequence++
		at, taken = y.find(e)
		k = d.kept(y, e)
	}
	err := fs.ErrNotExist
	if len(y.entries) > 0 {
		err = s.name(in, d, l, k)
	}
	if errors.Is(err, fs.ErrNotExist) { // the day is new, or its directory was deleted
		for _, dir := range []string{d.name, path.Dir(k.File)} {
			if err := s.makeDirectory(dir); err != nil {
				return kept{}, err
			}
		}
		err = s.name(in, d, l, k)
	}
	if err != nil {
		return kept{}, diskError("name a picture", err)
	}
	y.entries = slices.Insert(y.entries, at, e)
	d.sequence = e.sequence
	return k, nil
}

// exists reports whether a file that is not in the index has the name: it must not be overwritten.
func (s *store) exists(name string) bool {
	_, err := s.root().Lstat(name)
	return err == nil
}

// name writes the key and renames the file. The key first: it counts only together with its file.
func (s *store) name(in *incoming, d *device, l *label, k kept) error {
	if err := d.keys.add(s.root(), d.name, l.key, k); err != nil {
		return err
	}
	if err := s.root().Rename(in.name, k.File); err != nil {
		d.keys.drop(l.key)
		return err
	}
	return nil
}

func (s *store) makeDirectory(name string) error {
	err := s.root().Mkdir(name, folderMode)
	switch {
	case err == nil && s.sync:
		if err := s.syncDirectory(path.Dir(name)); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, fs.ErrExist):
		return diskError("make a directory", err)
	}
	if info, err := s.root().Lstat(name); err != nil || !info.IsDir() { // symbolic links are not followed
		return fmt.Errorf("%s exists and is not a directory; remove it (%w)", name, errors.Join(err, fs.ErrExist))
	}
	return nil
}

// device returns a device, a new one if necessary, which is indexed once it has a picture.
func (s *store) device(name string) (*device, error) {
	if d := s.devices[name]; d != nil {
		return d, nil
	}
	if len(s.devices) >= s.maxDevices {
		return nil, fmt.Errorf("%w (%d)", errDevices, s.maxDevices)
	}
	d := &device{name: name}
	s.devices[name] = d
	return d, nil
}

// forgetEmpty removes a device without pictures.
func (s *store) forgetEmpty(d *device) {
	if len(d.days) > 0 {
		return
	}
	delete(s.devices, d.name)
	s.version++
	_ = s.root().Remove(path.Join(d.name, keysFile))
	_ = s.root().Remove(d.name) // stays if it contains other files
}

func (s *store) touch(d *device) {
	s.version++
	d.version = s.version
}

// known looks a key up without waiting for the picture.
func (s *store) known(device string, k key) (kept, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.devices[device]; d != nil {
		return d.keys.find(k)
	}
	return kept{}, false
}

func (s *store) syncDirectory(name string) error {
	dir, err := s.root().Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted in the meantime
		}
		return diskError("write a picture's name", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return diskError("write a picture's name", err)
	}
	return nil
}

// open opens a stored picture's file.
func (s *store) open(file string) (*os.File, error) { return s.root().Open(file) }

// close closes the directory.
func (s *store) close() { s.opened.Load().close() }
