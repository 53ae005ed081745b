// Package secretfile reads and checks files with passwords, tokens and keys.
package secretfile

import (
	"os"
	"runtime"

	"go.uber.org/zap"
)

// Warn logs a warning for each of the files that every user of the machine can read. Empty names and missing files are
// ignored.
func Warn(log *zap.Logger, names ...string) {
	for _, name := range names {
		if name != "" && readableByOthers(name) {
			log.Warn("every user of this machine may read this secret file; restrict it with chmod o-rwx", zap.String("file", name))
		}
	}
}

func readableByOthers(name string) bool {
	if runtime.GOOS == "windows" { // the mode does not show who may read there
		return false
	}
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}

// Text returns a file's text without the byte order mark that some editors add.
func Text(name string) (string, error) {
	text, err := os.ReadFile(name)
	if len(text) >= 3 && string(text[:3]) == "\xef\xbb\xbf" {
		text = text[3:]
	}
	return string(text), err
}
