package stream

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/maixstream/maixstream/pipeline/publish"
	"github.com/maixstream/maixstream/pipeline/push"
)

// registry gathers what /metrics shows; one per Handler, as a program may have several.
func (h *Handler) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(h), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if camera, ok := h.config.Feed.(Controller); ok {
		r.MustRegister(newCameraCollector(camera))
	}
	return r
}

// collector reads the state at each scrape, so that nothing is counted twice and frames cost nothing extra.
type collector struct {
	handler *Handler
	metrics []metric
	dropped *prometheus.Desc
	pushes  []pushMetric
	publish []publishMetric
}

// publishMetric is reported per server that H.264 is published to, named by its labels.
type publishMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*publish.State) float64
}

// pushMetric is reported per push target, named by its labels.
type pushMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*push.State) float64
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*State) float64
}

func newCollector(h *Handler) *collector {
	c := &collector{handler: h, dropped: prometheus.NewDesc("maixstream_frames_dropped_total", "Frames captured but not published, by cause.", []string{"cause"}, nil)}
	add := func(kind prometheus.ValueType, name, help string, value func(*State) float64) {
		c.metrics = append(c.metrics, metric{prometheus.NewDesc("maixstream_"+name, help, nil, nil), kind, value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "signal", "1 while the source delivers.", func(s *State) float64 { return boolValue(s.Signal) })
	add(gauge, "idle", "1 while the encoder rests because there are no viewers.", func(s *State) float64 { return boolValue(s.Idle) })
	add(gauge, "fps", "Frames published in the last second.", func(s *State) float64 { return s.FPS })
	// The two encode_ metrics are former names.
	for _, name := range []string{"capture_to_publish", "encode"} {
		add(gauge, name+"_seconds_p50", "Capture to published, median of the last second.", func(s *State) float64 { return s.EncodeMS.P50 / 1000 })
		add(gauge, name+"_seconds_p99", "Capture to published, 99th percentile of the last second.", func(s *State) float64 { return s.EncodeMS.P99 / 1000 })
	}
	add(counter, "frames_captured_total", "Frames delivered by the source.", func(s *State) float64 { return float64(s.Captured) })
	add(counter, "frames_published_total", "Frames published.", func(s *State) float64 { return float64(s.Published) })
	add(counter, "source_restarts_total", "Times the source was reopened.", func(s *State) float64 { return float64(s.Restarts) })
	add(gauge, "viewers", "Current viewers of the stream.", func(s *State) float64 { return float64(s.Server.Viewers) })
	add(counter, "viewers_total", "Viewers since the start.", func(s *State) float64 { return float64(s.Server.Total.Viewers) })
	add(counter, "viewers_refused_total", "Viewers refused over the limit.", func(s *State) float64 { return float64(s.Server.Total.Refused) })
	add(counter, "viewers_stalled_total", "Viewers disconnected because they read nothing.", func(s *State) float64 { return float64(s.Server.Total.Stalled) })
	add(counter, "requests_denied_total", "Requests without the right password or token.", func(s *State) float64 { return float64(s.Server.Total.Denied) })
	add(counter, "http_panics_total", "HTTP requests whose handler panicked; the log has the stacks.", func(s *State) float64 { return float64(s.Server.Total.Panics) })
	add(counter, "snapshots_total", "Snapshots sent.", func(s *State) float64 { return float64(s.Server.Total.Snapshots) })
	add(counter, "frames_sent_total", "Frames sent, to all viewers.", func(s *State) float64 { return float64(s.Server.Total.Frames) })
	add(counter, "frames_skipped_total", "Frames published but not sent to a viewer.", func(s *State) float64 { return float64(s.Server.Total.Skipped) })
	add(counter, "bytes_sent_total", "Stream bytes sent, to all viewers.", func(s *State) float64 { return float64(s.Server.Total.Bytes) })
	video := func(value func(*Video) float64) func(*State) float64 {
		return func(s *State) float64 {
			if s.Video == nil {
				return 0
			}
			return value(s.Video)
		}
	}
	add(gauge, "h264_available", "1 when there is H.264.", video(func(s *Video) float64 { return boolValue(s.Available) }))
	add(gauge, "h264_takers", "Current readers and recordings of H.264.", video(func(s *Video) float64 { return float64(s.Takers) }))
	add(gauge, "h264_fps", "Access units in the last second.", video(func(s *Video) float64 { return s.FPS }))
	add(gauge, "h264_bytes_per_second", "Bytes of access units in the last second.", video(func(s *Video) float64 { return s.BytesPerSec }))
	add(counter, "h264_units_total", "Access units encoded.", video(func(s *Video) float64 { return float64(s.Units) }))
	add(counter, "h264_key_frames_total", "Key frames among them.", video(func(s *Video) float64 { return float64(s.Keys) }))
	add(counter, "h264_dropped_total", "Frames dropped because the H.264 encoder was too slow, and undecodable units.",
		video(func(s *Video) float64 { return float64(s.Dropped) }))
	add(counter, "h264_failed_total", "Frames that failed to encode as H.264.", video(func(s *Video) float64 { return float64(s.Failed) }))
	addPush := func(kind prometheus.ValueType, name, help string, value func(*push.State) float64) {
		c.pushes = append(c.pushes, pushMetric{prometheus.NewDesc("maixstream_push_"+name, help, []string{"target", "url"}, nil), kind, value})
	}
	addPush(gauge, "away", "1 while pictures cannot be delivered.", func(s *push.State) float64 { return boolValue(s.Away) })
	addPush(gauge, "spooled", "Pictures waiting on disk.", func(s *push.State) float64 {
		if s.Spool == nil {
			return 0
		}
		return float64(s.Spool.Waiting)
	})
	addPush(counter, "pictures_total", "Pictures delivered.", func(s *push.State) float64 { return float64(s.Delivered) })
	addPush(counter, "bytes_total", "Bytes delivered.", func(s *push.State) float64 { return float64(s.Bytes) })
	addPush(counter, "failures_total", "Failed attempts.", func(s *push.State) float64 { return float64(s.Failures) })
	addPush(counter, "lost_total", "Pictures refused, given up on, dropped from the spool or damaged there.", func(s *push.State) float64 {
		lost := s.Refused + s.GivenUp
		if s.Spool != nil {
			lost += s.Spool.Dropped + s.Spool.Damaged
		}
		return float64(lost)
	})
	addPublish := func(kind prometheus.ValueType, name, help string, value func(*publish.State) float64) {
		c.publish = append(c.publish, publishMetric{prometheus.NewDesc("maixstream_publish_"+name, help, []string{"target", "url"}, nil), kind, value})
	}
	addPublish(gauge, "connected", "1 while the server receives the H.264.", func(s *publish.State) float64 { return boolValue(s.Connected) })
	addPublish(counter, "connections_total", "Connections established.", func(s *publish.State) float64 { return float64(s.Connections) })
	addPublish(counter, "failures_total", "Failed attempts and streams.", func(s *publish.State) float64 { return float64(s.Failures) })
	addPublish(counter, "frames_total", "Frames sent.", func(s *publish.State) float64 { return float64(s.Frames) })
	addPublish(counter, "bytes_total", "Bytes sent.", func(s *publish.State) float64 { return float64(s.Bytes) })
	addPublish(counter, "skipped_total", "Frames skipped because the server or the link was too slow.", func(s *publish.State) float64 { return float64(s.Skipped) })
	return c
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.metrics {
		ch <- c.metrics[i].desc
	}
	ch <- c.dropped
	for i := range c.pushes {
		ch <- c.pushes[i].desc
	}
	for i := range c.publish {
		ch <- c.publish[i].desc
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	state := c.handler.State()
	for i := range c.metrics {
		m := &c.metrics[i]
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&state))
	}
	for i := range state.Push {
		for _, m := range c.pushes {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&state.Push[i]), strconv.Itoa(i+1), state.Push[i].URL)
		}
	}
	for i := range state.Publish {
		for _, m := range c.publish {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&state.Publish[i]), strconv.Itoa(i+1), state.Publish[i].URL)
		}
	}
	d := &state.Dropped
	for _, cause := range []struct {
		name  string
		count uint64
	}{{"rate", d.Rate}, {"encoder", d.Encoder}, {"ring", d.Ring}, {"broken", d.Broken}, {"missed", d.Missed}} {
		ch <- prometheus.MustNewConstMetric(c.dropped, prometheus.CounterValue, float64(cause.count), cause.name)
	}
}
