package push

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/wholefile"
)

// write writes a file atomically.
func (s *spool) write(name string, data []byte) (err error) {
	f, err := os.CreateTemp(s.dir, partPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = wholefile.Rename(f.Name(), filepath.Join(s.dir, name)); err != nil {
		return err
	}
	return syncFolder(s.dir)
}

// load reads an entry's picture into buffer, which grows as needed. If it is corrupt it is removed from the spool and ok is
// false.
func (s *spool) load(e *entry, shot *Shot, buffer []byte) (data []byte, ok bool) {
	data, err := readInto(filepath.Join(s.dir, e.file()), e.size, buffer)
	if err == nil && crc32.Checksum(data, castagnoli) != e.sum {
		err = errors.New("checksum mismatch")
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !e.dropped {
			s.counts.Damaged++
			s.remove(e)
			s.log.Warn("spooled picture corrupt; not delivered", zap.String("file", filepath.Join(s.dir, e.file())), zap.Error(err))
		}
		return buffer, false
	}
	*shot = Shot{Data: data, Captured: e.captured, Sequence: e.sequence, Key: e.key, Name: e.name, spooled: true}
	return data, true
}

func readInto(name string, size int64, buffer []byte) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != size {
		return nil, fmt.Errorf("%d bytes instead of %d", info.Size(), size)
	}
	if int64(cap(buffer)) < size {
		buffer = make([]byte, size)
	}
	buffer = buffer[:size]
	for n := 0; n < len(buffer); {
		m, err := f.Read(buffer[n:])
		if err != nil {
			return nil, err
		}
		n += m
	}
	return buffer, nil
}
