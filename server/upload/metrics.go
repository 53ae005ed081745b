package upload

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// registry is what /metrics shows.
func (s *Server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector reads the store when it is asked.
type collector struct {
	server  *Server
	metrics []metric
	// For each device:
	pictures, received, newest *prometheus.Desc
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func() float64
}

func newCollector(s *Server) *collector {
	c := &collector{server: s}
	const prefix = "maixstream_receive_"
	add := func(kind prometheus.ValueType, name, help string, value func() float64) {
		c.metrics = append(c.metrics, metric{prometheus.NewDesc(prefix+name, help, nil, nil), kind, value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add(counter, "pictures_total", "Pictures kept since the start.", func() float64 { return float64(s.store.counts.kept.Load()) })
	add(counter, "bytes_total", "Bytes of pictures kept since the start.", func() float64 { return float64(s.store.counts.keptBytes.Load()) })
	add(counter, "duplicates_total", "Pictures that were here already, by their key.", func() float64 { return float64(s.store.counts.duplicates.Load()) })
	add(counter, "refused_total", "Uploads, and parts of streams, that were refused.", func() float64 { return float64(s.counts.refused.Load()) })
	add(counter, "cut_total", "Uploads that ended in the middle.", func() float64 { return float64(s.counts.cut.Load()) })
	add(counter, "disk_full_total", "Uploads refused because the disk is full.", func() float64 { return float64(s.counts.full.Load()) })
	add(counter, "expired_total", "Pictures deleted because of their age.", func() float64 { return float64(s.store.counts.aged.Load()) })
	add(counter, "pushed_out_total", "Pictures deleted to make room for others.", func() float64 { return float64(s.store.counts.pushedOut.Load()) })
	add(gauge, "uploads", "Uploads that run now.", func() float64 { return float64(s.uploads.Load()) })
	add(gauge, "viewers", "Viewers of live pictures and of the gallery now.", func() float64 { return float64(s.viewers.Load()) })
	add(gauge, "kept_bytes", "What the kept pictures take on the disk.", func() float64 {
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
		return float64(s.store.bytes)
	})
	device := []string{"device"}
	c.pictures = prometheus.NewDesc(prefix+"device_pictures", "Pictures kept of a device.", device, nil)
	c.received = prometheus.NewDesc(prefix+"device_received_total", "Pictures of a device since the start.", device, nil)
	c.newest = prometheus.NewDesc(prefix+"device_arrived_timestamp_seconds", "When a device's newest picture came in.", device, nil)
	return c
}

// Describe is the collector's.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.metrics {
		ch <- c.metrics[i].desc
	}
	ch <- c.pictures
	ch <- c.received
	ch <- c.newest
}

// Collect is the collector's.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for i := range c.metrics {
		m := &c.metrics[i]
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value())
	}
	for _, d := range c.server.Devices() {
		ch <- prometheus.MustNewConstMetric(c.pictures, prometheus.GaugeValue, float64(d.Pictures), d.Name)
		ch <- prometheus.MustNewConstMetric(c.received, prometheus.CounterValue, float64(d.Received), d.Name)
		ch <- prometheus.MustNewConstMetric(c.newest, prometheus.GaugeValue, d.Arrived, d.Name)
	}
}
