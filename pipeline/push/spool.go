package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maixstream/maixstream/internal/filelock"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/disk"
)

// spool keeps pictures on disk until they are delivered: one file each, whose name contains all metadata, so that a person
// can look at it. Files are written atomically: under a temporary name, synced, renamed, and the directory is synced
// before the next one is written. A power cut loses at most the one being written.
//
// One process uses a directory at a time; within it, put is called from one goroutine, next, load and done from another.
type spool struct {
	dir  string
	max  int64
	log  *zap.Logger
	lock *os.File

	mu      sync.Mutex
	entries []*entry // oldest first
	bytes   int64
	last    uint64 // sequence of the newest picture so far
	counts  SpoolState
	removed int           // by done
	waiting bool          // put waits for room
	changed chan struct{} // closed and replaced when entries change
}

// SpoolState is a spool's contents and totals.
type SpoolState struct {
	Dir     string `json:"dir"`
	Waiting int    `json:"waiting"` // pictures on disk
	Bytes   int64  `json:"bytes"`   // of them
	Kept    uint64 `json:"kept"`    // pictures added by this process
	Found   uint64 `json:"found"`   // pictures left by an earlier process
	Dropped uint64 `json:"dropped"` // pictures dropped for newer ones because the spool was full
	Damaged uint64 `json:"damaged"` // pictures that were corrupt when read back
}

const (
	partPrefix = ".part-" // a file being written
	lockName   = ".lock"
)

// MaxSpooled is the largest number of pictures in a spool, which bounds its index in memory: about 200 bytes each.
const MaxSpooled = 100_000

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openSpool opens or creates the directory and indexes what an earlier process left there.
func openSpool(dir string, limit int64, log *zap.Logger) (*spool, error) {
	if limit < MinSpool {
		return nil, fmt.Errorf("push: a spool of %d bytes is too small: must be at least %d", limit, MinSpool)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("push: spool: %w", err)
	}
	lock, err := filelock.Open(filepath.Join(dir, lockName), 0o640)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("push: spool %s: in use by another process; each process and each URL needs its own spool (%w)", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("push: spool %s: %w", dir, err)
	}
	s := &spool{dir: dir, max: limit, log: log, lock: lock, changed: make(chan struct{}), counts: SpoolState{Dir: dir}}
	if err := s.scan(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("push: spool: %w", err)
	}
	return s, nil
}

// MinSpool is the smallest size of a spool in bytes.
const MinSpool = 1 << 20

func (s *spool) scan() error {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), partPrefix) { // power was lost during the write
			if err := os.Remove(filepath.Join(s.dir, f.Name())); err != nil {
				return err
			}
			continue
		}
		if e, ok := parseEntry(f.Name()); ok && f.Type().IsRegular() {
			s.entries = append(s.entries, e)
			s.bytes += e.size
			s.last = max(s.last, e.sequence)
		}
	}
	slices.SortFunc(s.entries, func(a, b *entry) int { return cmp.Compare(a.sequence, b.sequence) })
	s.counts.Found = uint64(len(s.entries))
	return disk.MakeRoom(s.max, 0, s.used, s.dropOldest) // the limit may be smaller than before
}

// used is the space in use, for disk.MakeRoom: all of it at MaxSpooled pictures. s.mu is held, or the spool is not shared yet.
func (s *spool) used() int64 {
	switch n := len(s.entries); {
	case n > MaxSpooled:
		return s.max + 1
	case n == MaxSpooled:
		return max(s.bytes, s.max)
	}
	return s.bytes
}

func (s *spool) close() { _ = s.lock.Close() }

func (s *spool) state() SpoolState {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Waiting, c.Bytes = len(s.entries), s.bytes
	return c
}

