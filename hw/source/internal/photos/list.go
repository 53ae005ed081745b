package photos

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List returns the paths of the photographs in a folder, sorted by name, and in its sub-folders if recursive. Only regular files count, and links to them:
// a pipe or device is never opened. Unreadable sub-folders are skipped and passed to warn, which may be nil.
func List(folder string, recursive bool, warn func(error)) ([]string, error) {
	names, others, err := list(folder, recursive, warn)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("folder %s: no photographs (.jpg, .png) in it (other entries: %d)", folder, others)
	}
	return names, nil
}

func list(folder string, recursive bool, warn func(error)) (names []string, others int, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			others++
		case e.IsDir() && recursive:
			below, _, err := list(path, true, warn)
			if err != nil && warn != nil {
				warn(fmt.Errorf("skipped: %w", err))
			}
			names = append(names, below...)
		case !named(e.Name()) || !regular(path, e):
			others++
		default:
			names = append(names, path)
		}
	}
	slices.Sort(names)
	return names, others, nil
}

func named(name string) bool {
	return slices.Contains([]string{".jpg", ".jpeg", ".jpe", ".jfif", ".png"}, strings.ToLower(filepath.Ext(name)))
}

func regular(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
