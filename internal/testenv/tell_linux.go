package testenv

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// tell prints a line that the person who runs the tests sees. Given several packages, go test discards the output of each that passes (cmd/go's documentation,
// "package list mode"), and with it what was skipped: the line goes to the go command's own standard error then.
func tell(line string) {
	if !testing.Verbose() {
		parent := fmt.Sprintf("/proc/%d/", os.Getppid())
		name, _ := os.ReadFile(parent + "comm")
		theirs, err := os.Stat(parent + "fd/1")
		ours, ourErr := os.Stdout.Stat()
		if strings.TrimSpace(string(name)) == "go" && err == nil && ourErr == nil && !os.SameFile(theirs, ours) {
			if terminal, err := os.OpenFile(parent+"fd/2", os.O_WRONLY|os.O_APPEND, 0); err == nil {
				defer terminal.Close()
				if _, err := terminal.WriteString(line); err == nil {
					return
				}
			}
		}
	}
	fmt.Fprint(os.Stderr, line)
}
