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
)

// makeRoom deletes the oldest pictures until need bytes more are within the limit, and counts on no others being added before. The
// lock is held.
func (s *store) makeRoom(need int64) error {
	if s.maxBytes == 0 {
		return nil
	}
	if need > s.maxBytes {
		return fmt.Errorf("a picture of %d bytes is %w (%d bytes)", need, errLarge, s.maxBytes)
	}
	for s.bytes+need > s.maxBytes {
		var oldest *device
		var first time.Time
		for _, d := range s.devices {
			if len(d.days) == 0 {
				continue
			}
			if t := d.oldest(); oldest == nil || t.Before(first) {
				oldest, first = d, t
			}
		}
		if oldest == nil {
			return nil
		}
		s.deleteOldest(oldest)
		s.counts.pushedOut.Add(1)
	}
	return nil
}

// expire deletes what is older than is kept, in pieces: the lock is not held for long.
func (s *store) expire(now time.Time) {
	const piece = 256
	for {
		n := 0
		s.mu.Lock()
		limit := now.Add(-s.keep)
		if s.keep == 0 {
			limit = time.Time{}
		}
		for _, d := range s.devices {
			for n < piece && len(d.days) > 0 && d.oldest().Before(limit) {
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

func (d *device) oldest() time.Time {
	y := d.days[0]
	return y.begin.Add(time.Duration(y.entries[0].ms) * time.Millisecond)
}

// deleteOldest deletes a device's oldest picture, and its directories with their last. The lock is held.
func (s *store) deleteOldest(d *device) {
	y := d.days[0]
	k := d.kept(y, y.entries[0])
	if err := s.root.Remove(k.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		// It counts no more all the same: trying again each time would keep the younger ones from their turn. A start finds it again.
		s.log.Warn("a picture that is kept no longer cannot be removed", zap.Error(err))
	}
	s.forget(d, y, 0)
}

// delete deletes the picture DEVICE/DAY/NAME. What was sent once is still known by its key: it does not come back when it is sent again.
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
	if err := s.root.Remove(k.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete a picture: %w", err)
	}
	dayName, base, _ := strings.Cut(rest, "/")
	y := d.day(dayName, false)
	ms, sequence, _, _ := parseFileName(base)
	i, _ := y.find(entry{sequence: sequence, ms: ms})
	s.forget(d, y, i)
	return nil
}

// forget takes a day's i-th entry, whose file is gone, out of the index. The lock is held.
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
		_ = s.root.Remove(path.Join(d.name, y.name)) // stays if there are files of others
		s.forgetEmpty(d)
	}
	if d.newest.File == k.File {
		d.newest = d.youngest()
	}
	s.touch(d)
}
