//go:build poison && linux

package picture_test

import (
	"runtime/debug"
	"testing"

	"github.com/maixstream/maixstream/hw/picture"
)

func TestUseAfterReleaseFaults(t *testing.T) {
	jpg, err := picture.New(64, 64, picture.RGB).JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	stale := jpg.Borrow()
	if stale[0] != 0xff {
		t.Fatal("no JPEG")
	}
	jpg.Release()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("released memory can still be read")
		}
	}()
	t.Log(stale[0])
}
