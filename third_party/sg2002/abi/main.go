// Command abi generates the table that checks the declarations in include/.
//
//	go run ./third_party/sg2002/abi path/to/abi.json
//
// reads the headers and the facts, and writes abi/facts.h (size, alignment, offset, type, value, prototype of everything
// the headers declare) and include/cvi_symbols.h (which library exports which function). It fails if a header declares
// something that is not in the facts. abi/check.h then compares the table with the headers at compile time.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const (
	factsFile   = "facts.h"
	symbolsFile = "cvi_symbols.h"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./third_party/sg2002/abi ABI.JSON   (in the root of the repository)")
		os.Exit(2)
	}
	if err := run(os.Args[1], filepath.Join("third_party", "sg2002")); err != nil {
		fmt.Fprintln(os.Stderr, "abi:", err)
		os.Exit(1)
	}
}

func run(factsPath, dir string) error {
	a, err := readABI(factsPath)
	if err != nil {
		return err
	}
	h, err := readHeaders(filepath.Join(dir, "include"))
	if err != nil {
		return err
	}
	facts, err := a.facts(h)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "abi", factsFile), []byte(facts), 0o644); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "include", symbolsFile), []byte(a.symbols(h)), 0o644); err != nil {
		return fmt.Errorf("write list of symbols: %w", err)
	}
	return nil
}
