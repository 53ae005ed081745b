package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// A header is the content of the C headers in include/, in order of declaration.
type header struct {
	structs   []structDecl
	enums     []string // "NAME_E" or "enum tag"
	constants []string // macros with a value and enumerators
	functions []string
}

// A structDecl is a struct or union with its members' names; members of an anonymous union count as its own.
type structDecl struct {
	name   string // "NAME_S" or "struct tag"
	fields []string
}

var (
	comments   = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	macro      = regexp.MustCompile(`(?m)^#define[ \t]+(\w+)[ \t]+(\S.*)$`)
	directive  = regexp.MustCompile(`(?m)^#.*$`)
	body       = regexp.MustCompile(`(?s)^(typedef )?(enum|struct|union)( \w+)? ?\{(.*)\}( ?\w+)?$`)
	attribute  = regexp.MustCompile(`__attribute__\(\([^;{}]*?\)\) `)
	opaque     = regexp.MustCompile(`^typedef struct (\w+) (\w+)$`)
	prototype  = regexp.MustCompile(`(?s)^\w[\w ]*[ *](CVI_\w+)\(.*\)$`)
	funcMember = regexp.MustCompile(`\(\*(\w+)\)\(`)
	lastName   = regexp.MustCompile(`(\w+)(?:\[\w+\])*$`)
)

// readHeaders parses all headers in a directory except the generated list of symbols. It accepts only the style they are
// written in, so that no declaration escapes the checker.
func readHeaders(dir string) (*header, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.h"))
	if err != nil {
		return nil, fmt.Errorf("list headers in %s: %w", dir, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("list headers in %s: none found", dir)
	}
	sort.Strings(names)
	h := &header{}
	for _, name := range names {
		if filepath.Base(name) == symbolsFile {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read header: %w", err)
		}
		if err := h.parse(string(text)); err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
	}
	return h, nil
}

func (h *header) parse(text string) error {
	text = comments.ReplaceAllString(text, "")
	for _, m := range macro.FindAllStringSubmatch(text, -1) {
		h.constants = append(h.constants, m[1])
	}
	text = directive.ReplaceAllString(text, "")
	for _, d := range split(text, ';') {
		d = attribute.ReplaceAllString(strings.Join(strings.Fields(d), " "), "")
		if d == "" {
			continue
		}
		if err := h.declaration(d); err != nil {
			return err
		}
	}
	return nil
}

func (h *header) declaration(d string) error {
	if m := opaque.FindStringSubmatch(d); m != nil && m[1] == m[2] {
		return nil // used only by pointer: nothing to check
	}
	if m := body.FindStringSubmatch(d); m != nil {
		kind, tag, inside, name := m[2], strings.TrimSpace(m[3]), m[4], strings.TrimSpace(m[5])
		if m[1] == "" {
			name = kind + " " + tag
		} else if tag != "" || name == "" {
			return fmt.Errorf("typedef with a tag or without a name: %q", d)
		}
		if kind == "enum" {
			h.enums = append(h.enums, name)
			for _, e := range split(inside, ',') {
				if id := strings.TrimSpace(strings.SplitN(e, "=", 2)[0]); id != "" {
					h.constants = append(h.constants, id)
				}
			}
			return nil
		}
		fields, err := members(inside)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		h.structs = append(h.structs, structDecl{name: name, fields: fields})
		return nil
	}
	if m := prototype.FindStringSubmatch(d); m != nil {
		h.functions = append(h.functions, m[1])
		return nil
	}
	return fmt.Errorf("unknown form of declaration: %q", d)
}

func members(inside string) ([]string, error) {
	var names []string
	for _, m := range split(inside, ';') {
		m = strings.TrimSpace(m)
		switch {
		case m == "":
		case strings.HasPrefix(m, "union {") && strings.HasSuffix(m, "}"):
			inner, err := members(m[len("union {") : len(m)-1])
			if err != nil {
				return nil, err
			}
			names = append(names, inner...)
		case strings.ContainsAny(m, "{}:"):
			return nil, fmt.Errorf("unknown form of member: %q", m)
		case funcMember.MatchString(m):
			names = append(names, funcMember.FindStringSubmatch(m)[1])
		default:
			id := lastName.FindStringSubmatch(m)
			if id == nil {
				return nil, fmt.Errorf("member without a name: %q", m)
			}
			if id[1] == "room_" || id[1] == "room_2" {
				continue
			}
			names = append(names, id[1])
		}
	}
	return names, nil
}

// split splits text at sep outside brackets.
func split(text string, sep byte) []string {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '(':
			depth++
		case '}', ')':
			depth--
		case sep:
			if depth == 0 {
				parts = append(parts, text[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, text[start:])
}
