// Package packaging has what packages bring besides the program.
package packaging

import _ "embed"

// Sample is the commented configuration file, with each setting's default.
//
//go:embed maixstream.yaml
var Sample string
