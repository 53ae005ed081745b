// Package packaging embeds files that packages install besides the program.
package packaging

import _ "embed"

// Sample is the commented configuration file, with each setting's default.
//
//go:embed maixstream.yaml
var Sample string
