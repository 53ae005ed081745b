// Package loader adapts a dynamic riscv64 program to the name of musl's loader in a board's image.
package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// Names are musl's loader names in MaixCAM's family of images, the vendor's first.
var Names = []string{
	"/lib/ld-musl-riscv64v0p7_xthead.so.1",
	"/lib/ld-musl-riscv64xthead.so.1",
	"/lib/ld-musl-riscv64.so.1",
}

// ErrNotForBoard reports that the program is not a dynamic riscv64 executable.
var ErrNotForBoard = errors.New("not a dynamic riscv64 program (make device builds one)")

// Choose returns the first of Names that a board has.
func Choose(have []string) (string, error) {
	for _, name := range Names {
		for _, one := range have {
			if one == name {
				return name, nil
			}
		}
	}
	return "", fmt.Errorf("choose loader: the board has none of musl's known loaders (%v), only %v", Names, have)
}

// Fit returns a copy of program (a complete ELF file) with the loader name. The name is overwritten in place,
// so it may be at most as long as the old one: programs are linked with the longest of Names.
func Fit(program []byte, name string) ([]byte, error) {
	section, err := interpreter(program)
	if err != nil {
		return nil, fmt.Errorf("fit loader %s: %w", name, err)
	}
	if uint64(len(name))+1 > section.Filesz {
		return nil, fmt.Errorf("fit loader %s: the program has room for %d bytes only", name, section.Filesz)
	}
	fitted := bytes.Clone(program)
	room := fitted[section.Off : section.Off+section.Filesz]
	clear(room)
	copy(room, name)
	return fitted, nil
}

// Of returns the loader name in program.
func Of(program []byte) (string, error) {
	section, err := interpreter(program)
	if err != nil {
		return "", fmt.Errorf("read loader: %w", err)
	}
	name, _, _ := bytes.Cut(program[section.Off:section.Off+section.Filesz], []byte{0})
	return string(name), nil
}

// interpreter finds the program header of the loader's name, and checks that the file is as long as its headers claim.
func interpreter(program []byte) (elf.ProgHeader, error) {
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return elf.ProgHeader{}, fmt.Errorf("%w: %w", ErrNotForBoard, err)
	}
	if file.Machine != elf.EM_RISCV || file.Class != elf.ELFCLASS64 || (file.Type != elf.ET_EXEC && file.Type != elf.ET_DYN) {
		return elf.ProgHeader{}, fmt.Errorf("%w: it is %v %v %v", ErrNotForBoard, file.Class, file.Machine, file.Type)
	}
	size := uint64(len(program))
	var found *elf.ProgHeader
	for _, p := range file.Progs {
		if p.Off > size || p.Filesz > size-p.Off {
			return elf.ProgHeader{}, fmt.Errorf("%w: truncated", ErrNotForBoard)
		}
		if p.Type == elf.PT_INTERP && p.Filesz > 0 {
			found = &p.ProgHeader
		}
	}
	if found == nil {
		return elf.ProgHeader{}, fmt.Errorf("%w: no loader name", ErrNotForBoard)
	}
	return *found, nil
}
