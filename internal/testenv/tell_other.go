//go:build !linux

package testenv

import (
	"fmt"
	"os"
)

func tell(line string) { fmt.Fprint(os.Stderr, line) }
