//go:build cgo

package pixiv_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/hw/libjpeg/internal/pixiv"
	"github.com/maixstream/maixstream/internal/casetest"
)

// Warnings about damaged pictures do not go to standard error past the logger.
func TestDamagedPicturesPrintNothing(t *testing.T) {
	base := casetest.Read(t, "base.jpg")
	scan := bytes.Index(base, []byte{0xff, 0xda})
	damaged := map[string][]byte{
		"stray bytes":    append(append(bytes.Clone(base[:len(base)-2]), 0, 0, 0, 0), base[len(base)-2:]...),
		"restart marker": bytes.Join([][]byte{base[:scan+600], {0xff, 0xd0}, base[scan+600:]}, nil),
	}
	printed, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer printed.Close()
	kept, err := unix.Dup(unix.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kept)
	for name, jpg := range damaged {
		if err := unix.Dup3(int(printed.Fd()), unix.Stderr, 0); err != nil {
			t.Fatal(err)
		}
		_, decodeErr := pixiv.Decode(jpg, pixiv.Options{RGB: true})
		if err := unix.Dup3(kept, unix.Stderr, 0); err != nil {
			t.Fatal(err)
		}
		if decodeErr != nil {
			t.Errorf("%s: %v", name, decodeErr)
		}
	}
	if text, err := os.ReadFile(printed.Name()); err != nil || len(text) > 0 {
		t.Errorf("libjpeg prints %q (%v)", text, err)
	}
}
