package web

import (
	"net/http"
	"strings"

	"github.com/maixstream/maixstream/server/internal/page"
)

// Route is a path and its handler.
type Route struct {
	// Path is a pattern of http.ServeMux without a method.
	Path string
	// Methods are those Handler accepts, as in "GET, HEAD".
	Methods string
	Handler http.HandlerFunc
	// Views means that no method changes anything: view-only users may use them all.
	Views bool
	// Alias means that the path has another, canonical name.
	Alias bool
}

// Router dispatches each request to the route of its path. It answers OPTIONS, methods a path does not have (405, with Allow) and unknown paths
// (404, with the known paths, for a browser as links) itself.
type Router struct {
	mux    *http.ServeMux
	views  map[string]bool // by path
	refuse func(w http.ResponseWriter, code int, text string)
}

// NewRouter returns a Router. refuse writes its refusals; nil: plain text. It panics if two routes have the same path, or one has the path /.
func NewRouter(refuse func(w http.ResponseWriter, code int, text string), routes ...Route) *Router {
	if refuse == nil {
		refuse = refuseText
	}
	r := &Router{http.NewServeMux(), map[string]bool{}, refuse}
	var paths []string // shown in a 404
	for _, route := range routes {
		r.views[route.Path] = route.Views
		r.mux.Handle(route.Path, r.methods(route.Methods, route.Handler))
		if path := strings.TrimSuffix(route.Path, "{$}"); !route.Alias && strings.HasPrefix(route.Methods, http.MethodGet) && !strings.Contains(path, "{") {
			paths = append(paths, path)
		}
	}
	r.mux.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		if strings.Contains(request.Header.Get("Accept"), "text/html") && len(paths) > 0 {
			d := page.NotFound(request.URL.Path, paths)
			d.Serve(w, http.StatusNotFound)
			return
		}
		text := "there is nothing here"
		if len(paths) > 0 {
			text += "; there is " + strings.Join(paths, ", ")
		}
		r.refuse(w, http.StatusNotFound, text)
	})
	return r
}

// ServeHTTP implements http.Handler.
func (r *Router) ServeHTTP(w http.ResponseWriter, request *http.Request) { r.mux.ServeHTTP(w, request) }

// Views implements Viewer.
func (r *Router) Views(request *http.Request) bool {
	_, path := r.mux.Handler(request)
	return r.views[path]
}

// Viewer is a handler that knows which requests with methods other than GET and HEAD change nothing. Without it all are taken to change something.
type Viewer interface{ Views(*http.Request) bool }

// methods passes requests with these methods to h.
func (r *Router) methods(methods string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		for m := range strings.SplitSeq(methods, ", ") {
			if request.Method == m {
				h(w, request)
				return
			}
		}
		w.Header().Set("Allow", strings.TrimSuffix(methods, ", OPTIONS")+", OPTIONS")
		if request.Method == http.MethodOptions {
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				w.Header().Set("Access-Control-Allow-Methods", methods)
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		r.refuse(w, http.StatusMethodNotAllowed, "method "+request.Method+" not allowed; use "+methods)
	})
}

func refuseText(w http.ResponseWriter, code int, text string) { http.Error(w, text, code) }
