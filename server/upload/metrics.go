package upload

import "github.com/maixstream/maixstream/server/prometheus"

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
	value func(*State) float64
}

func newCollector(s *Server) *collector {
	c := &collector{server: s}
	const prefix = "maixstream_receive_"
	add := func(kind prometheus.ValueType, name, help string, value func(*State) float64) {
		c.metrics = append(c.metrics, metric{prometheus.NewDesc(prefix+name, help, nil), kind, value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add(counter, "pictures_total", "Pictures kept since the start.", func(s *State) float64 { return float64(s.Received) })
	add(counter, "bytes_total", "Bytes of pictures kept since the start.", func(s *State) float64 { return float64(s.ReceivedBytes) })
	add(counter, "duplicates_total", "Pictures that were here already, by their key.", func(s *State) float64 { return float64(s.Duplicates) })
	add(counter, "refused_total", "Uploads, and parts of streams, that were refused.", func(s *State) float64 { return float64(s.Refused) })
	add(counter, "cut_total", "Uploads that ended in the middle.", func(s *State) float64 { return float64(s.Cut) })
	add(counter, "disk_full_total", "Uploads refused because the disk is full.", func(s *State) float64 { return float64(s.Full) })
	add(counter, "expired_total", "Pictures deleted because of their age.", func(s *State) float64 { return float64(s.Expired) })
	add(counter, "pushed_out_total", "Pictures deleted to make room for others.", func(s *State) float64 { return float64(s.PushedOut) })
	add(gauge, "uploads", "Uploads that run now.", func(s *State) float64 { return float64(s.Uploads) })
	add(gauge, "viewers", "Viewers of live pictures and of the gallery now.", func(s *State) float64 { return float64(s.Viewers) })
	add(gauge, "kept_bytes", "What the kept pictures take on the disk.", func(s *State) float64 { return float64(s.Bytes) })
	device := []string{"device"}
	c.pictures = prometheus.NewDesc(prefix+"device_pictures", "Pictures kept of a device.", device)
	c.received = prometheus.NewDesc(prefix+"device_received_total", "Pictures of a device since the start.", device)
	c.newest = prometheus.NewDesc(prefix+"device_arrived_timestamp_seconds", "When a device's newest picture came in.", device)
	return c
}

// Collect is the collector's.
func (c *collector) Collect(emit func(prometheus.Metric)) {
	state := c.server.State()
	for i := range c.metrics {
		m := &c.metrics[i]
		emit(prometheus.NewMetric(m.desc, m.kind, m.value(&state)))
	}
	devices := c.server.Devices()
	each := func(desc *prometheus.Desc, kind prometheus.ValueType, value func(*Device) float64) {
		for i := range devices {
			emit(prometheus.NewMetric(desc, kind, value(&devices[i]), devices[i].Name))
		}
	}
	each(c.pictures, prometheus.GaugeValue, func(d *Device) float64 { return float64(d.Pictures) })
	each(c.received, prometheus.CounterValue, func(d *Device) float64 { return float64(d.Received) })
	each(c.newest, prometheus.GaugeValue, func(d *Device) float64 { return d.Arrived })
}
