package upload

import (
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"go.uber.org/zap"

	"github.com/maixstream/maixstream/internal/disk"
)

// errTrouble means that pictures cannot be stored because of a local problem, which may be temporary.
var errTrouble = errors.New("pictures cannot be stored now")

// probeEvery is how often a file is created to check that the directory is writable.
const probeEvery = 10 * time.Second

// problem returns why pictures cannot be stored; nil if they can. It wraps errTrouble.
func (s *store) problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// check verifies that the directory is still the one that was opened and, while it was not, that it is writable. One that was deleted and
// recreated, or whose disk was mounted again, is adopted with its contents.
func (s *store) check(probe bool) {
	err := s.look(probe)
	s.mu.Lock()
	before := s.trouble
	s.trouble = nil
	if err != nil {
		s.trouble = fmt.Errorf("%w: %w", errTrouble, err)
	}
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.log.Error("cannot store pictures; retrying every second", zap.Error(err))
	case err == nil && before != nil:
		s.log.Info("storing pictures again", zap.String("dir", s.dir))
	}
}

func (s *store) look(probe bool) error {
	named, err := os.Stat(s.dir)
	if err != nil {
		return fmt.Errorf("%w: recreate the directory, or mount its disk", err)
	}
	open, err := s.root().Stat(".")
	if err != nil || !os.SameFile(named, open) {
		if err := s.adopt(); err != nil {
			return err
		}
		s.log.Warn("picture directory replaced; using its contents", zap.String("dir", s.dir))
		return nil
	}
	if !probe {
		return nil
	}
	name := path.Join(incomingDir, "probe")
	_ = s.root().Mkdir(incomingDir, folderMode) // usually exists
	f, err := s.root().OpenFile(name, os.O_WRONLY|os.O_CREATE, fileMode)
	if disk.IsFull(err) { // reported to each sender; once there is room, pictures are stored again
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s is not writable: %w", s.dir, err)
	}
	_ = f.Close() // empty
	_ = s.root().Remove(name)
	return nil
}
