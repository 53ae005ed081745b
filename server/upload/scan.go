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

	"github.com/maixstream/maixstream/internal/filelock"

	"go.uber.org/zap"
)

// openStore takes over dir, which is made if it is not there, and finds what is in it.
func openStore(c *Config) (*store, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("upload: make the directory for pictures: %w", err)
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("upload: open the directory for pictures: %w", err)
	}
	s := &store{
		root: root, keep: c.Keep, maxBytes: c.MaxBytes, maxDevices: c.MaxDevices, sync: c.Sync, log: c.Log,
		devices: map[string]*device{},
	}
	if s.lock, err = root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("upload: %s cannot be written: %w", c.Dir, err)
	}
	if err := s.takeOver(c.Dir); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *store) takeOver(dir string) error {
	if err := filelock.Lock(s.lock); err != nil {
		return fmt.Errorf("upload: %s: another server keeps its pictures there already; stop it or choose another directory: %w", dir, err)
	}
	if err := s.root.RemoveAll(incomingDir); err != nil {
		return fmt.Errorf("upload: clear what was not complete: %w", err)
	}
	if err := s.root.Mkdir(incomingDir, 0o755); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	began := time.Now()
	if err := s.scan(); err != nil {
		return fmt.Errorf("upload: look through %s: %w", dir, err)
	}
	pictures := 0
	for _, d := range s.devices {
		pictures += d.pictures
	}
	s.log.Info("kept pictures found", zap.String("dir", dir), zap.Int("devices", len(s.devices)), zap.Int("pictures", pictures),
		zap.Int64("bytes", s.bytes), zap.Duration("took", time.Since(began)))
	return nil
}

// scan fills the index. It keeps what is there, even more devices than are taken: fewer come only by age.
func (s *store) scan() error {
	return s.each(".", func(e fs.DirEntry) error {
		if !e.IsDir() || checkDevice(e.Name()) != nil {
			return nil
		}
		d := &device{name: e.Name()}
		if err := s.scanDevice(d); err != nil {
			return err
		}
		if d.pictures > 0 {
			d.newest = d.youngest()
			d.arrived, d.sequence = d.newest.Time, d.newest.Sequence
			s.devices[d.name] = d
			s.bytes += d.bytes
			s.touch(d)
			if err := d.keys.load(s.root, d); err != nil {
				s.log.Warn("keys of pictures cannot be read: repeated ones will be kept twice", zap.String("device", d.name), zap.Error(err))
			}
		}
		return nil
	})
}

func (s *store) scanDevice(d *device) error {
	return s.each(d.name, func(e fs.DirEntry) error {
		begin, ok := parseDay(e.Name())
		if !e.IsDir() || !ok {
			return nil
		}
		y := &day{name: e.Name(), begin: begin}
		if err := s.scanDay(d, y); err != nil {
			return err
		}
		if len(y.entries) == 0 {
			_ = s.root.Remove(path.Join(d.name, y.name))
			return nil
		}
		slices.SortFunc(y.entries, entry.compare)
		y.entries = slices.Clip(y.entries)
		d.days = append(d.days, y)
		d.pictures += len(y.entries)
		slices.SortFunc(d.days, func(a, b *day) int { return a.begin.Compare(b.begin) })
		return nil
	})
}

func (s *store) scanDay(d *device, y *day) error {
	return s.each(path.Join(d.name, y.name), func(e fs.DirEntry) error {
		ms, sequence, f, ok := parseFileName(e.Name())
		if !ok || !e.Type().IsRegular() {
			return nil
		}
		info, err := e.Info()
		if err != nil || info.Size() > maxPicture {
			return nil
		}
		if info.Size() == 0 { // named, but not written yet when the power went
			_ = s.root.Remove(path.Join(d.name, y.name, e.Name()))
			return nil
		}
		y.entries = append(y.entries, newEntry(ms, sequence, info.Size(), f))
		d.bytes += onDisk(info.Size())
		return nil
	})
}

// each calls f for each entry of a directory, a few at a time. Those that vanish meanwhile are none.
func (s *store) each(dir string, f func(fs.DirEntry) error) error {
	handle, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer handle.Close()
	for {
		entries, err := handle.ReadDir(1024)
		for _, e := range entries {
			if err := f(e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// youngest returns the picture with the latest time; the zero kept when there is none.
func (d *device) youngest() kept {
	if len(d.days) == 0 {
		return kept{}
	}
	y := d.days[len(d.days)-1]
	return d.kept(y, y.entries[len(y.entries)-1])
}
