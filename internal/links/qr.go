package links

import (
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"
)

// quiet is the quiet zone that readers need (ISO/IEC 18004: 4 modules; 2 suffice on a terminal, whose margin follows).
const quiet = 2

// WriteQR draws a text as a QR code for a terminal: two modules per character, black on white regardless of the terminal's colours.
func WriteQR(w io.Writer, text string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return fmt.Errorf("QR code of %q: %w", text, err)
	}
	dark := func(x, y int) bool { return x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y) }
	var out strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		out.WriteString("\x1b[30;107m") // black on bright white
		for x := -quiet; x < code.Size+quiet; x++ {
			switch {
			case dark(x, y) && dark(x, y+1):
				out.WriteString("█")
			case dark(x, y):
				out.WriteString("▀")
			case dark(x, y+1):
				out.WriteString("▄")
			default:
				out.WriteString(" ")
			}
		}
		out.WriteString("\x1b[0m\n")
	}
	_, err = io.WriteString(w, out.String())
	return err
}
