package pipeline

import (
	"sync/atomic"

	"github.com/maixstream/maixstream/hw/frame"
)

// zoom is digital zoom: a magnified part of the picture. Its three controls have the names of a camera's own, and give way to those.
type zoom struct {
	percent   int64 // magnification, 100 to 100*frame.MaxZoom
	pan, tilt int64 // percent of the way from the centre to the right and, as V4L2's tilt increases, to the top edge
	view      atomic.Pointer[frame.View]
}

const (
	zoomControl = "zoom_absolute"
	panControl  = "pan_absolute"
	tiltControl = "tilt_absolute"
)

func (z *zoom) init() {
	z.percent = 100
	z.view.Store(&frame.View{})
}

// controls returns the three controls; pan and tilt are inactive while the whole picture is shown.
func (z *zoom) controls() []frame.Control {
	list := []frame.Control{
		{Name: zoomControl, Label: "Zoom", Min: 100, Max: 100 * frame.MaxZoom, Default: 100, Value: z.percent},
		{Name: panControl, Label: "Pan", Min: -100, Max: 100, Value: z.pan},
		{Name: tiltControl, Label: "Tilt", Min: -100, Max: 100, Value: z.tilt},
	}
	for i := range list {
		list[i].Unit, list[i].Step = "%", 1
		if i > 0 {
			list[i].Inactive = z.percent == 100
		}
	}
	return list
}

// with returns the zoom after applying its own values, and the other values.
func (z *zoom) with(values []frame.ControlValue) (percent, pan, tilt int64, others []frame.ControlValue) {
	percent, pan, tilt = z.percent, z.pan, z.tilt
	for _, v := range values {
		switch v.Name {
		case zoomControl:
			percent = v.Value
		case panControl:
			pan = v.Value
		case tiltControl:
			tilt = v.Value
		default:
			others = append(others, v)
		}
	}
	return percent, pan, tilt, others
}

// viewOf returns the part of the picture for the three values.
func viewOf(percent, pan, tilt int64) frame.View {
	if percent <= 100 {
		return frame.View{}
	}
	return frame.View{Zoom: float64(percent) / 100, X: 0.5 + float64(pan)/200, Y: 0.5 - float64(tilt)/200}
}

// canZoom reports whether the pipeline can show a part of the source's pictures, by the source or a transform. own are the source's controls.
func canZoom(source frame.Source, own []frame.Control, transforms bool) bool {
	if frame.FindControl(own, zoomControl) != nil {
		return false
	}
	if _, ok := source.(frame.Zoomer); ok {
		return true
	}
	_, ready := source.(frame.JPEGSource)
	return !ready && transforms && !isCoded(source)
}