// notify wakes everything that waits for a change. s.mu is held.
func (s *spool) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// put adds a picture, which is on disk when it returns nil. The oldest are dropped to make room, on a full disk too; with wait nothing
// is dropped, and put waits until there is room.
func (s *spool) put(ctx context.Context, shot *Shot, wait bool) error {
	size := int64(len(shot.Data))
	if size == 0 {
		return errors.New("push: spool: empty picture")
	}
	if size > s.max {
		return fmt.Errorf("push: spool: a picture of %d bytes does not fit into %d", size, s.max)
	}
	if err := s.makeRoom(ctx, size, wait); err != nil {
		return err
	}
	s.mu.Lock()
	s.last++
	shot.Sequence = s.last
	s.mu.Unlock()
	shot.complete(time.Now())
	if !plainKey(shot.Key) {
		return fmt.Errorf("push: spool: key %q: must be 1 to 64 letters, digits and hyphens", shot.Key)
	}
	e := &entry{
		sequence: shot.Sequence, captured: shot.Captured.Truncate(time.Microsecond), key: shot.Key, size: size,
		sum: crc32.Checksum(shot.Data, castagnoli), name: shortName(shot.Name),
	}
	for {
		err := s.write(e.file(), shot.Data)
		if err == nil {
			break
		}
		if !disk.IsFull(err) {
			return fmt.Errorf("push: spool: %w", err)
		}
		if err := s.makeRoomOnDisk(ctx, err, wait); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
	s.bytes += size
	s.counts.Kept++
	s.notify()
	return nil
}

// full reports whether put waits for room.
func (s *spool) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

func (s *spool) makeRoom(ctx context.Context, size int64, wait bool) error {
	s.mu.Lock()
	for wait && s.used()+size > s.max {
		if err := s.waitForRoom(ctx); err != nil {
			return err
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if err := disk.MakeRoom(s.max, size, s.used, s.dropOldest); err != nil {
		return fmt.Errorf("push: spool: make room: %w", err)
	}
	return nil
}

// makeRoomOnDisk is makeRoom on a full disk; full is its error. Removing one picture is taken to make room.
func (s *spool) makeRoomOnDisk(ctx context.Context, full error, wait bool) error {
	s.mu.Lock()
	if len(s.entries) == 0 {
		s.mu.Unlock()
		return fmt.Errorf("push: spool: %w", full)
	}
	if wait {
		return s.waitForRoom(ctx)
	}
	defer s.mu.Unlock()
	if _, err := s.dropOldest(); err != nil && !disk.IsFull(err) {
		return fmt.Errorf("push: spool: make room: %w", err)
	}
	return nil
}

// waitForRoom waits until a picture has been removed. s.mu is held, and released on return.
func (s *spool) waitForRoom(ctx context.Context) error {
	changed := s.changed
	s.waiting = true
	s.mu.Unlock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.waiting = false
	s.mu.Unlock()
	return ctx.Err()
}

// dropOldest drops the oldest picture, if any. s.mu is held, or the spool is not shared yet.
func (s *spool) dropOldest() (bool, error) {
	if len(s.entries) == 0 {
		return false, nil
	}
	e := s.entries[0]
	if err := s.unlink(e); err != nil {
		return false, err
	}
	s.entries = slices.Delete(s.entries, 0, 1)
	s.bytes -= e.size
	e.dropped = true
	s.counts.Dropped++
	return true, nil
}

func (s *spool) unlink(e *entry) error {
	if err := os.Remove(filepath.Join(s.dir, e.file())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// oldest returns the oldest picture, and waits for one if necessary. Once more is closed no picture will follow: oldest then returns nil when the spool
// is empty.
func (s *spool) oldest(ctx context.Context, more <-chan struct{}) (*entry, error) {
	for {
		ended := false
		select {
		case <-more:
			ended = true
		default:
		}
		s.mu.Lock()
		changed := s.changed
		if len(s.entries) > 0 {
			e := s.entries[0]
			s.mu.Unlock()
			return e, nil
		}
		s.mu.Unlock()
		if ended {
			return nil, nil
		}
		select {
		case <-changed:
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// isDropped reports whether an entry was dropped in the meantime.
func (s *spool) isDropped(e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.dropped
}

// syncEvery is after how many deliveries the directory is synced: a power cut brings back what was removed since, which is then sent again. It is far
// below the number of keys that receive remembers (512 per device), so that each picture is still stored only once.
const syncEvery = 100

// done removes an entry that was delivered or rejected.
func (s *spool) done(e *entry) {
	s.mu.Lock()
	if e.dropped { // while it was being sent; it still arrived
		s.counts.Dropped--
		s.mu.Unlock()
		return
	}
	s.remove(e)
	s.removed++
	due := s.removed%syncEvery == 0
	s.mu.Unlock()
	if !due {
		return
	}
	if err := syncFolder(s.dir); err != nil {
		s.log.Warn("cannot sync the spool directory; a power cut may cause pictures to be sent again", zap.Error(err))
	}
}

// remove deletes an entry. s.mu is held.
func (s *spool) remove(e *entry) {
	if i := slices.Index(s.entries, e); i >= 0 {
		s.entries = slices.Delete(s.entries, i, i+1)
		s.bytes -= e.size
	}
	if err := s.unlink(e); err != nil {
		s.log.Warn("cannot remove a delivered picture from the spool; the next process will send it again", zap.Error(err))
	}
	s.notify()
}
