package disk_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/maixstream/maixstream/internal/disk"
)

func TestMakeRoom(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		kept  []int64
		need  int64
		drop  error
		left  int
		error error
	}{
		"room already":         {[]int64{40, 50}, 10, nil, 2, nil},
		"one goes":             {[]int64{40, 50}, 11, nil, 1, nil},
		"all go":               {[]int64{40, 50}, 100, nil, 0, nil},
		"more than the limit":  {[]int64{40, 50}, 101, nil, 0, disk.ErrNoRoom},
		"nothing to be gone":   {nil, 101, nil, 0, disk.ErrNoRoom},
		"it cannot be deleted": {[]int64{40, 70}, 1, broken, 2, broken},
	} {
		used := func() (n int64) {
			for _, k := range c.kept {
				n += k
			}
			return n
		}
		err := disk.MakeRoom(100, c.need, used, func() (bool, error) {
			if c.drop != nil || len(c.kept) == 0 {
				return false, c.drop
			}
			c.kept = c.kept[1:]
			return true, nil
		})
		if !errors.Is(err, c.error) || len(c.kept) != c.left {
			t.Errorf("%s: %v, %d left", name, err, len(c.kept))
		}
	}
}

func TestWriteMakesRoomOnAFullDisk(t *testing.T) {
	other := errors.New("another reason")
	for name, c := range map[string]struct {
		fails []error
		old   int
		error error
		left  int
	}{
		"at once":        {nil, 2, nil, 2},
		"full once":      {[]error{syscall.ENOSPC}, 2, nil, 1},
		"quota":          {[]error{&os.PathError{Err: syscall.EDQUOT}, fmt.Errorf("x: %w", syscall.ENOSPC)}, 2, nil, 0},
		"nothing is old": {[]error{syscall.ENOSPC}, 0, syscall.ENOSPC, 0},
		"another reason": {[]error{other}, 2, other, 2},
		"then another":   {[]error{syscall.ENOSPC, other}, 2, other, 1},
	} {
		err := disk.Write(func() error {
			if len(c.fails) == 0 {
				return nil
			}
			err := c.fails[0]
			c.fails = c.fails[1:]
			return err
		}, func() (bool, error) {
			if c.old == 0 {
				return false, nil
			}
			c.old--
			return true, nil
		})
		if !errors.Is(err, c.error) || c.old != c.left {
			t.Errorf("%s: %v, %d left", name, err, c.old)
		}
	}
}
