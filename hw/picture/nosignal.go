package picture

import (
	"image/color"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/lettering"
)

// NoSignal makes the JPEG shown in place of an absent source: a dark picture with "no signal", the reason, and the time. The caller must release it.
func NoSignal(width, height int, reason string, at time.Time) (*Encoded, error) {
	if err := frame.CheckSize(width, height); err != nil {
		return nil, err
	}
	p := New(width, height, frame.YUV420)
	p.Fill(color.NRGBA{24, 26, 32, 255})
	big := min(max(height/8, 16), width/6)
	small := max(big/2, 12)
	lines := wrap(reason, small, width-width/10)
	total := big + big/2 + (len(lines)+2)*small
	y := max((height-total)/2, 0)
	p.centred(y, "no signal", White, big)
	y += big + big/2
	for _, line := range lines {
		p.centred(y, line, color.NRGBA{255, 190, 90, 255}, small)
		y += small
	}
	p.centred(y+small, at.Format("2006-01-02 15:04:05"), color.NRGBA{160, 165, 175, 255}, small)
	return p.JPEG(80)
}

func (p *Image) centred(y int, text string, c color.Color, size int) {
	w, _ := TextSize(text, size)
	p.DrawText(max((p.Width()-w)/2, 0), y, text, c, size)
}

// wrap breaks text at spaces into at most four lines of at most width pixels where words allow it.
func wrap(text string, size, width int) []string {
	pen, err := lettering.NewPen(size)
	if err != nil {
		return nil
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if len(lines) == 4 {
			return lines
		}
		longer := strings.TrimPrefix(line+" "+word, " ")
		if w, _ := pen.Size(longer); w > width && line != "" {
			lines, line = append(lines, line), word
			continue
		}
		line = longer
	}
	if line != "" && len(lines) < 4 {
		lines = append(lines, line)
	}
	return lines
}
