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

// errTrouble: nothing can be kept, for a reason that lies with this machine and may pass.
var errTrouble = errors.New("pictures cannot be kept now")

// probeEvery is how often a file is made to see whether the directory can be written.
const probeEvery = 10 * time.Second

// problem returns why nothing can be kept now; nil: it can. It wraps errTrouble.
func (s *store) problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// check looks whether the directory is still the one that was opened, and, when it was not for a while, whether it can be written. One that was removed and
// made again, or whose disk is there again, is taken over with what is in it.
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
		return fmt.Errorf("%w: make the directory again, or mount its disk", err)
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
	_ = s.root().Mkdir(incomingDir, folderMode) // is there, as a rule
	f, err := s.root().OpenFile(name, os.O_WRONLY|os.O_CREATE, fileMode)
	if disk.IsFull(err) { // said to each sender; when there is room again, the next picture is kept
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", s.dir, err)
	}
	_ = f.Close() // nothing was written
	_ = s.root().Remove(name)
	return nil
}
