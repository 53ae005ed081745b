package web

import (
	"io"
	"net/http"

	"github.com/maixstream/maixstream/server/internal/page"
)

// assets are what browsers request in addition to a page of the server called name, some of it without the page's credentials.
func assets(name string) []Route {
	routes := []Route{asset(page.ManifestPath, page.ManifestType, func(r *http.Request) string { return page.Manifest(name, r.URL.Query().Get("token")) })}
	for _, a := range page.Assets() {
		routes = append(routes, asset(a.Path, a.Type, func(*http.Request) string { return a.Body }))
	}
	return routes
}

// asset serves a file that browsers may cache for a day.
func asset(path, kind string, body func(*http.Request) string) Route {
	return Route{Path: path, Methods: "GET, HEAD", Handler: func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "private, max-age=86400")
		h.Del("Pragma")
		_, _ = io.WriteString(w, body(r))
	}}
}
