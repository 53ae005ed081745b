package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// isTerminal says whether a person sees what is written.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// statusLine is the last line of a terminal, which is written over, while what else is written scrolls above it.
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

// cut makes a text fit the terminal: one that is wrapped could not be taken back.
func (s *statusLine) cut(text string) string {
	width, _, err := term.GetSize(int(s.out.Fd()))
	if runes := []rune(text); err == nil && width > 1 && len(runes) >= width {
		return string(runes[:width-1])
	}
	return text
}

// end leaves the line as it is and goes below it.
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
