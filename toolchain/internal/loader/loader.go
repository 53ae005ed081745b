// Package loader fits a dynamic riscv64 program to the name that a board's image has for musl's loader.
package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// Names are musl's loader names in use on MaixCAM's family of images, the vendor's own first.
var Names = []string{
	"/lib/ld-musl-riscv64v0p7_xthead.so.1",
	"/lib/ld-musl-riscv64xthead.so.1",
	"/lib/ld-musl-riscv64.so.1",
}

// ErrNotForBoard: the program is not a dynamic riscv64 executable.
var ErrNotForBoard = errors.New("not a dynamic riscv64 program (make device builds one)")

// Choose returns the first of Names that is among those a board has.
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

// Fit returns a copy of program (a whole ELF file) that asks for the loader name. The name is written over the old one in place,
// so it may be at most as long as that: programs are linked with the longest of Names.
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

// Of returns the loader that program asks for.
func Of(program []byte) (string, error) {
	section, err := interpreter(program)
	if err != nil {
		return "", fmt.Errorf("read loader: %w", err)
	}
	name, _, _ := bytes.Cut(program[section.Off:section.Off+section.Filesz], []byte{0})
	return string(name), nil
}

// interpreter finds the program header that holds the loader's name, and checks that the file has all that its headers promise.
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
			return elf.ProgHeader{}, fmt.Errorf("%w: it is cut short", ErrNotForBoard)
		}
		if p.Type == elf.PT_INTERP && p.Filesz > 0 {
			found = &p.ProgHeader
		}
	}
	if found == nil {
		return elf.ProgHeader{}, fmt.Errorf("%w: it names no loader", ErrNotForBoard)
	}
	return *found, nil
}
