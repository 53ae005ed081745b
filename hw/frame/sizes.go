package frame

import "slices"

// UsualSizes are the sizes offered for a source that can deliver any size, smallest first, in pixels.
func UsualSizes() []Size {
	return []Size{{320, 240}, {640, 480}, {800, 600}, {1280, 720}, {1920, 1080}, {2560, 1440}}
}

// Offer returns those of sizes for which fits returns true, plus own, the size that a source delivers now.
func Offer(sizes []Size, own Size, fits func(Size) bool) []Size {
	var offered []Size
	for _, s := range sizes {
		if fits(s) {
			offered = append(offered, s)
		}
	}
	if !slices.Contains(offered, own) {
		offered = append(offered, own)
	}
	return offered
}
