package upload

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/disk"
)

// makeRoom deletes pictures until need more bytes, of device d, are within the limit; d may be nil. It deletes the oldest picture of the devices that
// exceed their share, so that a device that posts a lot makes no room at the expense of quiet ones. The lock is held.
func (s *store) makeRoom(d *device, need int64) error {
	if s.maxBytes == 0 {
		return nil
	}
	if need > s.maxBytes {
		return fmt.Errorf("a picture of %d bytes is %w (%d bytes)", need, errLarge, s.maxBytes)
	}
	return disk.MakeRoom(s.maxBytes, need, func() int64 { return s.bytes }, func() (bool, error) {
		victim := s.victim(d, need)
		if victim == nil {
			return true, errLarge // unreachable: something occupies the space
		}
		s.deleteOldest(victim)
		s.counts.evictedPictures.Add(1)
		return true, nil
	})
}

// share is how much a device may occupy while need more bytes, of poster, exceed the limit: an equal part for each device, and an equal part of what
// smaller devices leave unused. Many small devices therefore do not push out the pictures of a quiet one.
func (s *store) share(poster *device, need int64) int64 {
	sizes := make([]int64, 0, len(s.devices)+1)
	for _, d := range s.devices {
		if d != poster {
			sizes = append(sizes, d.bytes)
		}
	}
	if poster != nil { // may have lost its last picture, and so its place in the index
		sizes = append(sizes, poster.bytes+need)
	}
	slices.Sort(sizes)
	left := s.maxBytes
	for i, size := range sizes {
		share := left / int64(len(sizes)-i)
		if size > share {
			return share
		}
		left -= size
	}
	return s.maxBytes
}

// victim returns the device whose oldest picture makes room: of those that exceed their share, the one with the oldest picture; nil if nothing is
// stored.
func (s *store) victim(poster *device, need int64) *device {
	share := s.share(poster, need)
	var over, any *device
	for _, d := range s.devices {
		if len(d.days) == 0 {
			continue
		}
		bytes := d.bytes
		if d == poster {
			bytes += need
		}
		t := d.oldest()
		if bytes > share && (over == nil || t.Before(over.oldest())) {
			over = d
		}
		if any == nil || t.Before(any.oldest()) {
			any = d
		}
	}
	if over != nil {
		return over
	}
	return any // only the sender exceeds its share, and has nothing stored yet
}

// expire deletes pictures older than keep, in batches so that the lock is not held for long. One goroutine calls it.
func (s *store) expire() {
	const piece = 256
	elapsed := time.Since(s.began)
	now, step := s.clock.now(time.Now(), elapsed)
	if step != 0 {
		s.log.Warn("clock changed; if it stays, retention follows the new time", zap.Duration("by", step), zap.Duration("then", acceptStepAfter))
	}
	began := now.Add(-elapsed) // by the clock as currently trusted
	for {
		n := 0
		s.mu.Lock()
		limit := now.Add(-s.keep)
		if s.keep == 0 {
			limit = time.Time{}
		}
		for _, d := range s.devices {
			for n < piece && len(d.days) > 0 && d.tooOld(limit, began) {
				s.deleteOldest(d)
				s.counts.aged.Add(1)
				n++
			}
		}
		s.mu.Unlock()
		if n < piece {
			return
		}
	}
}

// tooOld reports whether a device's oldest picture is from before limit. One stamped by a clock that was never set counts as taken at
// the server's start.
func (d *device) tooOld(limit, began time.Time) bool {
	t := d.oldest()
	if t.Before(earliest) {
		t = began
	}
	return t.Before(limit)
}

func (d *device) oldest() time.Time {
	y := d.days[0]
	return y.begin.Add(time.Duration(y.entries[0].ms) * time.Millisecond)
}

// deleteOldest deletes a device's oldest picture, and its directories if they become empty. The lock is held.
func (s *store) deleteOldest(d *device) {
	y := d.days[0]
	k := d.kept(y, y.entries[0])
	if err := s.root().Remove(k.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Remove it from the index all the same: retrying each time would block the expiry of newer ones. The next start finds it again.
		s.log.Warn("removing an expired picture failed", zap.Error(err))
	}
	s.forget(d, y, 0)
}

// delete deletes the picture DEVICE/DAY/NAME. Its key is remembered: sending it again does not restore it.
func (s *store) delete(file string) error {
	name, rest, _ := strings.Cut(file, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[name]
	if d == nil {
		return errUnknown
	}
	k, found := d.lookup(rest)
	if !found {
		return errUnknown
	}
	if err := s.root().Remove(k.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete a picture: %w", err)
	}
	dayName, base, _ := strings.Cut(rest, "/")
	y := d.day(dayName, false)
	ms, sequence, _, _ := parseFileName(base)
	i, _ := y.find(entry{sequence: sequence, ms: ms})
	s.forget(d, y, i)
	return nil
}

// forget removes a day's i-th entry, whose file is gone, from the index. The lock is held.
func (s *store) forget(d *device, y *day, i int) {
	e := y.entries[i]
	k := d.kept(y, e)
	if i == 0 {
		y.entries = y.entries[1:]
	} else {
		y.entries = slices.Delete(y.entries, i, i+1)
	}
	d.pictures--
	d.bytes -= onDisk(e.bytes())
	s.bytes -= onDisk(e.bytes())
	if len(y.entries) == 0 {
		d.days = slices.DeleteFunc(d.days, func(other *day) bool { return other == y })
		_ = s.root().Remove(path.Join(d.name, y.name)) // stays if it contains other files
		s.forgetEmpty(d)
	}
	if d.newest.File == k.File {
		d.newest = d.youngest()
	}
	s.touch(d)
}
