package push

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
)

// entry is one picture on disk.
type entry struct {
	sequence uint64
	captured time.Time
	key      string
	size     int64
	sum      uint32 // CRC-32C
	name     string // the picture's name
	dropped  bool
}

// maxName is how many bytes of a picture's name go into the file name, which has at most 255.
const maxName = 120

// file is the entry's file name. The sequence is first: names sort in the order of delivery.
func (e *entry) file() string {
	return fmt.Sprintf("%016d_%s_%s_%d_%08x_%s", e.sequence, stamp.Format(e.captured), e.key, e.size, e.sum, url.PathEscape(e.name))
}

// shortName truncates a name.
func shortName(name string) string {
	if len(url.PathEscape(name)) <= maxName {
		return name
	}
	if ext := filepath.Ext(name); len(ext) <= 5 {
		return "picture" + ext
	}
	return "picture"
}

// parseEntry parses a file name; false for files that are not the spool's.
func parseEntry(file string) (*entry, bool) {
	f := strings.SplitN(file, "_", 6)
	if len(f) != 6 {
		return nil, false
	}
	e := &entry{key: f[2]}
	seconds, micros, ok := strings.Cut(f[1], ".")
	s, err1 := strconv.ParseInt(seconds, 10, 64)
	us, err2 := strconv.ParseInt(micros, 10, 64)
	e.captured = time.Unix(s, us*1000)
	sum, err3 := strconv.ParseUint(f[4], 16, 32)
	e.sum = uint32(sum)
	var err4, err5, err6 error
	e.sequence, err4 = strconv.ParseUint(f[0], 10, 64)
	e.size, err5 = strconv.ParseInt(f[3], 10, 64)
	e.name, err6 = url.PathUnescape(f[5])
	return e, ok && errors.Join(err1, err2, err3, err4, err5, err6) == nil && e.size > 0 && plainKey(e.key) && e.file() == file
}

// plainKey reports whether a key can be part of a file name.
func plainKey(key string) bool {
	for _, c := range key {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return len(key) >= 1 && len(key) <= 64
}
