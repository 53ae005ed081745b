package loader_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/toolchain/internal/loader"
)

// program returns a minimal ELF file with a loader's name, and some bytes after it.
func program(machine uint16, name string, room int) []byte {
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	put(uint16(2)) // ET_EXEC
	put(machine)
	put(uint32(1))
	put([3]uint64{0x10000, 64, 0}) // entry, program headers, section headers
	put(uint32(5))
	put([6]uint16{64, 56, 1, 64, 0, 0})
	put([2]uint32{3, 4}) // PT_INTERP, readable
	put([6]uint64{64 + 56, 0x10078, 0x10078, uint64(room), uint64(room), 1})
	b.WriteString(name)
	b.Write(make([]byte, room-len(name)))
	b.WriteString("code")
	return b.Bytes()
}

const riscv, amd64 = 243, 62

func TestFitChangesOnlyTheName(t *testing.T) {
	original := program(riscv, loader.Names[0], len(loader.Names[0])+1)
	before := bytes.Clone(original)
	for _, name := range loader.Names {
		fitted, err := loader.Fit(original, name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := loader.Of(fitted); err != nil || got != name {
			t.Errorf("Of: %q, %v; want %q", got, err, name)
		}
		if len(fitted) != len(original) || !bytes.HasSuffix(fitted, []byte("\x00code")) || !bytes.Equal(fitted[:120], original[:120]) {
			t.Errorf("%s: bytes beside the name changed", name)
		}
		again, err := loader.Fit(fitted, loader.Names[0])
		if err != nil || !bytes.Equal(again, original) {
			t.Errorf("%s: fitting back does not give the first program again: %v", name, err)
		}
	}
	if !bytes.Equal(before, original) {
		t.Error("Fit wrote to its argument")
	}
}

func TestFitRejectsOtherFiles(t *testing.T) {
	whole := program(riscv, loader.Names[0], 40)
	for what, bad := range map[string][]byte{
		"amd64":     program(amd64, "/lib64/ld-linux-x86-64.so.2", 40),
		"empty":     nil,
		"text":      []byte("#!/bin/sh\necho not a program\n"),
		"cut short": whole[:130],
		"no header": whole[:20],
		"no loader": append(append(bytes.Clone(whole[:64]), 1), whole[65:]...),
	} {
		if _, err := loader.Fit(bad, loader.Names[2]); !errors.Is(err, loader.ErrNotForBoard) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := loader.Fit(program(riscv, loader.Names[2], len(loader.Names[2])+1), loader.Names[0]); err == nil || !strings.Contains(err.Error(), "room") {
		t.Errorf("too long a name: %v", err)
	}
}

func TestChoosePrefersTheVendorsName(t *testing.T) {
	for _, c := range []struct {
		have []string
		want string
	}{
		{loader.Names, loader.Names[0]},
		{[]string{loader.Names[2], loader.Names[1]}, loader.Names[1]},
		{[]string{"/lib/ld-musl-riscv64-sf.so.1", loader.Names[2]}, loader.Names[2]},
		{[]string{"/lib/ld-linux-riscv64-lp64d.so.1"}, ""},
		{nil, ""},
	} {
		got, err := loader.Choose(c.have)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Choose(%v) = %q, %v; want %q", c.have, got, err, c.want)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add(program(riscv, loader.Names[0], 40))
	f.Add(program(amd64, loader.Names[0], 40))
	f.Fuzz(func(t *testing.T, program []byte) {
		fitted, err := loader.Fit(program, loader.Names[1])
		if err != nil {
			return
		}
		if name, err := loader.Of(fitted); err != nil || name != loader.Names[1] {
			t.Errorf("fitted to %q: %v", name, err)
		}
	})
}
