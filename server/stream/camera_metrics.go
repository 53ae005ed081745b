package stream

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maixstream/maixstream/hw/frame"
)

// cameraCollector reports the camera's exposure time and gain, where it has them.
type cameraCollector struct {
	camera         Controller
	exposure, gain *prometheus.Desc
}

// scrapeTimeout bounds how long a scrape waits for the camera.
const scrapeTimeout = time.Second

func newCameraCollector(camera Controller) *cameraCollector {
	return &cameraCollector{
		camera:   camera,
		exposure: prometheus.NewDesc("maixstream_camera_exposure_seconds", "The camera's exposure time.", nil, nil),
		gain:     prometheus.NewDesc("maixstream_camera_gain", "The camera's gain, in the driver's own unit.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *cameraCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.exposure
	ch <- c.gain
}

// Collect implements prometheus.Collector.
func (c *cameraCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	list, err := c.camera.Controls(ctx)
	if err != nil {
		return
	}
	if e := frame.FindControl(list, "exposure_time_absolute"); e != nil {
		if unit, ok := map[string]float64{"µs": 1e-6, "100 µs": 1e-4}[e.Unit]; ok {
			ch <- prometheus.MustNewConstMetric(c.exposure, prometheus.GaugeValue, float64(e.Value)*unit)
		}
	}
	if g := frame.FindControl(list, "gain"); g != nil {
		ch <- prometheus.MustNewConstMetric(c.gain, prometheus.GaugeValue, float64(g.Value))
	}
}
