// Package prometheus writes metrics in Prometheus's text format: as much of client_golang as a program needs whose values are read
// when they are asked for, under the same names. client_golang itself brings protocol buffers along, and the two were a seventh
// of the program for the board (1.7 of 13.2 MB).
//
// The format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
package prometheus

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// ValueType is the kind of a metric.
type ValueType string

const (
	// GaugeValue goes up and down.
	GaugeValue ValueType = "gauge"
	// CounterValue only goes up while the program runs.
	CounterValue ValueType = "counter"
)

// Desc describes a metric. It is not changed after it was made.
type Desc struct {
	name, help string
	labels     []string
}

// NewDesc describes a metric by its full name, a sentence, and the names of its labels (nil: none). Names are not checked.
func NewDesc(name, help string, labels []string) *Desc {
	return &Desc{name, help, labels}
}

// Metric is one value of a described metric.
type Metric struct {
	desc   *Desc
	kind   ValueType
	value  float64
	labels []string
}

// NewMetric is a value with its labels' values, in the order of the description's names; a label without a value is empty.
func NewMetric(desc *Desc, kind ValueType, value float64, labels ...string) Metric {
	return Metric{desc, kind, value, labels}
}

// Collector has values. Collect is called for each request, at the same time for several; it calls emit once a value, and those of one
// description one after the other.
type Collector interface {
	Collect(emit func(Metric))
}

// Handler answers with the collector's metrics and those of the process: memory, garbage, goroutines, CPU, open files.
func Handler(c Collector) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		var text bytes.Buffer
		write(&text, c)
		metrics.WriteProcessMetrics(&text)
		metrics.WriteFDMetrics(&text)
		w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
		if r.Method != http.MethodHead {
			_, _ = io.Copy(w, &text) // a client that has gone needs no answer
		}
	})
}

var (
	helpText  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func write(to *bytes.Buffer, c Collector) {
	var last *Desc
	c.Collect(func(m Metric) {
		if m.desc != last {
			last = m.desc
			to.WriteString("# HELP " + m.desc.name + " " + helpText.Replace(m.desc.help) + "\n# TYPE " + m.desc.name + " " + string(m.kind) + "\n")
		}
		to.WriteString(m.desc.name)
		for i, label := range m.desc.labels {
			separator, value := ",", ""
			if i == 0 {
				separator = "{"
			}
			if i < len(m.labels) {
				value = strings.ToValidUTF8(m.labels[i], "\uFFFD")
			}
			to.WriteString(separator + label + `="` + labelText.Replace(value) + `"`)
		}
		if len(m.desc.labels) > 0 {
			to.WriteByte('}')
		}
		to.WriteString(" " + strconv.FormatFloat(m.value, 'g', -1, 64) + "\n")
	})
}
