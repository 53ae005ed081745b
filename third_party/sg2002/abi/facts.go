package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// The part of abi.json that is read: facts about the vendor's binary interface, taken from compiled probes.
type abi struct {
	Constants map[string]any      `json:"constants"` // number or text
	Enums     map[string]enumFact `json:"enums"`
	Structs   map[string]struct {
		Size   int         `json:"size"`
		Align  int         `json:"align"`
		Fields []fieldFact `json:"fields"`
	} `json:"structs"`
	Functions map[string]struct {
		Prototype string `json:"prototype"`
		Lib       string `json:"lib"`
	} `json:"functions"`
}

type enumFact struct {
	Size   int              `json:"size"`
	Signed bool             `json:"signed"`
	Values map[string]int64 `json:"values"`
}

type fieldFact struct {
	Name      string `json:"name"`
	Offset    int    `json:"offset"`
	Size      int    `json:"size"`
	Type      string `json:"type"`
	Bits      int    `json:"bits"`
	BitOffset int    `json:"bit_offset"`
}

// Members of type char that hold text. Every other char is a number, unsigned in the vendor's build, and must be uint8_t.
var textFields = map[string]bool{"acLibName": true, "acName": true, "cModName": true, "version": true}

var baseType = regexp.MustCompile(`^(?:enum )?\w+`)

func readABI(path string) (*abi, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the tree's own header
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	a := &abi{}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if err := dec.Decode(a); err != nil {
		return nil, fmt.Errorf("parse facts in %s: %w", path, err)
	}
	return a, nil
}

// facts writes one line per thing that h declares; it fails on what a does not know.
func (a *abi) facts(h *header) (string, error) {
	var out strings.Builder
	var errs []error
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("/* Made by abi/main.go from the facts about the MPI's binary interface; do not edit. */")
	declared := map[string]bool{}
	for _, e := range h.enums {
		declared[e] = true
		f, ok := a.Enums[e]
		if !ok {
			errs = append(errs, fmt.Errorf("enumeration %s: no fact", e))
			continue
		}
		line("ENUM(%s, %d, %d)", e, f.Size, b2i(f.Signed))
	}
	for _, s := range h.structs {
		f, ok := a.Structs[s.name]
		if !ok {
			errs = append(errs, fmt.Errorf("struct %s: no fact", s.name))
			continue
		}
		line("TYPE(%s, %d, %d)", s.name, f.Size, f.Align)
		byName := map[string]fieldFact{}
		for _, m := range f.Fields {
			byName[m.Name] = m
		}
		for _, name := range s.fields {
			m, ok := byName[name]
			if !ok || m.Bits != 0 {
				errs = append(errs, fmt.Errorf("member %s.%s: no fact", s.name, name))
				continue
			}
			line("FIELD(%s, %s, %d, %d, %s)", s.name, name, m.Offset, m.Size, a.typeName(m, declared))
		}
	}
	for _, c := range h.constants {
		v, err := a.constant(c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		line("%s", v)
	}
	for _, name := range h.functions {
		f := a.Functions[name]
		if f.Lib == "" {
			errs = append(errs, fmt.Errorf("function %s: no fact, or exported by no library", name))
			continue
		}
		line("FUNCTION(%s, %s)", name, strings.Replace(strings.TrimSuffix(f.Prototype, ";"), name+"(", "(", 1))
	}
	return out.String(), errors.Join(errs...)
}

// typeName is the C type that the header must use for m.
func (a *abi) typeName(m fieldFact, declared map[string]bool) string {
	base := baseType.FindString(m.Type)
	if e, ok := a.Enums[base]; ok && !declared[base] {
		return map[bool]string{false: "uint32_t", true: "int32_t"}[e.Signed] + strings.TrimPrefix(m.Type, base)
	}
	if base == "char" && !textFields[m.Name] {
		return "uint8_t" + strings.TrimPrefix(m.Type, base)
	}
	return m.Type
}

func (a *abi) constant(name string) (string, error) {
	if union, bit, ok := strings.Cut(name, "__"); ok { // a mask for a bit-field: UNION__field
		for _, m := range a.Structs[union].Fields {
			if m.Name == bit && m.Bits > 0 {
				return fmt.Sprintf("CONSTANT(%s, 0x%xLL)", name, (uint64(1)<<m.Bits-1)<<m.BitOffset), nil
			}
		}
	}
	switch v := a.Constants[name].(type) {
	case json.Number:
		return fmt.Sprintf("CONSTANT(%s, %sLL)", name, v), nil
	case string:
		return fmt.Sprintf("TEXT(%s, %q)", name, v), nil
	}
	for _, e := range a.Enums {
		if v, ok := e.Values[name]; ok {
			return fmt.Sprintf("CONSTANT(%s, %dLL)", name, v), nil
		}
	}
	return "", fmt.Errorf("constant %s: no fact", name)
}

// symbols writes the list of functions with the library that exports each.
func (a *abi) symbols(h *header) string {
	var out strings.Builder
	out.WriteString("/* Made by abi/main.go; do not edit. X(function, library that exports it) for every function declared here. */\n")
	out.WriteString("#ifndef MAIXSTREAM_CVI_SYMBOLS_H\n#define MAIXSTREAM_CVI_SYMBOLS_H\n\n#define CVI_SYMBOLS(X)")
	for _, name := range h.functions {
		fmt.Fprintf(&out, " \\\n\tX(%s, %q)", name, a.Functions[name].Lib)
	}
	out.WriteString("\n\n#endif\n")
	return out.String()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
