package prometheus_test

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maixstream/maixstream/server/prometheus"
)

type collector []prometheus.Metric

func (c collector) Collect(metric func(prometheus.Metric)) {
	for _, m := range c {
		metric(m)
	}
}

func answer(c collector, method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	prometheus.Handler(c).ServeHTTP(w, httptest.NewRequest(method, "/metrics", nil))
	return w
}

func TestTextIsPrometheuss(t *testing.T) {
	plain := prometheus.NewDesc("frames_total", "Frames.\nAll of them, with \\.", nil)
	labelled := prometheus.NewDesc("device_fps", "Of a device.", []string{"device", "place"})
	w := answer(collector{
		prometheus.NewMetric(plain, prometheus.CounterValue, 12345678901),
		prometheus.NewMetric(labelled, prometheus.GaugeValue, 29.97, `a "b" \ `+"\n", "hall"),
		prometheus.NewMetric(labelled, prometheus.GaugeValue, math.Inf(1), "\xff"),
	}, "GET")
	want := `# HELP frames_total Frames.\nAll of them, with \\.
# TYPE frames_total counter
frames_total 1.2345678901e+10
# HELP device_fps Of a device.
# TYPE device_fps gauge
device_fps{device="a \"b\" \\ \n",place="hall"} 29.97
device_fps{device="` + "\uFFFD" + `",place=""} +Inf
`
	if got := w.Body.String(); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant first\n%s", got, want)
	}
	if got := w.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}

func TestTheProcessIsToldToo(t *testing.T) {
	body := answer(nil, "GET").Body.String()
	for _, name := range []string{"process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds ", "go_goroutines ", "go_memstats_heap_alloc_bytes "} {
		if !strings.Contains(body, "\n"+name) && !strings.HasPrefix(body, name) {
			t.Errorf("no %s in\n%s", name, body)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	if w := answer(nil, "HEAD"); w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("%d bytes, %v", w.Body.Len(), w.Header())
	}
}
