// Package reply writes the replies common to the program's HTTP handlers: JSON, server-sent events, metrics.
package reply

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// JSON replies with value as JSON on one line.
func JSON(w http.ResponseWriter, code int, value any) { writeJSON(w, code, value, "") }

// IndentedJSON replies with value as indented JSON.
func IndentedJSON(w http.ResponseWriter, code int, value any) { writeJSON(w, code, value, "  ") }

func writeJSON(w http.ResponseWriter, code int, value any, indent string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", indent)
	_ = e.Encode(value) // fails if the client has gone
}

// Metrics serves what g gathers, in Prometheus' text format. The library's own handler would add the other formats, a quarter of a
// megabyte, to a board's program; every scraper accepts this one.
func Metrics(g prometheus.Gatherer) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		families, err := g.Gather()
		if err != nil {
			http.Error(w, "metrics: "+err.Error(), http.StatusInternalServerError)
			return
		}
		var text bytes.Buffer
		for _, family := range families {
			if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
				http.Error(w, "metrics: "+err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
		_, _ = w.Write(text.Bytes())
	}
}
