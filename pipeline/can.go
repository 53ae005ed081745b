package pipeline

import "github.com/maixstream/maixstream/hw/frame"

// Can reports which settings of the running source can be changed, so that a page offers only those. While the source is
// away all are false and Sizes is nil.
type Can struct {
	Quality bool
	FPS     bool
	Orient  bool // mirror and flip
	Rotate  bool
	Overlay bool
	// Sizes to choose from, including the current one: the source's own, or common ones if it accepts any size.
	Sizes []frame.Size
}

// can must agree with apply on each setting.
func (p *Pipeline) can(source frame.Source, settings *Settings) Can {
	_, raw := source.(frame.RawSource)
	if _, ready := source.(frame.JPEGSource); ready {
		raw = false
	}
	transforms := raw && p.config.NewTransform != nil
	_, quality := source.(frame.QualitySetter)
	_, orients := source.(frame.Orienter)
	_, overlays := source.(frame.Overlayer)
	return Can{
		Quality: raw || quality || isCoded(source), FPS: true, Orient: transforms || orients, Rotate: transforms, Overlay: transforms || overlays,
		Sizes: p.sizes(source, settings),
	}
}

func (p *Pipeline) sizes(source frame.Source, settings *Settings) []frame.Size {
	present := frame.Size{Width: settings.Width, Height: settings.Height}
	info := source.Info()
	choice := info.Sizes
	if choice == nil {
		if _, resizes := source.(frame.Resizer); !resizes {
			return []frame.Size{{Width: info.Width, Height: info.Height}}
		}
		choice = frame.UsualSizes()
	}
	return frame.Offer(choice, present, func(s frame.Size) bool { return frame.MaxJPEGSize(s.Width, s.Height) <= p.config.Ring.SlotSize() })
}
