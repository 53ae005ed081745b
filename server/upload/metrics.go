package upload

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// registry returns the metrics of /metrics.
func (s *Server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector reads the store on each scrape.
type collector struct {
	server  *Server
	metrics []metric
	// Per device:
	pictures, received, newest *prometheus.Desc
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*State) float64
}

func newCollector(s *Server) *collector {
	c := &collector{server: s}
	const prefix = "maixstream_receive_"
	add := func(kind prometheus.ValueType, name, help string, value func(*State) float64) {
		c.metrics = append(c.metrics, metric{prometheus.NewDesc(prefix+name, help, nil, nil), kind, value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add(counter, "pictures_total", "Pictures kept since the start.", func(s *State) float64 { return float64(s.Received) })
	add(counter, "bytes_total", "Bytes of pictures kept since the start.", func(s *State) float64 { return float64(s.ReceivedBytes) })
	add(counter, "duplicates_total", "Pictures that were here already, by their key.", func(s *State) float64 { return float64(s.Duplicates) })
	add(counter, "refused_total", "Uploads, and parts of streams, that were refused.", func(s *State) float64 { return float64(s.Refused) })
	add(counter, "cut_total", "Uploads that ended in the middle.", func(s *State) float64 { return float64(s.Cut) })
	add(counter, "disk_full_total", "Uploads refused because the disk is full.", func(s *State) float64 { return float64(s.Full) })
	add(counter, "failed_total",
		"Uploads that could not be kept because of the directory or another fault of this machine.", func(s *State) float64 { return float64(s.Failed) })
	add(counter, "expired_total", "Pictures deleted because of their age.", func(s *State) float64 { return float64(s.Expired) })
	add(counter, "pushed_out_total", "Pictures deleted to make room for others.", func(s *State) float64 { return float64(s.PushedOut) })
	add(gauge, "uploads", "Uploads that run now.", func(s *State) float64 { return float64(s.Uploads) })
	add(gauge, "viewers", "Viewers of live pictures and of the gallery now.", func(s *State) float64 { return float64(s.Viewers) })
	add(gauge, "kept_bytes", "What the kept pictures take on the disk.", func(s *State) float64 { return float64(s.Bytes) })
	add(gauge, "unreadable_directories", "Directories whose pictures are neither shown nor deleted by age.", func(s *State) float64 { return float64(s.Unreadable) })
	add(gauge, "directory_usable", "1 when pictures can be kept, 0 when their directory is gone or cannot be written.", func(s *State) float64 {
		if s.Error != "" {
			return 0
		}
		return 1
	})
	device := []string{"device"}
	c.pictures = prometheus.NewDesc(prefix+"device_pictures", "Pictures kept of a device.", device, nil)
	c.received = prometheus.NewDesc(prefix+"device_received_total", "Pictures of a device since the start.", device, nil)
	c.newest = prometheus.NewDesc(prefix+"device_arrived_timestamp_seconds", "When a device's newest picture came in.", device, nil)
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.metrics {
		ch <- c.metrics[i].desc
	}
	ch <- c.pictures
	ch <- c.received
	ch <- c.newest
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	state := c.server.State()
	for i := range c.metrics {
		m := &c.metrics[i]
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&state))
	}
	for _, d := range c.server.Devices() {
		ch <- prometheus.MustNewConstMetric(c.pictures, prometheus.GaugeValue, float64(d.Pictures), d.Name)
		ch <- prometheus.MustNewConstMetric(c.received, prometheus.CounterValue, float64(d.Received), d.Name)
		ch <- prometheus.MustNewConstMetric(c.newest, prometheus.GaugeValue, d.Arrived, d.Name)
	}
}
