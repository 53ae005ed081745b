package upload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/filelock"
)

// openStore opens dir, creating it if necessary, and indexes its contents.
func openStore(c *Config) (*store, error) {
	if err := os.MkdirAll(c.Dir, folderMode); err != nil {
		return nil, fmt.Errorf("upload: create the picture directory: %w", err)
	}
	s := &store{
		dir: c.Dir, keep: c.Keep, maxBytes: c.MaxBytes, maxDevices: c.MaxDevices, sync: c.Sync, began: time.Now(), log: c.Log, devices: map[string]*device{},
	}
	if err := s.adopt(); err != nil {
		return nil, err
	}
	return s, nil
}

// adopt opens the existing directory and rebuilds the index.
func (s *store) adopt() error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fmt.Errorf("upload: open the picture directory: %w", err)
	}
	file, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		_ = root.Close()
		return fmt.Errorf("upload: %s is not writable: %w", s.dir, err)
	}
	now := &opened{root, file}
	if err := filelock.Lock(file); err != nil {
		now.close()
		return fmt.Errorf("upload: %s: in use by another server; stop it or choose another directory: %w", s.dir, err)
	}
	found, err := s.takeOver(root)
	if err != nil {
		now.close()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.opened.Swap(now)
	s.version++
	s.devices, s.bytes, s.unreadable = found.devices, found.bytes, found.unreadable
	for _, d := range s.devices {
		s.touch(d)
	}
	if before != nil {
		before.close()
	}
	return nil
}

// inventory is the contents of a directory.
type inventory struct {
	root       *os.Root
	log        *zap.Logger
	devices    map[string]*device
	bytes      int64
	unreadable int // directories whose pictures are not in the index
}

func (s *store) takeOver(root *os.Root) (*inventory, error) {
	if err := root.RemoveAll(incomingDir); err != nil {
		return nil, fmt.Errorf("upload: remove incomplete pictures: %w", err)
	}
	if err := root.Mkdir(incomingDir, folderMode); err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	began := time.Now()
	found := &inventory{root: root, log: s.log, devices: map[string]*device{}}
	if err := found.scan(); err != nil {
		return nil, fmt.Errorf("upload: scan %s: %w", s.dir, err)
	}
	pictures := 0
	for _, d := range found.devices {
		pictures += d.pictures
	}
	s.log.Info("stored pictures indexed", zap.String("dir", s.dir), zap.Int("devices", len(found.devices)), zap.Int("pictures", pictures),
		zap.Int64("bytes", found.bytes), zap.Int("unreadable_directories", found.unreadable), zap.Duration("took", time.Since(began)))
	return found, nil
}

// scan fills the index. It keeps everything, even beyond MaxDevices: only expiry reduces that. A directory that cannot be read is skipped and
// counted.
func (v *inventory) scan() error {
	return v.each(".", func(e fs.DirEntry) {
		if !e.IsDir() || checkStored(e.Name()) != nil {
			return
		}
		d := &device{name: e.Name()}
		v.scanDevice(d)
		if d.pictures == 0 {
			return
		}
		d.newest = d.youngest()
		d.arrived, d.sequence = d.newest.Time, d.newest.Sequence
		v.devices[d.name] = d
		v.bytes += d.bytes
		if err := d.keys.load(v.root, d); err != nil {
			v.log.Warn("cannot read picture keys; repeated uploads will be stored twice", zap.String("device", d.name), zap.Error(err))
		}
	})
}

func (v *inventory) scanDevice(d *device) {
	v.look(d.name, func(e fs.DirEntry) {
		begin, ok := parseDay(e.Name())
		if !e.IsDir() || !ok {
			return
		}
		y := &day{name: e.Name(), begin: begin}
		v.scanDay(d, y)
		if len(y.entries) == 0 {
			_ = v.root.Remove(path.Join(d.name, y.name)) // stays if it is not empty
			return
		}
		slices.SortFunc(y.entries, entry.compare)
		y.entries = slices.Clip(y.entries)
		d.days = append(d.days, y)
		d.pictures += len(y.entries)
		slices.SortFunc(d.days, func(a, b *day) int { return a.begin.Compare(b.begin) })
	})
}

func (v *inventory) scanDay(d *device, y *day) {
	v.look(path.Join(d.name, y.name), func(e fs.DirEntry) {
		ms, sequence, f, ok := parseFileName(e.Name())
		if !ok || !e.Type().IsRegular() {
			return
		}
		info, err := e.Info()
		if err != nil || info.Size() > maxPicture {
			return
		}
		if info.Size() == 0 { // renamed, but power was lost before it was written
			_ = v.root.Remove(path.Join(d.name, y.name, e.Name()))
			return
		}
		y.entries = append(y.entries, newEntry(ms, sequence, info.Size(), f))
		d.bytes += onDisk(info.Size())
	})
}

// look is each for a directory whose errors are tolerated: what was read until then counts.
func (v *inventory) look(dir string, f func(fs.DirEntry)) {
	if err := v.each(dir, f); err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.unreadable++
		v.log.Warn("cannot read a directory; its pictures are neither shown nor expired", zap.String("directory", dir), zap.Error(err))
	}
}

// each calls f for each entry of a directory, reading a few at a time.
func (v *inventory) each(dir string, f func(fs.DirEntry)) error {
	handle, err := v.root.Open(dir)
	if err != nil {
		return err
	}
	defer handle.Close()
	for {
		entries, err := handle.ReadDir(1024)
		for _, e := range entries {
			f(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// youngest returns the newest picture; the zero kept if there is none.
func (d *device) youngest() kept {
	if len(d.days) == 0 {
		return kept{}
	}
	y := d.days[len(d.days)-1]
	return d.kept(y, y.entries[len(y.entries)-1])
}
