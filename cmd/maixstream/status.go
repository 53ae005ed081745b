package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// statusLine is a terminal's last line, overwritten in place while other output scrolls above it.
type statusLine struct {
	mu   sync.Mutex
	out  *os.File
	text string
}

// show replaces the line.
func (s *statusLine) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = s.cut(text)
	fmt.Fprint(s.out, clearLine+s.text)
}

// cut shortens a text to the terminal's width: a wrapped line could not be erased.
func (s *statusLine) cut(text string) string {
	width, _, err := term.GetSize(int(s.out.Fd()))
	if runes := []rune(text); err == nil && width > 1 && len(runes) >= width {
		return string(runes[:width-1])
	}
	return text
}

// end keeps the line and moves below it.
func (s *statusLine) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text != "" {
		fmt.Fprintln(s.out)
		s.text = ""
	}
}

// above returns a writer to w, the same terminal, whose lines appear above the status line.
func (s *statusLine) above(w io.Writer) io.Writer { return aboveLine{s, w} }

type aboveLine struct {
	line *statusLine
	w    io.Writer
}

func (a aboveLine) Write(text []byte) (int, error) {
	a.line.mu.Lock()
	defer a.line.mu.Unlock()
	fmt.Fprint(a.line.out, clearLine)
	n, err := a.w.Write(text)
	fmt.Fprint(a.line.out, a.line.text)
	return n, err
}
